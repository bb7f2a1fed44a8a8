"""Whether a browser can be driven here."""

from pathlib import Path

import playwright.sync_api
import pytest

from channelsmin.runtime import browser


def test_a_driver_that_does_not_start_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Debian without libatomic, whatever browser the system has."""

    def broken() -> None:
        raise Exception("Connection closed while reading from the driver")

    monkeypatch.setattr(playwright.sync_api, "sync_playwright", broken)
    monkeypatch.setattr(browser, "find", lambda: Path("/usr/bin/chromium"))
    assert not browser.is_available()
