"""Start programs, wait for them, and end them with all of their children.

oTree's servers start children that outlive them. So each program runs in a process group of its
own, and the group is ended. The production servers of the oldest releases put each child into
another group again: the groups of all descendants are ended.
"""

import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from channelsmin.errors import ServerDidNotStart

Process = subprocess.Popen[bytes]

STOP_SECONDS = 5
"""Seconds in which a program may end by itself before it is killed."""

GRACE_SECONDS = 30
"""Seconds in which a test run may end its servers before it is killed."""


class Stopped(Exception):
    """The caller asked a running program to stop."""


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    """Return whether nothing listens on this port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def start(
    command: Sequence[str],
    *,
    output: IO[bytes] | int,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    user: str | None = None,
) -> Process:
    """Start a program in a process group of its own; `output` gets all that it prints."""
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=variables,
        user=user,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def wait_until(is_up: Callable[[], bool], process: Process, seconds: float) -> bool:
    """Wait until a program is up; return False if it ended first, or took too long."""
    deadline = time.monotonic() + seconds
    while not is_up():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def end(process: Process, gently: bool = True) -> None:
    """End a program and all of its children: as Ctrl-C does, and after STOP_SECONDS kill them.

    Not `gently` kills them at once, as a crash would.
    """
    groups = _groups_of(process.pid)
    if gently:
        signal_group(process.pid, signal.SIGINT)
        _wait_for(groups)
    for group in groups:
        signal_group(group, signal.SIGKILL)
    process.wait()
    _wait_for(groups)


def signal_group(group: int, number: int) -> None:
    """Send a signal to a process group, which may have ended already."""
    # macOS answers EPERM for a group of which only zombies are left, Linux ESRCH for none at all.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


@contextmanager
def listening(
    command: Sequence[str],
    port: int,
    *,
    seconds: float = 20,
    user: str | None = None,
    cwd: Path | None = None,
) -> Iterator[Process]:
    """Run a program that listens on `port` of the loopback interface, while the block runs.

    Raises ServerDidNotStart, with what it printed, if it ends or does not listen in time.
    """
    with tempfile.TemporaryFile() as log:
        process = start(command, output=log, cwd=cwd, user=user)
        try:
            if not wait_until(lambda: not is_free(port), process, seconds):
                log.seek(0)
                printed = log.read().decode(errors="replace").strip() or "nothing"
                raise ServerDidNotStart(f"{command[0]} did not start; it printed: {printed}")
            yield process
        finally:
            end(process)


def run_in_foreground(command: Sequence[str], cwd: Path) -> int:
    """Run a program on this terminal; return its exit status.

    Ctrl-C reaches the program, too: it is waited for until it has ended its own servers.
    """
    process = subprocess.Popen(command, cwd=cwd)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def run_with_limit(
    command: Sequence[str], output: IO[bytes], cwd: Path, stop: threading.Event, seconds: float
) -> int | None:
    """Run a program; return its exit status, or None if it was ended after so many seconds.

    Raises Stopped, after the program has been ended, once `stop` is set.
    """
    process = start(command, output=output, cwd=cwd)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not stop.is_set():
        with suppress(subprocess.TimeoutExpired):
            return process.wait(0.2)
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    process.kill()
    process.wait()
    if stop.is_set():
        raise Stopped
    return None


def end_all_in(folder: Path) -> None:
    """Terminate every process whose command line names the folder: SIGINT, then SIGKILL."""
    for number in (signal.SIGINT, signal.SIGKILL):
        found = [process for process in psutil.process_iter() if _names(folder, process)]
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        psutil.wait_procs(found, GRACE_SECONDS)


def _names(folder: Path, process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any(f"{folder}/" in argument for argument in process.cmdline())
    return False


def _running() -> list[tuple[int, int, int]]:
    """Return the id, the parent's id and the group of each process, without zombies.

    Process 1 may never reap zombies.
    """
    found: list[tuple[int, int, int]] = []
    for process in psutil.process_iter(["ppid", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE:
            with suppress(ProcessLookupError, PermissionError):
                found.append((process.pid, process.info["ppid"], os.getpgid(process.pid)))
    return found


def _groups_of(leader: int) -> set[int]:
    """Return the process groups of a process and of all its descendants."""
    running = _running()
    groups, parents = {leader}, {leader}
    while parents:
        children = [(number, group) for number, parent, group in running if parent in parents]
        groups.update(group for _, group in children)
        parents = {number for number, _ in children}
    return groups


def _wait_for(groups: set[int]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while any(group in groups for _, _, group in _running()) and time.monotonic() < deadline:
        time.sleep(0.05)
