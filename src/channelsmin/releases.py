"""Which oTree releases exist: `matrix/releases.toml`, taken from the package index."""

import functools
import re
import subprocess
import sys

from packaging.version import InvalidVersion, Version

from channelsmin.files import ROOT, read_toml
from channelsmin.problem import Problem

RELEASES = ROOT / "matrix" / "releases.toml"

FIRST = Version("2.0.0b1")
"""oTree's first release under the name `otree`; the index also holds an empty 0.0.0."""

BANNER = """\
# Every release of the package `otree` on the package index, oldest first.
# Generated: do not edit. `python3 run.py releases` adds what is new and never drops a line.
"""


@functools.cache
def known() -> tuple[Version, ...]:
    """Return every release that the matrix knows, oldest first."""
    return tuple(Version(text) for text in read_toml(RELEASES)["releases"])


def find(text: str) -> Version:
    """Return the known release that `text` names.

    Raises Problem where it names none: most often a slip, else a release newer than the list.
    """
    try:
        release = Version(text)
    except InvalidVersion:
        release = None
    if release is None or release not in known():
        raise Problem(
            f"oTree has no release {text!r} that is known here: "
            "see matrix/releases.toml, or run `python3 run.py releases` if it is a new one"
        )
    return release


def on_index() -> list[Version]:
    """Ask the package index, by way of pip, which releases of oTree there are."""
    command = [sys.executable, "-m", "pip", "index", "versions", "otree", "--pre"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    listed = re.search(r"^Available versions: (.+)$", answer.stdout, re.MULTILINE)
    if not listed:
        reason = answer.stderr.strip().splitlines() or ["no answer"]
        raise Problem(f"the package index could not be asked for oTree's releases: {reason[-1]}")
    return sorted(Version(text) for text in listed[1].split(", "))


def update() -> list[Version]:
    """Add to the list what the index has and the list has not; return what was added."""
    before = set(known()) if RELEASES.exists() else set()
    added = [release for release in on_index() if release >= FIRST and release not in before]
    if added:
        rows = "".join(f'    "{release}",\n' for release in sorted(before | set(added)))
        RELEASES.parent.mkdir(exist_ok=True)
        RELEASES.write_text(f"{BANNER}releases = [\n{rows}]\n")
    return added
