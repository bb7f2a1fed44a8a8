"""`channelsmin add`: the app in a project that oTree itself has made."""

from pathlib import Path

from packaging.version import Version
from playwright.sync_api import Page

from channelsmin.project import add
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import Export
from channelsmin.runtime.processes import free_port
from channelsmin.runtime.server import Server, run_otree
from harness.fixtures import Connect, OpenGroup
from harness.members import Session
from harness.protocol import NOT_YET, ask


def test_added_to_a_project_of_ones_own_under_two_names_one_click_moves_each_group(
    environment: Environment,
    export: Export,
    release: Version,
    researcher: Page,
    open_group: OpenGroup,
    connect: Connect,
    tmp_path: Path,
) -> None:
    ended = run_otree(environment, tmp_path, "startproject", "project", "--noinput")
    project = tmp_path / "project"
    assert project.exists(), ended.stdout
    # The first one finds no EXTENSION_APPS, the second one does.
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
            group = open_group(Session(researcher, server.url, app), 1, 2, 3)
            # Were the app's routes not collected, the page would do with HTTP alone.
            socket = connect(group[0].socket_url)
            socket.say(ask())
            assert socket.hear() == NOT_YET
            group[1].click_done()
            for member in group:
                member.expect_results(moved_by=2)
        # Asked to end while pages are open, some take the five seconds that they are given.
        server.kill()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
