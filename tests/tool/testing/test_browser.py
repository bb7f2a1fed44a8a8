"""testing.browser: the browser that tests need, where there is none."""

import shutil
import subprocess
import sys
from collections.abc import Sequence

import pytest

from channelsmin.errors import UserError
from channelsmin.runtime import programs
from channelsmin.testing import browser


@pytest.mark.parametrize(
    ("system", "apt", "also"),
    [
        ("linux", "/usr/bin/apt-get", ", or `sudo apt-get install chromium` installs it"),
        ("linux", None, ", or install chromium with your system's package manager"),
        ("darwin", None, ""),
    ],
)
def test_a_download_that_fails_names_what_to_type(
    system: str, apt: str | None, also: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(command: Sequence[str], check: bool) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(subprocess, "run", failing)
    monkeypatch.setattr(shutil, "which", lambda name: apt)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(programs, "is_root", lambda: False)
    monkeypatch.setattr(programs, "missing_to_browse", list)
    monkeypatch.setattr(browser, "is_drivable", lambda: False)
    with pytest.raises(UserError) as raised:
        browser.ensure()
    assert str(raised.value) == (
        "tests need a browser, which could not be downloaded: "
        f"`{sys.executable} -m playwright install --only-shell chromium` tries again{also}"
    )
