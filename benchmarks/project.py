"""A copy of the exported project with large groups and a live page, and its server.

The server is the one that keeps its database in a file, so that the benchmark can restore the
database between two clicks. It runs in production mode, without Django's debugging.
"""

import re
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import httpx

from benchmarks.members import Member, Room
from channelsmin.errors import UserError
from channelsmin.paths import ROOT
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import Export, write
from channelsmin.runtime.processes import free_port
from channelsmin.runtime.server import Server, run_otree
from harness.instrumented import copy_renamed, edit

BENCHMARKS = ROOT / "benchmarks"

VARIANT = "channelsmin"
ORIGINAL = "original"
LIVE_PAGE = "live_page"
"""The apps that are measured."""

CONFIG = """
SESSION_CONFIGS.append(
    dict(name='{app}', display_name='', num_demo_participants=3, app_sequence=['{app}'])
)
if 'EXTENSION_APPS' in globals():
    EXTENSION_APPS.append('{app}')
"""

SOCKET = re.compile(r"""id="otree-live" data-socket-url="([^"]+)"|'ws'\) \+ '([^']+)'""")
"""Matches the address of the socket in a page: of a live page, or of socket.html."""

PATIENCE = 120
"""Seconds that a page may take when hundreds of members request theirs at the same time."""


@dataclass(frozen=True)
class Project:
    """The copy: its server, and the apps to measure."""

    server: Server
    apps: tuple[str, ...]

    @property
    def database(self) -> Path:
        """The file of the project's database, on all releases."""
        return self.server.project / "db.sqlite3"

    def new_room(self, app: str, members: int) -> Room:
        """Make a session of one group, and open MyPage for each member.

        One after the other: when start links are opened at the same time, oTree 6.0.15 answers one
        in hundreds with error 500.
        """
        size = str(members)
        server = self.server
        made = run_otree(
            server.environment, server.project, "create_session", app, size, extra=server.extra
        )
        code = re.search(r"session with code (\w+)", made.stdout)
        if not code:
            raise UserError(f"no session of {app} was made: {made.stdout}")
        with httpx.Client(base_url=server.url, follow_redirects=True, timeout=PATIENCE) as client:
            links = re.findall(
                r"/InitializeParticipant/\w+", client.get(f"/SessionStartLinks/{code[1]}").text
            )
            return Room([self._member(client, link) for link in dict.fromkeys(links)])

    def _member(self, client: httpx.Client, link: str) -> Member:
        answer = client.get(link)
        found = SOCKET.search(answer.text)
        if not found:
            raise UserError(f"no page with a socket at {answer.url}, status {answer.status_code}")
        path = unescape(found[1] or found[2])
        return Member(str(answer.url), self.server.url.replace("http", "ws") + path)


def build(
    export: Export, environment: Environment, folder: Path, extra: Mapping[str, str]
) -> Project:
    """Write the copy and create its server's database; the server is not started yet."""
    assert export.release is not None
    project = folder / "project"
    write(export, project)
    app = list((project / VARIANT).glob("*.py"))
    edit(app, "players_per_group = 3", "players_per_group = None")
    copy_renamed(project / VARIANT, project / ORIGINAL)
    shutil.copytree(
        BENCHMARKS / ORIGINAL / "templates",
        project / ORIGINAL / "templates" / ORIGINAL,
        dirs_exist_ok=True,
    )
    edit([project / "settings.py"], "(?=\nLANGUAGE_CODE)", CONFIG.format(app=ORIGINAL))
    live_page = export.variant.live_page(export.release)
    if live_page:
        shutil.copytree(BENCHMARKS / LIVE_PAGE / live_page, project / LIVE_PAGE)
        templates = project / LIVE_PAGE / "templates" / LIVE_PAGE
        shutil.copytree(BENCHMARKS / LIVE_PAGE / "templates", templates)
        edit([project / "settings.py"], "(?=\nLANGUAGE_CODE)", CONFIG.format(app=LIVE_PAGE))
    command = export.variant.durable_server(export.release)
    production = {"OTREE_PRODUCTION": "1", **extra}
    # Up to 3.4 no page is served in production without this; from 5 on there is no such command.
    run_otree(environment, project, "collectstatic", "--noinput", extra=production)
    log = folder / "server.log"
    server = Server(environment, project, command, free_port(), log, production)
    server.prepare()
    return Project(server, (VARIANT, ORIGINAL, LIVE_PAGE) if live_page else (VARIANT, ORIGINAL))


class Snapshot:
    """A copy of a database at one moment, to restore it later."""

    def __init__(self, file: Path) -> None:
        """Take a copy."""
        self._file = file
        self._copy = sqlite3.connect(":memory:")
        with closing(sqlite3.connect(file)) as database:
            database.backup(self._copy)

    def restore(self) -> None:
        """Restore the database; a running server continues with it."""
        with closing(sqlite3.connect(self._file, timeout=10)) as database:
            self._copy.backup(database)
