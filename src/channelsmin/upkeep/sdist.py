"""What a release says of itself: read from its source distribution."""

import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import filter as filter_names
from hashlib import sha256
from pathlib import Path

from packaging.version import Version

from channelsmin.errors import UserError

REFUSED = re.compile(r"sys\.version_info (<|>=) \((\d), (\d+)\)")
SUPPORTED = re.compile(r"^SUPPORTED_PY3_VERSIONS = \[([\d, ]+)\]", re.MULTILINE)
"""The two ways in which a `setup.py` of oTree's tells the Pythons that it accepts."""


@dataclass(frozen=True)
class Facts:
    """The Pythons that `setup.py` accepts, as a specifier, and what the release requires."""

    python: str
    requires: tuple[str, ...]


def facts(package: str, release: Version, expected: str) -> Facts:
    """Fetch a release's source distribution and read it.

    `expected` is its sha256. Raises UserError where it can't be had, or is another file.
    """
    with tempfile.TemporaryDirectory(prefix="channelsmin-") as folder:
        archive = _fetch(package, release, Path(folder))
        if sha256(archive.read_bytes()).hexdigest() != expected:
            raise UserError(f"{archive.name} is not the file that the index lists: sha256")
        return read(archive)


def _fetch(package: str, release: Version, folder: Path) -> Path:
    # pip has no way to fetch without asking the file for its metadata. So this fails where
    # setup.py refuses the Python that runs it.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    wanted = ["--no-binary", package, f"{package}=={release}"]
    answer = subprocess.run(
        [*command, str(folder), *wanted], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        python = "{}.{}".format(*sys.version_info[:2])
        raise UserError(f"its source distribution can't be read by Python {python}")
    return next(folder.iterdir())


def read(archive: Path) -> Facts:
    """Read a source distribution: its `setup.py`, and the requirements that setuptools wrote."""
    with tarfile.open(archive) as files:
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
