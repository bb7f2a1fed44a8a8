"""`channelsmin doctor --live`: it says at which step the sockets of a project stop.

An oTree that is played by a script takes the place of a real one; what it is to do wrong stands in
the project, in a file.
"""

import runpy
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from channelsmin.errors import UserError
from channelsmin.project.doctor import live, play, run_checks
from channelsmin.project.doctor.play import Played
from channelsmin.runtime import browser, export, processes, server

OTREE = f"""#!{sys.executable}
import json
import sys
from http import HTTPStatus
from pathlib import Path

from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.sync.server import serve

FAULT = Path("fault.txt").read_text() if Path("fault.txt").exists() else ""
SCRIPT = "<script>x = {{type: y ? 'click' : 'ask'}}; new WebSocket(host + '/mine/1/')</script>"
moved, sockets = [], []


def page(connection, request):
    path = request.path
    if "Upgrade" in request.headers:
        return connection.respond(404, "") if FAULT == "refuses" else None
    if path.startswith("/SessionStartLinks/"):
        return connection.respond(200, "/InitializeParticipant/a /InitializeParticipant/b "
            "/InitializeParticipant/c")
    if path.startswith("/InitializeParticipant/"):
        path = "/p/1/Introduction/1" if FAULT == "introduction" else "/p/1/MyPage/1"
        return Response(302, "Found", Headers(Location=path, **{{"Content-Length": "0"}}), b"")
    if path.startswith("/p/") and "MyPage" in path:
        if FAULT == "500":
            print("ValueError: planted", flush=True)
            return connection.respond(500, "")
        if moved and FAULT != "stays":
            headers = Headers(Location="/p/1/Results/2", **{{"Content-Length": "0"}})
            return Response(302, "Found", headers, b"")
        text = "no socket" if FAULT == "no socket" else SCRIPT
        return connection.respond(200, text.replace("'ask'", "''") if FAULT == "own" else text)
    return connection.respond(200, "")


def talk(connection):
    sockets.append(connection)
    for text in connection:
        message = json.loads(text)
        if FAULT == "closes":
            print("ValueError: planted", flush=True)
            return
        if message["type"] == "click":
            moved.append(1)
            for each in sockets if FAULT != "tells one" else [connection]:
                each.send(json.dumps({{"round": "1", "moved": True}}))
        elif FAULT != "null":
            connection.send(json.dumps({{"round": "1", "moved": False}}))
        else:
            connection.send(json.dumps({{"otree_success": False, "live_method_payload": None}}))


command, *rest = sys.argv[1:]
if command == "create_session":
    name = "session with code abc" if FAULT != "no session" else "KeyError: planted"
    print("Created", name) if FAULT != "no session" else print(name)
elif command != "resetdb":
    if FAULT == "no start":
        sys.exit("ImportError: planted")
    if FAULT == "no module":
        sys.exit("ModuleNotFoundError: No module named 'numpy'")
    host, port = rest[0].split(":")
    with serve(talk, host, int(port), process_request=page) as serving:
        serving.serve_forever()
"""

PYTHON = "#!/bin/sh\necho {}\n"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A folder that looks like an environment with oTree 6.0.15."""
    scripts = tmp_path / "environment" / "bin"
    scripts.mkdir(parents=True)
    for name, text in {"otree": OTREE, "python": PYTHON.format("6.0.15")}.items():
        (scripts / name).write_text(text)
        (scripts / name).chmod(0o755)
    return scripts.parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A healthy project."""
    export.write(export.named("6.0.15"), tmp_path / "project")
    return tmp_path / "project"


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(server, "START_SECONDS", 10)
    monkeypatch.setattr(live, "PATIENCE", 2)
    monkeypatch.setattr(live, "LOG_IS_QUIET", 0.2)
    monkeypatch.setattr(browser, "is_available", lambda: False)


def test_what_works_is_said_and_the_project_stays_as_it_is(
    project: Path, environment: Path, said: list[str]
) -> None:
    before = contents(project)
    assert run_checks.run_live(project, None, environment)
    assert said[-2:] == [
        "channelsmin: one click was answered on 3 sockets",
        "channelsmin: no browser here, so no script ran and no page was submitted",
    ]
    assert "moved" not in "".join(said[-2:])
    assert contents(project) == before


def test_a_database_that_is_still_open_is_no_error(
    in_use: None, project: Path, environment: Path
) -> None:
    otree = environment / "bin" / "otree"
    otree.write_text(
        otree.read_text().replace("moved, sockets", "Path('db.sqlite3').touch()\nmoved, sockets", 1)
    )
    assert run_checks.run_live(project, None, environment)


def test_no_proxy_is_asked_for_the_projects_own_server(
    project: Path, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    for kind in ("http", "https", "socks"):
        monkeypatch.setenv(f"{kind}_proxy", f"http://127.0.0.1:{processes.free_port()}")
    assert run_checks.run_live(project, None, environment)


@pytest.mark.parametrize(
    ("fault", "step", "why"),
    [
        ("no start", "start the server", "ImportError: planted"),
        ("no session", "create a session", "KeyError: planted"),
        ("500", "open the page /p/1/MyPage/1", "status 500; the server says: ValueError: planted"),
        ("refuses", "connect the socket /mine/1/", "HTTP 404"),
        ("closes", "ask", "the server closed it (code 1000); the server says: ValueError: planted"),
        ("null", "ask", '"otree_success": false'),
        ("tells one", "hear of the click", "no answer"),
        ("stays", "follow the click", "a member is still on http://127.0.0.1:"),
    ],
)
def test_the_step_at_which_it_stops_is_named_with_what_the_server_says(
    fault: str, step: str, why: str, project: Path, environment: Path, said: list[str]
) -> None:
    (project / "fault.txt").write_text(fault)
    assert not run_checks.run_live(project, None, environment)
    what, reason, fix = said[-1].splitlines()
    assert what.endswith(f": it does not {step}")
    assert why in reason
    assert fix.startswith("    fix: ")


def test_of_a_missing_package_it_is_said_where_to_install_it(
    project: Path, environment: Path, said: list[str]
) -> None:
    (project / "fault.txt").write_text("no module")
    assert not run_checks.run_live(project, None, environment)
    assert "fix: if the project requires numpy, install it into the environment" in said[-1]


def test_a_protocol_that_is_not_known_is_not_spoken(
    project: Path, environment: Path, said: list[str]
) -> None:
    (project / "fault.txt").write_text("own")
    assert run_checks.run_live(project, None, environment)
    assert said[-2] == (
        "channelsmin: 3 sockets opened and stayed open; the app's protocol is not known"
    )


def test_a_real_time_page_that_opens_no_socket_is_a_finding(
    project: Path, environment: Path, said: list[str]
) -> None:
    (project / "fault.txt").write_text("no socket")
    assert not run_checks.run_live(project, None, environment)
    assert said[-1].startswith("channelsmin: it does not open its socket")


def test_without_a_browser_a_later_page_is_not_tried(
    project: Path, environment: Path, said: list[str]
) -> None:
    (project / "fault.txt").write_text("introduction")
    assert run_checks.run_live(project, None, environment)
    assert said[-1] == (
        "channelsmin: not tried, as MyPage comes later, and there is no browser to go on in"
    )


@pytest.mark.parametrize(
    ("played", "words"),
    [
        (
            Played(3, 3, "Done", "/p/a/x/MyPage/1", (), True, True),
            "one press of 'Done' moved 3 of 3 memb",
        ),
        (
            Played(3, 0, "Done", "/p/a/x/MyPage/1", (), True, True),
            "it does not move everybody at a press of 'Done'",
        ),
        (
            Played(3, 0, "Next", "/p/a/x/MyPage/1", (), False, True),
            "one press of 'Next' moved nobody; /p/a/x/MyPage/1 is still shown",
        ),
        (Played(3, 0, "Done", "/p/a/x/MyPage/1", (), True, False), "it does not open its socket"),
        (
            Played(3, 0, "", "/p", (("load the page", "x is not defined"),), False, True),
            "it does not load the page\n    why: x is not defined",
        ),
    ],
)
def test_what_was_seen_in_the_browser_is_said(
    played: Played,
    words: str,
    project: Path,
    environment: Path,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(browser, "is_available", lambda: True)
    monkeypatch.setattr(play, "play", lambda links, with_socket: played)
    assert run_checks.run_live(project, None, environment) == words.startswith("one press")
    assert words in said[-1]


def test_the_project_s_own_environment_is_taken(
    project: Path, environment: Path, said: list[str]
) -> None:
    environment.rename(project / ".venv")
    assert run_checks.run_live(project, None, None)
    assert "one click was answered on 3 sockets" in said[-2]


def test_an_environment_of_another_release_is_refused(
    project: Path, environment: Path, tmp_path: Path
) -> None:
    (environment / "bin" / "python").write_text(PYTHON.format("5.11.5"))
    for named in (environment, tmp_path):
        with pytest.raises(UserError, match=r"is not a virtual environment with oTree 6\.0\.15"):
            run_checks.run_live(project, None, named)


def test_of_a_release_that_is_not_certain_no_socket_is_tried(
    project: Path, environment: Path
) -> None:
    (project / "requirements_base.txt").write_text("otree==3.4.0\n")
    shutil.rmtree(project / "channelsmin")
    with pytest.raises(UserError, match="the project was not run: fix this first"):
        run_checks.run_live(project, None, environment)


def test_a_static_fault_is_told_beside_what_works(
    project: Path, environment: Path, said: list[str]
) -> None:
    (project / "_static").rmdir()
    assert not run_checks.run_live(project, None, environment)
    assert said[0].startswith("_static: there is no folder _static")
    assert "one click was answered on 3 sockets" in said[-2]


def test_a_page_that_was_not_reached_is_no_finding(
    project: Path,
    environment: Path,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stuck = Played(3, 0, "Next", "/p/a/x/Quiz/1", (), False, False)
    monkeypatch.setattr(browser, "is_available", lambda: True)
    monkeypatch.setattr(play, "play", lambda links, with_socket: stuck)
    assert run_checks.run_live(project, None, environment)
    assert "MyPage was not reached: /p/a/x/Quiz/1 is still shown" in said[-1]


def test_the_session_is_like_the_projects_own(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, old = project / "settings.py", "'num_demo_participants': 3,"
    new = "'num_demo_participants': 4, 'market_size': 4, 'use_browser_bots': True,"
    settings.write_text(settings.read_text().replace(old, new))
    app = project / "channelsmin" / "__init__.py"
    app.write_text(app.read_text().replace("players_per_group = 3", "players_per_group = SIZE"))
    read = run_checks.examine(project).read
    assert read
    live._copy(read, read.played, tmp_path / "copy")
    monkeypatch.setitem(sys.modules, "otree", SimpleNamespace(__version__="6.0.15"))
    copied = runpy.run_path(str(tmp_path / "copy/settings.py"))
    assert copied["AUTH_LEVEL"] == ""
    *_, config = copied["SESSION_CONFIGS"]
    assert config["name"] == "channelsmin_doctor"
    assert config["market_size"] == config["num_demo_participants"] == 4
    assert not config["use_browser_bots"]


@pytest.mark.parametrize(
    ("written", "comes_along"),
    [
        ("", False),
        ("DEBUG = True\n", False),
        ("DEBUG = False\nDEBUG = True\n", False),
        ("DEBUG = False\n", True),
        ("DEBUG = 0\n", True),
        ("if SESSION_CONFIGS:\n    DEBUG = True\nelse:\n    DEBUG = False\n", True),
        ("if SESSION_CONFIGS:\n    DEBUG = False\nDEBUG = True\n", False),
        ("from os import environ\nDEBUG = environ.get('HERE') == '1'\n", True),
    ],
)
def test_collected_static_files_come_along_where_debug_may_be_off(
    written: str, comes_along: bool, project: Path, environment: Path, tmp_path: Path
) -> None:
    (project / "_static_root").mkdir()
    (project / "_static_root/gone.css").symlink_to(tmp_path / "nowhere")
    (project / "__temp_bots").mkdir()
    with (project / "settings.py").open("a") as settings:
        settings.write(written)
    read = run_checks.examine(project).read
    assert read
    live._copy(read, [], tmp_path / "copy")
    assert (tmp_path / "copy/_static_root").is_dir() == comes_along
    assert not (tmp_path / "copy/__temp_bots").exists()
