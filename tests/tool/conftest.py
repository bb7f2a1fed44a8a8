"""Fixtures for all tests of the tool."""

import pytest

from channelsmin import console


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that is printed, call by call."""
    lines: list[str] = []
    monkeypatch.setattr(console, "say", lines.append)
    return lines
