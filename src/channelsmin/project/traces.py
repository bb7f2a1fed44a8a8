"""What oTree itself leaves in a project: a version file, a mark in the database, an archive."""

import re
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from channelsmin.matrix import releases
from channelsmin.project.source import Source, Weight, from_text

MIGRATIONS = "__temp_migrations"
"""The folder in which oTree 2 and 3 keep generated migrations."""

VERSION_FILE = f"{MIGRATIONS}/otree-version.txt"
"""Written by the development server of 2.4.20b1 to 3.4.0, and read at its next start."""

FIRST_LITE = Version("5.0.0a9")


@dataclass(frozen=True)
class Database:
    """A db.sqlite3: its tables, and the mark that oTree 5 and 6 write into it (0: none)."""

    tables: frozenset[str]
    mark: int

    @property
    def is_of_django(self) -> bool:
        """Whether Django created its tables, as up to oTree 3.4."""
        return "django_migrations" in self.tables


def sources(folder: Path) -> Iterator[Source]:
    """Yield what these files say about the project's oTree."""
    version = folder / VERSION_FILE
    if version.is_file():
        text = version.read_text(encoding="utf-8", errors="replace").strip()
        if re.fullmatch(r"\d+(\.\d+)+\w*", text):
            yield _pin(VERSION_FILE, text, "its development server wrote it")
    database = read_database(folder / "db.sqlite3")
    if database and database.tables:
        yield from _from_database(database)
    for archive in sorted(folder.glob("*.otreezip")):
        yield from _from_archive(archive)


def read_database(file: Path) -> Database | None:
    """Return what a database is like; None if there is none. Raises sqlite3.Error."""
    if not file.is_file() or not file.stat().st_size:
        return None
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            (mark,) = database.execute("PRAGMA user_version").fetchone()
            rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return Database(frozenset(name for (name,) in rows), mark)
    except sqlite3.Error:
        return Database(frozenset(), 0)


def mark_of(release: Version) -> int:
    """Return the mark with which a release of oTree 5 or 6 marks its database: its digits."""
    return int("".join(filter(str.isdigit, str(release))))


def _from_database(database: Database) -> Iterator[Source]:
    place = "db.sqlite3"
    if database.is_of_django:
        requirement = Requirement("otree<5")
        yield Source(place, requirement, weight=Weight.TRACE, note="it has tables of Django")
        return
    marked = [
        release
        for release in releases.known()
        if release >= FIRST_LITE and mark_of(release) == database.mark
    ]
    if len(marked) == 1:
        yield _pin(place, str(marked[0]), f"it bears the mark {database.mark}")
    elif "otree_session" in database.tables:
        requirement = Requirement("otree>=5")
        yield Source(place, requirement, weight=Weight.TRACE, note="it has no tables of Django")


def _from_archive(archive: Path) -> Iterator[Source]:
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                name = member.name.removeprefix("./")
                file = opened.extractfile(member) if name == "requirements.txt" else None
                if file is None:
                    continue
                for number, line in enumerate(file.read().decode(errors="replace").splitlines(), 1):
                    place = f"{archive.name}/requirements.txt"
                    written = line.split("#")[0].strip()
                    if source := from_text(place, written, number, Weight.TRACE):
                        yield source
    except (OSError, tarfile.TarError):
        return


def _pin(place: str, release: str, note: str) -> Source:
    package = "otree-core" if Version(release) < Version("2.0.0b1") else "otree"
    requirement = Requirement(f"{package}=={release}")
    return Source(place, requirement, line=None, weight=Weight.TRACE, note=note)
