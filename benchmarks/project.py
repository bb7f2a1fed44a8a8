"""A copy of the exported project with large groups, a live page beside it, and its server.

The server is the one whose database outlives a crash: so that the bench can put the database
back, between two clicks, to what it was before the first. It runs in production mode, without
Django's notes for debugging.
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
from harness.instrumented import edit

BENCHMARKS = ROOT / "benchmarks"

VARIANT = "channelsmin"
LIVE_PAGE = "live_page"
"""The apps that are measured."""

CONFIG = f"""
SESSION_CONFIGS.append(
    dict(name='{LIVE_PAGE}', display_name='', num_demo_participants=3, app_sequence=['{LIVE_PAGE}'])
)
"""

SOCKET = re.compile(r"""id="otree-live" data-socket-url="([^"]+)"|'ws'\) \+ '([^']+)'""")
"""Where a page says the address of its socket: a live page's, and socket.html's."""

PATIENCE = 120
"""Seconds that a page may take, when hundreds of members ask for theirs at once."""


@dataclass(frozen=True)
class Project:
    """The copy, and what is in it to be measured."""

    server: Server
    apps: tuple[str, ...]

    @property
    def database(self) -> Path:
        """The file of its database, on all releases."""
        return self.server.project / "db.sqlite3"

    def new_room(self, app: str, members: int) -> Room:
        """Make a session of one group, and bring each of its members to MyPage.

        One after the other: where start links are opened at once, oTree 6.0.15 answers one in
        hundreds with error 500.
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
    """Write the copy and prepare its server, which is not started yet."""
    assert export.release is not None
    project = folder / "project"
    write(export, project)
    app = list((project / VARIANT).glob("*.py"))
    edit(app, "players_per_group = 3", "players_per_group = None")
    live_page = export.variant.live_page(export.release)
    if live_page:
        shutil.copytree(BENCHMARKS / LIVE_PAGE / live_page, project / LIVE_PAGE)
        templates = project / LIVE_PAGE / "templates" / LIVE_PAGE
        shutil.copytree(BENCHMARKS / LIVE_PAGE / "templates", templates)
        edit([project / "settings.py"], "(?=\nLANGUAGE_CODE)", CONFIG)
    command = export.variant.durable_server(export.release)
    production = {"OTREE_PRODUCTION": "1", **extra}
    # Up to 3.4 no page is served in production without this; from 5 on there is no such command.
    run_otree(environment, project, "collectstatic", "--noinput", extra=production)
    log = folder / "server.log"
    server = Server(environment, project, command, free_port(), log, production)
    server.prepare()
    return Project(server, (VARIANT, LIVE_PAGE) if live_page else (VARIANT,))


class Snapshot:
    """What a database held at one time, so that it can be put back to it."""

    def __init__(self, file: Path) -> None:
        """Take a copy."""
        self._file = file
        self._copy = sqlite3.connect(":memory:")
        with closing(sqlite3.connect(file)) as database:
            database.backup(self._copy)

    def restore(self) -> None:
        """Put the database back to this; a server that runs on it goes on from there."""
        with closing(sqlite3.connect(self._file, timeout=10)) as database:
            self._copy.backup(database)
