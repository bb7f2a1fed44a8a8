"""Start programs, wait for them, and end them with all of their children.

oTree's servers start children that outlive them. So each program runs in a process group of its
own, and the group is ended. The production servers of the oldest releases put each child into
another group again: the groups of all descendants are ended. On Windows, each program runs in a
job object instead (`windows_jobs`), and the job is ended.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from channelsmin.errors import ServerDidNotStart
from channelsmin.runtime import signals

if sys.platform == "win32":
    from channelsmin.runtime.windows_jobs import CREATE_SUSPENDED, Job

if TYPE_CHECKING:  # imported where it is used: `pick` has no use for it, and Windows has jobs
    import psutil

STOP_SECONDS = 5
"""Seconds in which a program may end by itself before it is killed."""

GRACE_SECONDS = 30
"""Seconds in which a test run may end its servers before it is killed."""


POLL_SECONDS = 0.05
"""Seconds between two looks at a program: on Windows, Ctrl-C interrupts a sleep but no wait."""


class Stopped(Exception):
    """The caller asked a running program to stop."""


class Process(subprocess.Popen[bytes]):
    """A program in a process group of its own; on Windows, in a job of its own.

    What it prints goes to `output`; it has no standard input.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: IO[bytes] | int,
        cwd: Path | None,
        variables: Mapping[str, str] | None,
        user: str | None,
    ) -> None:
        """Start the program."""
        if sys.platform == "win32":
            # A group of its own, too, so that Ctrl-C on this console reaches this program only.
            self.job = Job()
            flags = CREATE_SUSPENDED | subprocess.CREATE_NEW_PROCESS_GROUP
        else:
            flags = 0
        super().__init__(
            command,
            cwd=cwd,
            env=variables,
            user=user,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=sys.platform != "win32",
            creationflags=flags,
        )
        if sys.platform == "win32":
            self.job.adopt(self)


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    """Return whether nothing listens on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(1)  # Windows tries for two seconds
        return probe.connect_ex(("127.0.0.1", port)) != 0


def start(
    command: Sequence[str],
    *,
    output: IO[bytes] | int,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    user: str | None = None,
) -> Process:
    """Start a program in a group of its own; `output` gets all that it prints.

    Call this in a block of `signals.postponed`, inside the `try` that ends the program: otherwise a
    signal in between leaves the program running.
    """
    return Process(command, output=output, cwd=cwd, variables=variables, user=user)


def wait(process: "subprocess.Popen[bytes]", seconds: float | None = None) -> int:
    """Wait until a program ends; return its exit status.

    Raises subprocess.TimeoutExpired after so many seconds.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    while (status := process.poll()) is None:
        if deadline is not None and time.monotonic() >= deadline:
            raise subprocess.TimeoutExpired(process.args, seconds or 0)
        time.sleep(POLL_SECONDS)
    return status


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

    Not `gently` kills them at once, as a crash would. Windows kills them at once in either case.
    Another Ctrl-C does not interrupt this.
    """
    with signals.postponed():
        if sys.platform == "win32":
            process.job.terminate()
            process.wait()
            _wait_until(lambda: process.job.active() == 0)
        else:
            _end_groups(process, gently)


def _end_groups(process: Process, gently: bool) -> None:
    if sys.platform == "win32":
        raise NotImplementedError
    groups = _groups_of(process.pid)
    if gently:
        signal_group(process.pid, signal.SIGINT)
        _wait_until(lambda: not _any_runs(groups))
    for group in groups:
        signal_group(group, signal.SIGKILL)
    process.wait()
    _wait_until(lambda: not _any_runs(groups))


def signal_group(group: int, number: int) -> None:
    """Send a signal to a process group, which may have ended already. Not on Windows."""
    if sys.platform == "win32":
        raise NotImplementedError
    # macOS answers EPERM for a group of which only zombies are left, Linux ESRCH for none at all.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def run(
    command: Sequence[str],
    *,
    output: IO[bytes] | int,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> int:
    """Run a program that ends by itself, and return its exit status; `output` gets what it prints.

    Whatever happens, nothing that it has started outlives it. Raises subprocess.TimeoutExpired if
    it takes longer than so many seconds.
    """
    process = None
    try:
        with signals.postponed():
            process = start(command, output=output, cwd=cwd, variables=variables)
        return wait(process, seconds)
    finally:
        if process:
            # Gently if it is interrupted: pip then removes its temporary folders.
            end(process, gently=process.poll() is None)


@contextmanager
def listening(
    command: Sequence[str],
    port: int,
    *,
    seconds: float = 20,
    user: str | None = None,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Run a program that listens on `port` of the loopback interface, while the block runs.

    Raises ServerDidNotStart, with what it printed, if it ends or does not listen in time.
    """
    process = None
    with tempfile.TemporaryFile() as log:
        try:
            with signals.postponed():
                process = start(command, output=log, cwd=cwd, variables=variables, user=user)
            if not wait_until(lambda: not is_free(port), process, seconds):
                log.seek(0)
                printed = log.read().decode(errors="replace").strip() or "nothing"
                raise ServerDidNotStart(f"{command[0]} did not start; it printed: {printed}")
            yield process
        finally:
            if process:
                end(process)


def run_in_foreground(command: Sequence[str], cwd: Path) -> int:
    """Run a program on this terminal; return its exit status.

    Ctrl-C reaches the program, too: it is waited for until it has ended its own servers.
    """
    process = subprocess.Popen(command, cwd=cwd)
    while True:
        try:
            return wait(process)
        except KeyboardInterrupt:
            continue


def run_with_limit(
    command: Sequence[str], output: IO[bytes], cwd: Path, stop: threading.Event, seconds: float
) -> int | None:
    """Run a program; return its exit status, or None if it was ended after so many seconds.

    Raises Stopped, after the program has been ended, once `stop` is set.
    """
    process = None
    try:
        with signals.postponed():
            process = start(command, output=output, cwd=cwd)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not stop.is_set():
            with suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_SECONDS)
        if sys.platform != "win32":
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
    finally:
        if process and process.poll() is None:
            end(process, gently=False)
    if stop.is_set():
        raise Stopped
    return None


def end_all_in(folder: Path) -> None:
    """Terminate every process whose command line names the folder: SIGINT, then SIGKILL.

    Not on Windows: the commands for maintainers do not run there.
    """
    if sys.platform == "win32":
        raise NotImplementedError
    import psutil

    def named() -> list["psutil.Process"]:
        return [process for process in psutil.process_iter() if _names(folder, process)]

    for number in (signal.SIGINT, signal.SIGKILL):
        found = named()
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        psutil.wait_procs(found, GRACE_SECONDS)


def _names(folder: Path, process: "psutil.Process") -> bool:
    import psutil

    with suppress(psutil.Error):
        return any(f"{folder}{os.sep}" in argument for argument in process.cmdline())
    return False


def _running() -> list[tuple[int, int, int]]:
    """Return the id, the parent's id and the group of each process, without zombies.

    Process 1 may never reap zombies. Where the system hides its processes, the list is empty.
    """
    if sys.platform == "win32":
        raise NotImplementedError
    import psutil

    found: list[tuple[int, int, int]] = []
    with suppress(psutil.Error, OSError):
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


def _any_runs(groups: set[int]) -> bool:
    return any(group in groups for _, _, group in _running())


def _wait_until(has_ended: Callable[[], bool]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while not has_ended() and time.monotonic() < deadline:
        time.sleep(0.05)
