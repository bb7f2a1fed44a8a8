"""Which oTree releases exist, and what each requires: `matrix/releases.toml`, `matrix/requires`.

Releases with the same requirements share one file of `matrix/requires`, which is named after the
first of them. `upkeep/update_releases.py` writes both from the package index.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.paths import IN_CHECKOUT, ROOT, read_toml

RELEASES = ROOT / "matrix" / "releases.toml"
REQUIRES = ROOT / "matrix" / "requires"

PACKAGES = {
    "otree-core": SpecifierSet(">=1.4.0b1,<=1.5.0b5", prereleases=True),
    "otree": SpecifierSet(">=2.0.0b1", prereleases=True),
}
"""oTree's names on the package index, with the releases of each that the matrix contains.

It was called `otree-core` until 2.0. The betas of `otree-core` 1.5 are the first ones of 2.0, and
its last three releases are empty. `otree` also has an empty 0.0.0.
"""

EMPTY = SpecifierSet(">=1.5.0,<2.0.0b1", prereleases=True)
"""The releases of `otree-core` that contain no oTree: 1.5.0, 1.6.0 and 1.6.1."""


@dataclass(frozen=True)
class Row:
    """What is known about a release; None means unknown.

    `uploaded` is the index's upload time, in UTC. `yanked` is the reason for which the release was
    yanked, "" if it was not. `python` is the specifier of Pythons that it declares or that its
    `setup.py` accepts. `requires` is the name of the file of `matrix/requires` with its
    requirements. Both come from the source distribution, whose SHA-256 is `sha256`.
    """

    release: Version
    uploaded: datetime | None
    yanked: str
    python: str | None
    requires: str | None
    sha256: str

    @property
    def package(self) -> str:
        """Its name on the package index: `otree`, or `otree-core` before 2.0.0b1."""
        return next(name for name, releases in PACKAGES.items() if self.release in releases)


@functools.cache
def rows() -> Mapping[Version, Row]:
    """Return what is known about every release, the oldest first."""
    return {row.release: row for row in map(_row, read_toml(RELEASES)["releases"])}


def _row(cells: Mapping[str, Any]) -> Row:
    return Row(
        Version(cells["version"]),
        cells.get("uploaded"),
        cells["yanked"],
        cells.get("python"),
        cells.get("requires"),
        cells["sha256"],
    )


@functools.cache
def known() -> tuple[Version, ...]:
    """Return every release of the matrix, the oldest first."""
    return tuple(rows())


def was_skipped(release: Version) -> bool:
    """Return whether the package index never had a release, though it has older and newer ones."""
    every = known()
    return every[0] < release < every[-1] and release not in rows()


def find(text: str) -> Version:
    """Return the known release that `text` names.

    Raises UserError if there is none: most often a slip, else a release newer than the matrix.
    """
    try:
        release = Version(text)
    except InvalidVersion:
        release = None
    if release is not None and release in EMPTY:
        raise UserError(
            f"otree-core {release} is an empty package: the last one with an oTree in it is "
            f"{_last('otree-core')}; name the release that you use"
        )
    if release is None or release not in known():
        advice = f"the newest one known is {known()[-1]}"
        command = console.typed(*console.python(), "run.py", "releases")
        update = f"run `{command}`" if IN_CHECKOUT else "upgrade channelsmin"
        raise UserError(
            f"{text!r} is not a known release of oTree ({advice}); if it is new, {update}"
        )
    return release


def _last(package: str) -> Version:
    """Return the newest release of the matrix under one of oTree's names."""
    return max(row.release for row in rows().values() if row.package == package)


def requires(name: str) -> tuple[str, ...]:
    """Return the requirements in a file of `matrix/requires`."""
    lines = path_of_requires(name).read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def path_of_requires(name: str) -> Path:
    """Return the path of a file of `matrix/requires`."""
    return REQUIRES / f"{name}.txt"
