"""What in a project's code tells its oTree: `matrix/code_signs.toml`."""

import functools
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from channelsmin.paths import ROOT, read_toml

CODE_SIGNS = ROOT / "matrix" / "code_signs.toml"


class Strength(Enum):
    """How far a sign can be trusted."""

    ONLY = "only"
    """Other releases do not run such code, or ignore it."""

    USUAL = "usual"
    """Other releases run it, too, but it was written for these."""


@dataclass(frozen=True)
class Sign:
    """A sign: what it says, in which files it is looked for, and the releases that it stands for.

    `word` is a text that every match contains, so that most files need no search.
    """

    says: str
    files: str
    word: str
    pattern: re.Pattern[str]
    releases: SpecifierSet
    strength: Strength
    source: str

    def concerns(self, path: PurePosixPath) -> bool:
        """Return whether it is looked for in this file of the project."""
        return any(path.match(pattern) for pattern in self.files.split())

    def allows(self, release: Version) -> bool:
        """Return whether it stands for a release."""
        return self.releases.contains(release, prereleases=True)


@functools.cache
def load() -> tuple[Sign, ...]:
    """Return all signs, in the order of the file: those that can be trusted most come first."""
    return tuple(
        Sign(
            entry["says"],
            entry["files"],
            entry["word"],
            re.compile(entry["pattern"], re.MULTILINE),
            SpecifierSet(entry["releases"]),
            Strength(entry["strength"]),
            entry["source"],
        )
        for entry in read_toml(CODE_SIGNS)["sign"]
    )
