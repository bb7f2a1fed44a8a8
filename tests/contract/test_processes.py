"""M. More than one process, and PostgreSQL, as in production."""

import os
from collections.abc import Iterator, Mapping

import pytest
from packaging.version import Version
from playwright.sync_api import Page

from channelsmin.matrix.variants import ProductionServers
from channelsmin.runtime import export as exporting
from channelsmin.runtime import programs
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import Export
from channelsmin.runtime.processes import free_port
from channelsmin.runtime.server import Server, run_otree
from harness import services
from harness.fixtures import Connect, OpenGroup
from harness.members import Session, Socket, Visitor
from harness.protocol import MOVED, NOT_YET, ask
from harness.services import PROCESS, Database

SECONDS = 3
"""Seconds within which the notification reaches the other process."""


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with services.postgresql() as running:
        yield running


@pytest.fixture(scope="module")
def redis(release: Version) -> Iterator[Mapping[str, str]]:
    """How a release that needs Redis is told where it is."""
    if not programs.needs_redis(release):
        yield {}
        return
    with services.redis() as url:
        yield {"REDIS_URL": url}


@pytest.fixture(scope="module")
def built_production(
    environment: Environment,
    export: Export,
    database: Database,
    redis: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """The release's production server, on PostgreSQL and, if it needs it, Redis."""
    folder = tmp_path_factory.mktemp("production")
    project = folder / "project"
    exporting.write(export, project)
    commands = production_servers(export)
    packages = services.installed_once(
        environment, [*export.variant.postgresql_needs, *commands.needs]
    )
    extra = {
        "DATABASE_URL": database.url,
        **redis,
        "OTREE_PRODUCTION": "1",
        "PYTHONPATH": str(packages),
        "PATH": os.pathsep.join([str(packages / "bin"), environment.variables()["PATH"]]),
    }
    for step in [*commands.before_resetdb, "resetdb --noinput"]:
        ended = run_otree(environment, project, *step.split(), extra=extra)
        assert ended.returncode == 0, ended.stdout
    log = folder / "server.log"
    with Server(environment, project, commands.first, free_port(), log, extra) as built:
        yield built


@pytest.fixture
def production(built_production: Server) -> Server:
    """The production server, running even if the previous test has killed it."""
    if not built_production.runs():
        built_production.start()
    return built_production


@pytest.fixture(scope="module")
def further(built_production: Server, export: Export) -> Iterator[Server]:
    """Another process of the same project, which serves pages only, on the same database."""
    first, command = built_production, production_servers(export).further
    log = first.log.with_name("further.log")
    further = Server(first.environment, first.project, command, free_port(), log, first.extra)
    with further:
        yield further


def production_servers(export: Export) -> ProductionServers:
    assert export.release is not None
    return export.variant.production_servers(export.release)


@pytest.fixture
def address(production: Server, further: Server) -> Iterator[str]:
    """The address of nginx, in front of both processes."""
    with services.nginx([production.port, further.port]) as url:
        yield url


def test_m1_a_click_on_one_process_moves_members_of_the_other(
    admin: Page,
    production: Server,
    further: Server,
    address: str,
    open_group: OpenGroup,
    connect: Connect,
) -> None:
    """Whichever process has the page of the one who clicks, one of the sockets is at the other."""
    session = Session.create(admin, address, "channelsmin")
    (first,) = open_group(session, 1)
    second = Visitor(session, 2).visit()
    url = first.socket_url_of(second.code)
    sockets = [connect_at(server, url, connect) for server in (production, further)]
    # They ask only once: what they receive later is a notification.
    for socket in sockets:
        socket.send(ask())
        assert socket.receive() == NOT_YET
    first.click_done()
    for socket in sockets:
        assert socket.receive(SECONDS) == MOVED
    first.expect_results(moved_by=1)
    assert second.moved_by() == 1


def test_m1_the_production_server_on_postgresql(
    admin: Page, production: Server, further: Server, database: Database, open_group: OpenGroup
) -> None:
    """Another process knows of the click after the one that took it has been killed."""
    session = Session.create(admin, production.url, "channelsmin")
    first = Visitor(session, 1).visit()
    (second,) = open_group(session, 2)
    second.click_done()
    second.expect_results(moved_by=2)
    assert first.moved_by() == 2
    production.kill()
    record = database.query("SELECT moved_by FROM channelsmin_group ORDER BY id DESC LIMIT 1")
    assert record == "2"
    assert Visitor(session.through(further.url), 2).moved_by() == 2
    assert Visitor(session.through(further.url), 3).moved_by() == 2


def connect_at(server: Server, url: str, connect: Connect) -> Socket:
    """Connect repeatedly until nginx passes the socket to this process.

    It chooses the one with the fewest connections, and those to the other one stay open.
    """
    while (socket := connect(url)).header(PROCESS) != f"127.0.0.1:{server.port}":
        pass
    return socket
