"""Find and start the Chromium that the suite, and `doctor --live`, drive."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--renderer-process-limit=1",
    "--in-process-gpu",
    "--enable-features=NetworkServiceInProcess2",
)
"""No sandbox, since root can't have one; no traffic but the page's; and as few processes as
possible, which saves a seventh of the tests' time."""

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The system's browsers in order of preference: the headless shell is twice as fast."""


def find() -> Path | None:
    """Return the system's browser, or None to drive Playwright's own."""
    return next((Path(path) for path in map(shutil.which, NAMES) if path), None)


def launch(playwright: "Playwright", *more: str) -> "Browser":
    """Start that browser in headless mode, with these further arguments."""
    return playwright.chromium.launch(executable_path=find(), args=[*ARGUMENTS, *more])


def is_drivable() -> bool:
    """Return whether Playwright starts, and there is a browser for it: the system's or its own.

    Its driver is a Node.js, which a bare Debian lacks a library for.
    """
    from playwright.sync_api import sync_playwright

    try:
        with sync_playwright() as playwright:
            return find() is not None or Path(playwright.chromium.executable_path).exists()
    except Exception:  # of Playwright, which has no class for a driver that does not start
        return False


def is_available() -> bool:
    """Return whether a browser can be driven: Playwright is installed, and there is a browser."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return False
    return is_drivable()
