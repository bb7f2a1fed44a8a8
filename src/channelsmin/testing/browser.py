"""Which Chromium the suite drives, and how one is had where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from channelsmin.errors import UserError

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
)
"""No sandbox, as root can't have one; nothing that talks to anybody but the page; and one process
to draw all pages, which saves the tests a tenth of their time."""

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The system's browsers, the best for us first: Chromium without windows is twice as fast."""


def find() -> Path | None:
    """Return the browser to drive: the system's, or None for Playwright's own."""
    return next((Path(path) for path in map(shutil.which, NAMES) if path), None)


def launch(playwright: "Playwright") -> "Browser":
    """Start that browser, without a window."""
    return playwright.chromium.launch(executable_path=find(), args=list(ARGUMENTS))


def _playwrights_own() -> bool:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


def ensure() -> None:
    """See to it that there is a browser: Playwright's own, or the system package manager's.

    Raises UserError where neither can be had.
    """
    if find() or _playwrights_own():
        return
    steps = [[[sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]]]
    if shutil.which("apt-get") and os.geteuid() == 0:
        steps.append([["apt-get", "update"], ["apt-get", "install", "--yes", NAMES[0]]])
    for step in steps:
        if all(subprocess.run(command, check=False).returncode == 0 for command in step):
            return
    raise UserError("no browser: install Chromium or Chrome with your system's package manager")
