"""Which oTree releases exist: `matrix/releases.toml`, taken from the package index.

What a release requires is kept once for all releases that require the same, in a file of
`matrix/requires` that is named after the first of them.
"""

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from channelsmin.errors import UserError
from channelsmin.paths import IN_CHECKOUT, ROOT, read_toml, write
from channelsmin.upkeep import index, sdist
from channelsmin.upkeep.index import Listed

Say = Callable[[str], None]

RELEASES = ROOT / "matrix" / "releases.toml"
REQUIRES = ROOT / "matrix" / "requires"

PACKAGES = {
    "otree-core": SpecifierSet(">=1.4.0b1,<1.5.0b1", prereleases=True),
    "otree": SpecifierSet(">=2.0.0b1", prereleases=True),
}
"""What oTree is called on the package index, and which of its releases the matrix holds.

Until 2.0 it was `otree-core`. Whose betas of 1.5 are 2.0's under another name, and the last three
of which are empty. Of `otree` the index also holds an empty 0.0.0.
"""

BANNER = """\
#:schema ./releases.schema.json
# Every release of `otree` on the package index, and before 2.0 of `otree-core`, oldest first.
# Generated: do not edit. `python3 run.py releases` adds what is new and never drops a line.
"""


@dataclass(frozen=True)
class Row:
    """What is known of a release; None is unknown.

    `uploaded` is the index's own time, in UTC. `yanked` is why the release was withdrawn, "" if
    it was not. `python` are the Pythons that it declares or its `setup.py` accepts, `requires` is
    the file of `matrix/requires` that holds its requirements: both are read from the source
    distribution, whose hash is `sha256`.
    """

    release: Version
    uploaded: datetime | None
    yanked: str
    python: str | None
    requires: str | None
    sha256: str

    @property
    def package(self) -> str:
        """What it is called on the package index: `otree`, or before 2.0 `otree-core`."""
        return next(name for name, held in PACKAGES.items() if self.release in held)

    def line(self) -> str:
        """Return the row as it stands in the file."""
        uploaded = self.uploaded and f"{self.uploaded.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
        cells = {
            "version": json.dumps(str(self.release)),
            "uploaded": uploaded,
            "yanked": json.dumps(self.yanked),
            "python": self.python and json.dumps(self.python),
            "requires": self.requires and json.dumps(self.requires),
            "sha256": json.dumps(self.sha256),
        }
        known_cells = (f"{name} = {cell}" for name, cell in cells.items() if cell)
        return f"    {{ {', '.join(known_cells)} }},\n"


@functools.cache
def rows() -> Mapping[Version, Row]:
    """Return what the matrix knows of every release, the oldest first."""
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
    """Return every release that the matrix knows, oldest first."""
    return tuple(rows())


def find(text: str) -> Version:
    """Return the known release that `text` names.

    Raises UserError where it names none: most often a slip, else a release newer than the list.
    """
    try:
        release = Version(text)
    except InvalidVersion:
        release = None
    if release is None or release not in known():
        mend = "see matrix/releases.toml, or run `python3 run.py releases`"
        if not IN_CHECKOUT:
            mend = f"the newest is {known()[-1]}; upgrade channelsmin"
        raise UserError(
            f"oTree has no release {text!r} that is known here: {mend} if it is a new one"
        )
    return release


def span(some: list[Version], among: list[Version]) -> str:
    """Return releases in words, such as `2.0.0, 2.1.1 to 2.1.9`: those that follow each other.

    `among` are those that there are, in order.
    """
    places = enumerate(sorted(map(among.index, some)))
    runs = [[place for _, place in run] for _, run in groupby(places, lambda its: its[1] - its[0])]
    return ", ".join(
        f"{among[run[0]]} to {among[run[-1]]}"
        if len(run) > 2
        else ", ".join(str(among[place]) for place in run)
        for run in runs
    )


def requires(name: str) -> tuple[str, ...]:
    """Return the requirements that a file of `matrix/requires` holds."""
    lines = _path_of(name).read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def check() -> None:
    """Raise UserError if the index has a release that the matrix has not."""
    new = [str(listed.release) for listed in _listed() if listed.release not in rows()]
    if new:
        raise UserError(
            f"the package index has what the matrix has not, {', '.join(new)}: "
            "run `python3 run.py releases`"
        )


def update(say: Say) -> None:
    """Add what the index has and the matrix has not; say what was added, and what stays unknown.

    Source distributions are fetched only for releases whose requirements are not known yet.
    """
    before = rows() if RELEASES.exists() else {}
    merged = merge(before, _listed())
    completed = [_completed(row, say) for row in merged]
    text = f"{BANNER}releases = [\n{''.join(row.line() for row in completed)}]\n"
    if not RELEASES.exists() or text != RELEASES.read_text(encoding="utf-8"):
        write(RELEASES, text)
    new = [str(row.release) for row in completed if row.release not in before]
    say("\n".join(new) or "nothing new")


def _listed() -> list[Listed]:
    return [
        listed
        for package, held in PACKAGES.items()
        for listed in index.ask(package)
        if listed.release in held
    ]


def merge(before: Mapping[Version, Row], listed: Iterable[Listed]) -> list[Row]:
    """Return the rows, sorted: all that were there, and what the index adds.

    The index decides only whether a release that it lists is yanked. An answer that lacks
    releases, or facts, takes nothing away. Raises UserError if a release's file is another one.
    """
    merged = dict(before)
    for its in listed:
        row = merged.get(its.release)
        if row is None:
            python = its.requires_python or None
            row = Row(its.release, its.uploaded, its.yanked, python, None, its.sha256)
        elif row.sha256 != its.sha256:
            raise UserError(f"the file of oTree {its.release} is another one than it was: sha256")
        merged[its.release] = replace(row, yanked=its.yanked, uploaded=row.uploaded or its.uploaded)
    return sorted(merged.values(), key=lambda row: row.release)


def _completed(row: Row, say: Say) -> Row:
    """Return the row with what its source distribution says, if that is not known yet."""
    if row.requires:
        return row
    try:
        facts = sdist.facts(row.package, row.release, row.sha256)
    except UserError as problem:
        say(f"{row.release}: {problem}")
        return row
    return replace(row, python=row.python or facts.python, requires=_kept(row, facts.requires))


def _kept(row: Row, wanted: tuple[str, ...]) -> str:
    """Return the file with these requirements; it is written if there is none yet."""
    for path in REQUIRES.glob("*.txt"):
        if requires(path.stem) == wanted:
            return path.stem
    banner = f"# What oTree {row.release} and others require, as their files say. Generated.\n"
    text = banner + "".join(f"{line}\n" for line in wanted)
    write(_path_of(str(row.release)), text)
    return str(row.release)


def _path_of(name: str) -> Path:
    return REQUIRES / f"{name}.txt"
