"""An instrumented copy of the exported project.

It has two rounds, and two more apps that are copies of the first: `twin`, and `crowd`, in which
the whole session is one group. It has session configs for browser bots and for a timeout on
MyPage. Its server keeps the database over a crash, and has taps: functions at which a test can
pause it. The code under test is still what the export wrote; `build` lists all changes.
"""

import json
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import Export, write
from channelsmin.runtime.processes import free_port
from channelsmin.runtime.server import Server

TAPS = Path(__file__).parent / "taps"

NEWS = r"moved\W+(true|True)"
"""Matches the arguments of the call that notifies a group, or one socket, of a click."""

RECORD = r"'moved_by': |UPDATE .*moved_by"
"""Matches the arguments of the call that writes the click into the database."""

CROWDS = range(3, 31)
"""The sizes of groups in trials; session config `crowd_7` is a group of 7.

There is one more config than sizes, since a trial may need a place for a misbehaving client.
"""


def many_groups(participants: int) -> str:
    """Return settings that add `many_groups`, a session of so many participants."""
    return f"""
WHITENOISE_MAX_AGE = 3600  # without it, browsers ask oTree 3 for each static file of each page
SESSION_CONFIGS.append(
    dict(
        name='many_groups',
        display_name='many groups',
        num_demo_participants={participants},
        app_sequence=['channelsmin'],
    )
)
"""


CONFIGS = f"""{many_groups(36)}
for name, app, size, more in [
    ('twin', 'twin', 3, {{}}),
    ('bots', 'channelsmin', 3, {{'use_browser_bots': True}}),
    ('timeout', 'channelsmin', 9, {{'seconds_on_my_page': 1}}),
    *[('crowd_%d' % size, 'crowd', size, {{}}) for size in {[*CROWDS, CROWDS.stop]}],
]:
    SESSION_CONFIGS.append(
        dict(more, name=name, display_name=name, num_demo_participants=size, app_sequence=[app])
    )
if 'EXTENSION_APPS' in globals():
    EXTENSION_APPS += ['twin', 'crowd']
"""

TIMEOUT = (
    r"((?: +@staticmethod\n)?)    def is_displayed\((\w+)\):",
    r"""\1    def get_timeout_seconds(\2):
        return \2.session.config.get('seconds_on_my_page')

\g<0>""",
)
"""Adds a timeout to MyPage, in the style in which the variant writes its methods."""


@dataclass(frozen=True)
class Instrumented:
    """The copy: its server, and the folder in which a test and the taps exchange files."""

    server: Server
    taps: Path

    @contextmanager
    def hold(self, label: str, arguments: str = "", after: int = 0) -> Iterator[None]:
        """While the block runs, pause the next call of the tapped function `label`.

        `arguments` is a regular expression that the call's arguments must match. `after` matching
        calls pass first.
        """
        hold, held = self._files(label)
        _write_atomically(hold, f"{after} {arguments}")
        try:
            yield
        finally:
            hold.unlink(missing_ok=True)
            held.unlink(missing_ok=True)

    def wait_until_held(self, label: str, seconds: float = 10) -> None:
        """Wait until the server is paused at the tapped function `label`."""
        deadline = time.monotonic() + seconds
        while not self._files(label)[1].exists():
            assert time.monotonic() < deadline, f"the server never called {label!r}"
            time.sleep(0.02)

    @contextmanager
    def lose(self, label: str, arguments: str, share: float, seed: int) -> Iterator[None]:
        """While the block runs, drop this share of the matching calls of `label`."""
        order = self.taps / f"{label}.lose"
        _write_atomically(order, f"{share} {seed} {arguments}")
        try:
            yield
        finally:
            order.unlink()

    def _files(self, label: str) -> tuple[Path, Path]:
        return self.taps / f"{label}.hold", self.taps / f"{label}.held"

    def clicks(self) -> int:
        """Return how many clicks its database has on record, which are committed."""
        with closing(sqlite3.connect(self.server.project / "db.sqlite3")) as database:
            query = "SELECT count(*) FROM channelsmin_group WHERE moved_by > 0"
            (number,) = database.execute(query).fetchone()
        return int(number)

    def printed(self) -> str:
        """Return what the project's code has printed since the server was first started."""
        file = self.taps / "printed"
        return file.read_text() if file.exists() else ""


def _write_atomically(file: Path, text: str) -> None:
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").rename(file)


def build(export: Export, environment: Environment, folder: Path) -> Instrumented:
    """Write the copy and create its server's database; the server is not started yet."""
    project, taps = folder / "project", folder / "taps"
    taps.mkdir(parents=True)
    write(export, project)
    edit([project / "settings.py"], "(?=\nLANGUAGE_CODE)", CONFIGS)
    app = list((project / "channelsmin").glob("*.py"))
    edit(app, "num_rounds = 1", "num_rounds = 2")
    edit(app, *TIMEOUT)
    copy_renamed(project / "channelsmin", project / "twin")
    copy_renamed(project / "channelsmin", project / "crowd")
    crowd = (project / "crowd").glob("*.py")
    edit(list(crowd), "players_per_group = 3", "players_per_group = None")

    assert export.release is not None
    command = export.variant.durable_server(export.release)
    extra = {
        "PYTHONPATH": str(TAPS),
        "CHANNELSMIN_TAPS": json.dumps(dict(export.variant.taps)),
        "CHANNELSMIN_TAP_FOLDER": str(taps),
        # Far from UTC, so that a test notices a local time.
        "TZ": "Pacific/Auckland",
    }
    server = Server(environment, project, command, free_port(), folder / "server.log", extra)
    server.prepare()
    return Instrumented(server, taps)


def edit(files: Sequence[Path], old: str, new: str) -> None:
    """Replace what matches the regular expression `old`, in the one file that contains it."""
    found = [file for file in files if re.search(old, file.read_text())]
    assert len(found) == 1, f"{old!r} is in {found}"
    found[0].write_text(re.sub(old, new, found[0].read_text()))


def copy_renamed(app: Path, copy: Path) -> None:
    """Copy an app and rename it everywhere, as docs/adapting.md describes it."""
    for source in app.rglob("*"):
        if source.is_file() and "__pycache__" not in source.parts:
            relative = str(source.relative_to(app)).replace(app.name, copy.name)
            target = copy / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.read_text().replace(app.name, copy.name))
