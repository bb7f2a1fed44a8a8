"""Hand-written facts about releases: upper bounds, manual pins, help, known failures.

They are in `matrix/notes.toml`, each with the releases that it is about and a reason.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix.help import STEPS, Edit, Help
from channelsmin.paths import ROOT, read_toml

NOTES = ROOT / "matrix" / "notes.toml"


@dataclass(frozen=True)
class ManualPin:
    """A requirement that the resolver can't resolve, pinned by hand, with its hash."""

    pin: str
    sha256: str

    @property
    def block(self) -> str:
        """The pin as it is written in a lock file."""
        return f"{self.pin} \\\n    --hash=sha256:{self.sha256}\n"


def upper_bounds(release: Version) -> tuple[str, ...]:
    """Return the upper bounds on what the release leaves open, as requirements."""
    notes = _about("upper_bound", release)
    return tuple(sorted({requirement for note in notes for requirement in note["requirements"]}))


def manual_pins(release: Version, python: str) -> tuple[ManualPin, ...]:
    """Return the manual pins for a release on a Python."""
    return tuple(
        ManualPin(note["pin"], note["sha256"])
        for note in _about("manual_pin", release)
        if python in note["pythons"]
    )


@functools.cache
def help_for(release: Version) -> Help | None:
    """Return what the release needs in addition to `pip install`, or None if it needs nothing."""
    for note in _about("help", release):
        steps = {name: tuple(note.get(name, ())) for name in STEPS if name != "edits"}
        edits = tuple(Edit(**edit) for edit in note.get("edit", ()))
        return Help(note["line"], note["status"], note["reason"], **steps, edits=edits)
    return None


def known_failures(release: Version) -> dict[str, str]:
    """Return the statuses other than `pass` that the suite is known to end with, with reasons."""
    return {note["status"]: note["reason"] for note in _about("known_failure", release)}


def not_installable(release: Version) -> str | None:
    """Return why a release can't be installed, not even with help, or None if it can."""
    return known_failures(release).get("no-install")


def refused_by_pip(release: Version) -> str | None:
    """Return why pip alone can't install a release, or None if it can."""
    help_ = help_for(release)
    if help_ and help_.status == "no-install":
        return help_.reason
    return not_installable(release)


@functools.cache
def _all() -> Mapping[str, Any]:
    return read_toml(NOTES)


def _about(kind: str, release: Version) -> list[Mapping[str, Any]]:
    """Return the notes of a kind that are about `release`."""
    return [
        note
        for note in _all().get(kind, ())
        if _specifier(note["releases"]).contains(release, prereleases=True)
    ]


def _specifier(text: str) -> SpecifierSet:
    try:
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise UserError(f"matrix/notes.toml: {error}") from error
