"""Starting, waiting for and ending programs: nothing is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from channelsmin.errors import ServerDidNotStart
from channelsmin.runtime import processes
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.server import Server

if sys.platform == "win32":
    pytest.skip("there are jobs instead of process groups", allow_module_level=True)

import psutil

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]

PARENT = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
print(subprocess.Popen(sleep, start_new_session=True).pid, flush=True)
time.sleep(60)
"""
"""Starts a child in a process group of its own, as oTree 1.4's production server does."""


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        ended = processes.run_with_limit(SLEEP, log, tmp_path, threading.Event(), seconds=0.5)
    assert ended is None


def test_a_program_can_be_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with (tmp_path / "log").open("wb") as log, pytest.raises(processes.Stopped):
        processes.run_with_limit(SLEEP, log, tmp_path, stop, seconds=30)


def test_what_still_runs_in_a_folder_is_ended(tmp_path: Path) -> None:
    left = subprocess.Popen([*SLEEP, str(tmp_path / "a" / "b")], start_new_session=True)
    other = subprocess.Popen([*SLEEP, f"{tmp_path}-other"])
    try:
        processes.end_all_in(tmp_path)
        assert not psutil.pid_exists(left.pid) or left.wait(5)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("gently", [True, False])
def test_a_child_in_a_group_of_its_own_is_ended_too(gently: bool, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = processes.start([sys.executable, "-c", PARENT], output=output)
    assert processes.wait_until(lambda: b"\n" in log.read_bytes(), process, seconds=30)
    child = psutil.Process(int(log.read_text()))
    processes.end(process, gently)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_group_that_the_system_does_not_let_us_signal_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on macOS, for a group of zombies only."""

    def refuse(group: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refuse)
    processes.signal_group(12345, signal.SIGINT)


def test_a_program_that_does_not_listen_is_named_with_what_it_printed() -> None:
    command = [sys.executable, "-c", "print('the reason')"]
    with (
        pytest.raises(ServerDidNotStart, match="it printed: the reason"),
        processes.listening(command, processes.free_port()),
    ):
        pass


def test_a_program_listens_while_the_block_runs() -> None:
    port = processes.free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    with processes.listening(command, port):
        assert not processes.is_free(port)
    deadline = time.monotonic() + 10
    while not processes.is_free(port):
        assert time.monotonic() < deadline


def test_ctrl_c_interrupts_waiting_on_windows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """There it interrupts Python's sleep, and not Popen.wait: under wine it was lost there."""

    class Program:
        args = "program"

        def poll(self) -> int | None:
            return None

    def ctrl_c(seconds: float) -> None:
        raise KeyboardInterrupt

    program: subprocess.Popen[bytes] = Program()  # type: ignore[assignment]
    with pytest.raises(subprocess.TimeoutExpired):
        processes.wait(program, seconds=0)
    monkeypatch.setattr(time, "sleep", ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        processes.wait(program)


def test_nothing_waits_for_long_in_a_way_that_windows_does_not_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deaf(process: object, timeout: float | None = None) -> int:
        pytest.fail("Ctrl-C would not end this wait")

    ends = [sys.executable, "-c", "raise SystemExit(3)"]
    monkeypatch.setattr(subprocess.Popen, "wait", deaf)
    assert processes.run_in_foreground(ends, tmp_path) == 3
    server = Server(Environment(tmp_path), tmp_path, "devserver", 8000, tmp_path / "log")
    server._process = processes.start(ends, output=subprocess.DEVNULL)
    assert server.wait() == 3


def test_a_program_that_is_interrupted_may_clean_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pip does, which would else leave its temporary folders behind."""
    code = "import time\ntry:\n open('up', 'w'); time.sleep(60)\nfinally: open('clean', 'w')"

    def ctrl_c(process: object, seconds: float | None) -> int:
        while not (tmp_path / "up").exists():
            time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "wait", ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        processes.run([sys.executable, "-c", code], output=subprocess.DEVNULL, cwd=tmp_path)
    assert (tmp_path / "clean").exists()
