"""Fixtures for all tests of the tool."""

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from channelsmin import console
from channelsmin.matrix import variants
from channelsmin.runtime import environment, interpreters
from channelsmin.runtime.environment import Environment

Installed = Callable[[Version], Environment]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that is printed, call by call."""
    lines: list[str] = []
    monkeypatch.setattr(console, "say", lines.append)
    return lines


@pytest.fixture
def in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Windows on which a database can't be deleted yet; temporary files are in `tmp_path`."""
    unlink = os.unlink

    def is_open(path: str | Path, **options: Any) -> None:
        if Path(path).name == "db.sqlite3":
            raise PermissionError(errno.EACCES, "in use by another process", str(path))
        unlink(path, **options)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "unlink", is_open)


@pytest.fixture
def installed() -> Installed:
    """Return a function: the cached environment of a release.

    Where no Python of this machine runs the release, it skips the test, except in CI: `test` tests
    what the Pythons that are there can run.
    """

    def installed(release: Version) -> Environment:
        pythons = variants.pythons(release)
        if not any(map(interpreters.first, pythons)) and not os.environ.get("CI"):
            pytest.skip(f"no Python {' or '.join(pythons)} here, which oTree {release} needs")
        return environment.cached(release)

    return installed
