"""What people have found out about releases, by specifier: `matrix/notes.toml`.

Each note has a reason, and says until when it holds; most have a link.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.paths import ROOT, read_toml

NOTES = ROOT / "matrix" / "notes.toml"


@dataclass(frozen=True)
class ByHand:
    """A requirement that the resolver has no answer to, with its answer: a pin and a hash."""

    pin: str
    sha256: str

    @property
    def block(self) -> str:
        """The answer as it stands in a lock."""
        return f"{self.pin} \\\n    --hash=sha256:{self.sha256}\n"


def held_back(release: Version) -> tuple[str, ...]:
    """Return what a release must not get newer than, as requirements."""
    return tuple(sorted({hold for note in _about("hold_back", release) for hold in note["hold"]}))


def by_hand(release: Version, python: str) -> tuple[ByHand, ...]:
    """Return the requirements of a release that are answered by hand on a Python."""
    return tuple(
        ByHand(note["pin"], note["sha256"])
        for note in _about("by_hand", release)
        if python in note["pythons"]
    )


def not_passing(release: Version) -> dict[str, str]:
    """Return how the suite is known to end on a release other than with a pass, and why."""
    return {note["status"]: note["reason"] for note in _about("not_passing", release)}


def broken(release: Version) -> str | None:
    """Return why a release can't be installed by anybody, or None where it can."""
    return not_passing(release).get("no-install")


@functools.cache
def _all() -> Mapping[str, Any]:
    return read_toml(NOTES)


def _about(kind: str, release: Version) -> list[Mapping[str, Any]]:
    """Return the notes of a kind whose `releases` hold `release`."""
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
