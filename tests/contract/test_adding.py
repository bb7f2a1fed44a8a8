"""`channelsmin add`: the app in a project that oTree has created."""

from pathlib import Path

from packaging.version import Version
from playwright.sync_api import Page

from channelsmin.project import add
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import Export
from channelsmin.runtime.processes import free_port
from channelsmin.runtime.server import Server, run_otree
from harness.fixtures import Connect, OpenGroup
from harness.members import Session, Visitor
from harness.protocol import MOVED, NOT_YET, ask


def test_added_to_a_project_of_ones_own_under_two_names_one_click_moves_each_group(
    environment: Environment,
    export: Export,
    release: Version,
    admin: Page,
    open_group: OpenGroup,
    connect: Connect,
    tmp_path: Path,
) -> None:
    ended = run_otree(environment, tmp_path, "startproject", "project", "--noinput")
    project = tmp_path / "project"
    assert project.exists(), ended.stdout
    # The first app finds no EXTENSION_APPS in settings.py, the second one does.
    for app in ("channelsmin", "lobby"):
        add.run(project, app, str(release), sure=True)
        before = contents(project)
        add.run(project, app, str(release), sure=True)
        assert contents(project) == before
    command = export.variant.development_server(release)
    server = Server(environment, project, command, free_port(), tmp_path / "server.log")
    server.prepare()
    with server:
        for app in ("channelsmin", "lobby"):
            session = Session.create(admin, server.url, app)
            (second,) = open_group(session, 2)
            first, third = (Visitor(session, place).visit() for place in (1, 3))
            # If oTree did not collect the app's routes, the page would work over HTTP alone.
            socket = connect(second.socket_url_of(first.code))
            socket.send(ask())
            assert socket.receive() == NOT_YET
            second.click_done()
            assert socket.receive() == MOVED
            second.expect_results(moved_by=2)
            assert first.moved_by() == third.moved_by() == 2


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
