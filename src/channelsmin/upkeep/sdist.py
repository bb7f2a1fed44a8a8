"""Read a release's requirements and Python versions from its source distribution."""

import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import filter as filter_names
from typing import IO

from channelsmin.runtime import index
from channelsmin.runtime.index import Listed

REFUSED = re.compile(r"sys\.version_info (<|>=) \((\d), (\d+)\)")
SUPPORTED = re.compile(r"^SUPPORTED_PY3_VERSIONS = \[([\d, ]+)\]", re.MULTILINE)
"""The two ways in which oTree's `setup.py` states the Pythons that it accepts."""


@dataclass(frozen=True)
class Facts:
    """The Pythons that `setup.py` accepts, as a specifier, and what the release requires."""

    python: str
    requires: tuple[str, ...]


def facts(listed: Listed) -> Facts:
    """Download a release's source distribution and read it; none of its code is run.

    Raises UserError if it can't be downloaded, or is not the file that the index lists.
    """
    content = index.fetch_known(listed, listed.sha256, "the index lists")
    return read(io.BytesIO(content))


def read(archive: IO[bytes]) -> Facts:
    """Read a source distribution: its `setup.py`, and the requirements that setuptools wrote."""
    with tarfile.open(fileobj=archive) as files:
        setup, written = _text(files, "setup.py"), _text(files, "*.egg-info/requires.txt")
    return Facts(accepted(setup), tuple(sorted(required(written), key=str.lower)))


def accepted(setup: str) -> str:
    """Return the Pythons that a `setup.py` accepts, as a specifier."""
    if listed := SUPPORTED.search(setup):
        minors = [int(minor) for minor in listed[1].split(",")]
        gaps = sorted(set(range(min(minors), max(minors))) - set(minors))
        but = [f"!=3.{minor}.*" for minor in gaps]
        return ",".join([f">=3.{min(minors)}", f"<3.{max(minors) + 1}", *but])
    opposite = {"<": ">=", ">=": "<"}
    refused = REFUSED.findall(setup)
    return ",".join(f"{opposite[how]}{major}.{minor}" for how, major, minor in refused)


def required(written: str) -> Iterator[str]:
    """Yield the requirements of a `requires.txt`, without those of the extras.

    `[:marker]` starts those that have a condition, `[extra]` those of an extra.
    """
    marker: str | None = ""
    for line in filter(None, written.splitlines()):
        if line.startswith("["):
            marker = f"; {line[2:-1]}" if line.startswith("[:") else None
        elif marker is not None:
            yield f"{line}{marker}"


def _text(files: tarfile.TarFile, pattern: str) -> str:
    folder = files.getnames()[0].partition("/")[0]
    member = files.extractfile(filter_names(files.getnames(), f"{folder}/{pattern}")[0])
    assert member is not None
    return member.read().decode()
