"""Edits that plant a fault in an exported project, and the test of each fault."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from channelsmin.project import add
from channelsmin.project.doctor import run_checks
from channelsmin.project.doctor.finding import Finding

INIT = "channelsmin/__init__.py"
ROUTING = "channelsmin/otree_extensions/routing.py"
CONSUMERS = "channelsmin/consumers.py"
TEMPLATES = "channelsmin/templates/channelsmin"

LEFT = """happened):
        # A timeout, "Advance slowest" and a bot submit the form, too, and are not a click.
        if not (timeout_happened or player.participant._is_bot):
            move_on(player)"""
"""What the variant for 5 and 6 does when MyPage is left, from the end of the `def` line on."""

Edit = Callable[[Path], None]


def change(file: str, old: str, new: str, times: int = 1) -> Edit:
    """Return the edit that writes something else in a file."""

    def edit(folder: Path) -> None:
        text = (folder / file).read_text()
        assert text.count(old) == times, f"{old!r} in {file}"
        (folder / file).write_text(text.replace(old, new))

    return edit


def append(file: str, text: str) -> Edit:
    """Return the edit that adds to the end of a file, which it makes if need be."""

    def edit(folder: Path) -> None:
        (folder / file).parent.mkdir(exist_ok=True)
        with (folder / file).open("a") as opened:
            opened.write(text)

    return edit


def remove(name: str) -> Edit:
    """Return the edit that removes a file or a folder."""

    def edit(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return edit


def each(*edits: Callable[[Path], object]) -> Edit:
    """Return the edit that is several, one after the other."""

    def edit(folder: Path) -> None:
        for one in edits:
            one(folder)

    return edit


def copy_by_hand(folder: Path) -> None:
    """Copy the app under another name, and forget to change it in a query of the models."""
    shutil.copytree(folder / "channelsmin", folder / "lobby")
    (folder / "lobby/templates/channelsmin").rename(folder / "lobby/templates/lobby")
    for path in (folder / "lobby").rglob("*.*"):
        if path.is_file():
            text = path.read_text().replace("channelsmin", "lobby")
            path.write_text(text.replace("app_name='lobby'", "app_name='channelsmin'"))
    change("settings.py", "EXTENSION_APPS = [", "EXTENSION_APPS = ['lobby', ")(folder)
    settings = (folder / "settings.py").read_text()
    sequence = "'app_sequence': ['channelsmin', 'lobby']"
    settings = settings.replace("'app_sequence': ['channelsmin']", sequence)
    (folder / "settings.py").write_text(settings)


def same_address(folder: Path) -> None:
    """Copy the app under another name, and leave it the other's address."""
    add.run(folder, "lobby", "3.4.0", sure=True)
    change("lobby/consumers.py", "'lobby/{}/'", "'channelsmin/{}/'")(folder)


def database(version: int, *tables: str) -> Edit:
    """Return the edit that leaves a database there."""

    def edit(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "db.sqlite3")) as made:
            made.execute(f"PRAGMA user_version = {version}")
            for table in tables:
                made.execute(f"CREATE TABLE {table} (id INTEGER)")

    return edit


@dataclass(frozen=True)
class Fault:
    """A fault to plant in a project for a release, and what is to be said of it, and where.

    `line` is a part of the line that is to be named, "" where no line is.
    """

    release: str
    edit: Edit
    what: str
    file: str
    line: str = ""


def findings(folder: Path) -> tuple[Finding, ...]:
    """Return the faults of a project, without the remarks."""
    return run_checks.examine(folder).findings


def check(fault: Fault, folder: Path) -> None:
    """Assert that a fault, and nothing else, is found in the project, with its place."""
    (finding,) = findings(folder)
    assert fault.what in finding.what
    where = fault.file
    if fault.line:
        before, found, _ = (folder / fault.file).read_text().partition(fault.line)
        assert found
        where += f":{before.count(chr(10)) + 1}"
    assert finding.where == where
    assert finding.why
    assert finding.fix
