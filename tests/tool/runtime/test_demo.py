"""`channelsmin demo` and what it stands on: its refusals, each one line."""

import shutil
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from channelsmin.errors import UserError
from channelsmin.matrix import notes, releases
from channelsmin.runtime import demo, environment, interpreters
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.processes import free_port, is_free
from channelsmin.runtime.server import Server, run_otree

RELEASE = releases.find("6.0.15")


def test_a_port_that_browsers_refuse_is_named() -> None:
    with pytest.raises(UserError, match="browsers refuse to open port 6000"):
        demo.run("6.0.15", 6000)


def test_a_busy_port_is_named() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(UserError, match=f"port {port} is busy"):
            demo.run("6.0.15", port)


def test_a_withdrawn_release_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = releases.rows()
    withdrawn = {RELEASE: replace(rows[RELEASE], yanked="removed due to bug")}
    monkeypatch.setattr(releases, "rows", lambda: {**rows, **withdrawn})
    monkeypatch.setattr(interpreters, "best", lambda release: Path())
    assert demo.newest_runnable() < RELEASE


def test_a_missing_interpreter_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(interpreters, "first", lambda version: None)
    old = releases.find("2.1.41")
    with pytest.raises(UserError, match=r"oTree 2\.1\.41 needs Python 3\.7 or 3\.6"):
        environment.create(old, tmp_path)
    with pytest.raises(UserError, match="no Python that can run any release"):
        demo.newest_runnable()


def test_with_consent_a_missing_interpreter_is_installed_without_a_question(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[list[str], bool]] = []

    def obtain(pythons: list[str], consent: bool) -> None:
        asked.append((pythons, consent))

    monkeypatch.setattr(interpreters, "first", lambda version: None)
    monkeypatch.setattr(interpreters, "obtain", obtain)
    monkeypatch.setattr(interpreters, "can_obtain", lambda pythons: "3.12" in pythons)
    monkeypatch.setattr(environment, "cache", lambda: tmp_path)
    (tmp_path / "locks").mkdir()
    with pytest.raises(UserError, match="needs Python"):
        demo.run(None, free_port(), consent=True)
    with pytest.raises(UserError, match="no Python that can run any release"):
        demo.run(None, free_port())
    assert asked == [(["3.12", "3.13", "3.11", "3.10"], True)]


@pytest.mark.parametrize(
    ("noted", "message"),
    [
        (None, r"(?s)could not be installed.*ends with:\n.*no such option"),
        ("a bad setup.py", r"oTree \S+ is not installable: a bad setup\.py"),
    ],
)
def test_a_failed_installation_says_why_and_leaves_nothing_behind(
    noted: str | None, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(notes, "not_installable", lambda release: noted)
    monkeypatch.setattr(environment, "requirements", lambda release, python: "--no-such-option")
    monkeypatch.setattr(interpreters, "first", lambda version: Path(sys.executable))
    with pytest.raises(UserError, match=message):
        environment.create(RELEASE, tmp_path / "environment")
    assert not (tmp_path / "environment").exists()


def test_a_disk_that_is_full_is_not_taken_for_a_bad_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=4096)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(environment, "requirements", lambda release, python: "--no-such-option")
    monkeypatch.setattr(interpreters, "first", lambda version: Path(sys.executable))
    with pytest.raises(UserError, match=f"could not be installed: the disk of {tmp_path} is full"):
        environment.create(RELEASE, tmp_path / "environment")


def test_a_database_that_is_still_open_lets_no_demo_end_in_a_traceback(
    in_use: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def ctrl_c(server: Server) -> int:
        (server.project / "db.sqlite3").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "cached", lambda release, consent: Environment(tmp_path))
    monkeypatch.setattr(Server, "prepare", lambda server: None)
    monkeypatch.setattr(Server, "start", lambda server: None)
    monkeypatch.setattr(Server, "wait", ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        demo.run("6.0.15", free_port())


def stand_in(folder: Path, script: str) -> Environment:
    """Return an environment whose `otree` is a shell script."""
    (folder / "bin").mkdir(parents=True)
    otree = folder / "bin" / "otree"
    otree.write_text(f"#!/bin/sh\n{script}\n")
    otree.chmod(0o755)
    return Environment(folder)


def test_a_server_that_ends_at_once_is_reported_with_its_last_output(tmp_path: Path) -> None:
    broken = stand_in(tmp_path / "environment", "echo first; echo the reason; exit 3")
    server = Server(broken, tmp_path, "devserver", free_port(), tmp_path / "log")
    with pytest.raises(UserError, match="its last output: the reason"):
        server.start()


def test_nothing_that_a_command_started_outlives_it(tmp_path: Path) -> None:
    child = tmp_path / "child"
    leaving = stand_in(tmp_path / "environment", f"sleep 600 & echo $! > {child}")
    run_otree(leaving, tmp_path, "test", timeout=30)
    deadline = time.monotonic() + 10
    while lives(int(child.read_text())):
        assert time.monotonic() < deadline


def lives(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
