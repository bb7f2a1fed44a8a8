"""Add new releases from the package index to `matrix/releases.toml` and `matrix/requires`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timezone

from packaging.version import Version

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.matrix import releases
from channelsmin.matrix.releases import PACKAGES, Row
from channelsmin.paths import write_atomically
from channelsmin.runtime import index
from channelsmin.runtime.index import Listed
from channelsmin.upkeep import sdist

BANNER = """\
#:schema ./releases.schema.json
# Every release of `otree` on the package index, and before 2.0 of `otree-core`, oldest first.
# Generated: do not edit. `python3 run.py releases` adds what is new and never drops a line.
"""


def check() -> None:
    """Raise UserError if the index has a release that the matrix does not have."""
    known = releases.rows()
    new = [str(listed.release) for listed in _listed() if listed.release not in known]
    if new:
        raise UserError(
            f"the package index has new releases: {', '.join(new)}; run `python3 run.py releases`"
        )


def update() -> None:
    """Add what is new on the index; print what was added, and what could not be read.

    Only the source distributions of releases with unknown requirements are fetched.
    """
    before = releases.rows() if releases.RELEASES.exists() else {}
    listed = {entry.release: entry for entry in _listed()}
    completed = [_completed(row, listed.get(row.release)) for row in merge(before, listed.values())]
    text = f"{BANNER}releases = [\n{''.join(map(_line, completed))}]\n"
    if not releases.RELEASES.exists() or text != releases.RELEASES.read_text(encoding="utf-8"):
        write_atomically(releases.RELEASES, text)
    new = [str(row.release) for row in completed if row.release not in before]
    console.say("\n".join(new) or "no new releases")


def _listed() -> list[Listed]:
    return [
        listed
        for package, wanted in PACKAGES.items()
        for listed in index.ask(package)
        if listed.release in wanted
    ]


def merge(before: Mapping[Version, Row], listed: Iterable[Listed]) -> list[Row]:
    """Return the rows, sorted: all that were known, and what the index adds.

    Of a known release, the index only decides whether it is yanked. An answer without some
    releases or facts removes nothing. Raises UserError if the file of a release has changed.
    """
    merged = dict(before)
    for entry in listed:
        row = merged.get(entry.release)
        if row is None:
            python = entry.requires_python or None
            row = Row(entry.release, entry.uploaded, entry.yanked, python, None, entry.sha256)
        elif row.sha256 != entry.sha256:
            raise UserError(
                f"the source distribution of oTree {entry.release} has changed on the index "
                "(its SHA-256 differs)"
            )
        uploaded = row.uploaded or entry.uploaded
        merged[entry.release] = replace(row, yanked=entry.yanked, uploaded=uploaded)
    return sorted(merged.values(), key=lambda row: row.release)


def _completed(row: Row, listed: Listed | None) -> Row:
    """Return the row with the facts of its source distribution, if they are not known yet."""
    if row.requires or listed is None:
        return row
    try:
        facts = sdist.facts(listed)
    except UserError as error:
        console.say(f"{row.release}: {error}")
        return row
    return replace(row, python=row.python or facts.python, requires=_kept(row, facts.requires))


def _kept(row: Row, wanted: tuple[str, ...]) -> str:
    """Return the name of the file with these requirements; write one if there is none."""
    for path in releases.REQUIRES.glob("*.txt"):
        if releases.requires(path.stem) == wanted:
            return path.stem
    banner = f"# What oTree {row.release} and others require, as their files say. Generated.\n"
    text = banner + "".join(f"{line}\n" for line in wanted)
    write_atomically(releases.path_of_requires(str(row.release)), text)
    return str(row.release)


def _line(row: Row) -> str:
    """Return a row as it is written in the file."""
    uploaded = row.uploaded and f"{row.uploaded.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    cells = {
        "version": json.dumps(str(row.release)),
        "uploaded": uploaded,
        "yanked": json.dumps(row.yanked),
        "python": row.python and json.dumps(row.python),
        "requires": row.requires and json.dumps(row.requires),
        "sha256": json.dumps(row.sha256),
    }
    known_cells = (f"{name} = {cell}" for name, cell in cells.items() if cell)
    return f"    {{ {', '.join(known_cells)} }},\n"
