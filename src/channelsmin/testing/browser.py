"""Install the browser that the suite drives; `runtime.browser` finds and starts it."""

import shutil
import subprocess
import sys

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.runtime import programs
from channelsmin.runtime.browser import ARGUMENTS, NAMES, find, is_drivable, launch

__all__ = ["ARGUMENTS", "NAMES", "ensure", "find", "launch"]


def ensure() -> None:
    """Install a browser if there is none: Playwright's own, or the system package manager's.

    Raises UserError if neither is available.
    """
    if is_drivable():
        return
    download = [sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]
    steps = [[download]]
    if shutil.which("apt-get") and programs.is_root():
        steps.append([["apt-get", "update"], ["apt-get", "install", "--yes", NAMES[0]]])
    for step in steps:
        if all(subprocess.run(command, check=False).returncode == 0 for command in step):
            return
    ways = [f"`{console.typed(*download)}` tries again"]
    if sys.platform != "darwin":  # Homebrew has no Chromium any more
        ways.append(programs.how_to_install(programs.missing_to_browse() or [programs.CHROMIUM]))
    raise UserError(f"tests need a browser, which could not be downloaded: {', or '.join(ways)}")
