"""Find or install the Chromium that the suite drives."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from channelsmin.errors import UserError
from channelsmin.runtime import programs

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


def launch(playwright: "Playwright") -> "Browser":
    """Start that browser in headless mode."""
    return playwright.chromium.launch(executable_path=find(), args=list(ARGUMENTS))


def _playwrights_own() -> bool:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


def ensure() -> None:
    """Install a browser if there is none: Playwright's own, or the system package manager's.

    Raises UserError if neither is available.
    """
    if find() or _playwrights_own():
        return
    steps = [[[sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]]]
    if shutil.which("apt-get") and programs.is_root():
        steps.append([["apt-get", "update"], ["apt-get", "install", "--yes", NAMES[0]]])
    for step in steps:
        if all(subprocess.run(command, check=False).returncode == 0 for command in step):
            return
    raise UserError("no browser: install Chromium or Chrome with your system's package manager")
