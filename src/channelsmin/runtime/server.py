"""A project and an environment: a running oTree server, and certainly a stopped one.

The only place that starts oTree. Its servers start children that outlive them, so each
runs in a process group of its own, and it is the group that is ended. The production
servers of the oldest releases give each child a group of its own again: all are ended.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from channelsmin.errors import UserError
from channelsmin.paths import last_lines
from channelsmin.runtime.environment import Environment

START_SECONDS = 60
"""How long a server may take to answer; the slowest seen took 6 s."""

STOP_SECONDS = 5
"""How long a server may take to end by itself before it is killed."""


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    """Say whether nobody listens on this port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def run_otree(
    environment: Environment,
    project: Path,
    *arguments: str,
    extra: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run one of oTree's commands that end by themselves, and return what it printed.

    Should it not end within `timeout` seconds, what it started is killed and TimeoutExpired
    raised.
    """
    # Into a file: a pipe would stay open for as long as a child that is left behind lives.
    with tempfile.TemporaryFile() as output:
        process = _start(environment, project, arguments, output, extra or {})
        try:
            status = process.wait(timeout)
        finally:
            _signal_group(process.pid, signal.SIGKILL)
        output.seek(0)
        printed = output.read().decode(errors="replace")
    return subprocess.CompletedProcess(process.args, status, printed)


def _start(
    environment: Environment,
    project: Path,
    arguments: Sequence[str],
    output: IO[bytes],
    extra: Mapping[str, str],
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [str(environment.otree), *arguments],
        cwd=project,
        env={**environment.variables(), **extra},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


class Server:
    """One oTree server, started by `command` in the project's folder.

    A context manager: it is up at the top of the block, and all of its processes are gone
    after it, whatever happened inside. What it prints goes to `log`, appended.
    """

    def __init__(
        self,
        environment: Environment,
        project: Path,
        command: str,
        port: int,
        log: Path,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """Remember what to start; nothing runs yet."""
        self.environment = environment
        self.project = project
        self.command = command
        self.port = port
        self.log = log
        self.extra = dict(extra or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The number of its first process; the others are its descendants."""
        return self._started().pid

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Make the tables of its database; all that was in them is gone.

        `devserver` does so by itself, which is what it is for; the other commands don't.
        """
        if self.command != "devserver":
            run_otree(self.environment, self.project, "resetdb", "--noinput", extra=self.extra)

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises UserError, with the last line that it printed, if it ends or stays silent.
        """
        arguments = [self.command, f"127.0.0.1:{self.port}"]
        with self.log.open("ab") as log:
            self._process = _start(self.environment, self.project, arguments, log, self.extra)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise UserError(f"the server did not start; it said last: {self.last_words()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/demo/", timeout=5) as answer:
                return bool(answer.status == 200)
        except HTTPError as error:
            error.close()
            return False
        except (URLError, OSError):
            return False

    def runs(self) -> bool:
        """Say whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def last_words(self, lines: int = 1) -> str:
        """Return the last line that it has printed, or the last few."""
        return last_lines(self.log, lines) or "nothing"

    def wait(self) -> int:
        """Wait until it ends by itself; return its exit status."""
        return self._started().wait()

    def stop(self) -> None:
        """Ask it to end, as Ctrl-C does; kill what has not ended after STOP_SECONDS."""
        if self._process is None:
            return
        groups = _groups_of(self._process.pid)
        _signal_group(self._process.pid, signal.SIGINT)
        self._wait_for(groups)
        self._kill(groups)

    def kill(self) -> None:
        """End all of its processes at once, as a crash would."""
        if self._process is not None:
            self._kill(_groups_of(self._process.pid))

    def _kill(self, groups: set[int]) -> None:
        for group in groups:
            _signal_group(group, signal.SIGKILL)
        self._started().wait()
        self._wait_for(groups)
        self._process = None

    def _wait_for(self, groups: set[int]) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while _live(groups) and time.monotonic() < deadline:
            time.sleep(0.05)

    def __enter__(self) -> "Server":
        """Start it."""
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop it."""
        self.stop()


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError):  # all of them have ended
        os.killpg(group, number)


def _running() -> list[tuple[int, ...]]:
    """Return the number, the parent and the group of each process that has not ended.

    One that has ended is listed until its parent asks; process 1 does so late, if at all.
    """
    command = ["ps", "-A", "-o", "pid=,ppid=,pgid=,state="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [tuple(map(int, numbers)) for *numbers, state in rows if not state.startswith("Z")]


def _groups_of(leader: int) -> set[int]:
    """Return the process groups of a process and of all its descendants."""
    running = _running()
    groups, parents = {leader}, {leader}
    while parents:
        children = [(number, group) for number, parent, group in running if parent in parents]
        groups.update(group for _, group in children)
        parents = {number for number, _ in children}
    return groups


def _live(groups: set[int]) -> bool:
    return any(group in groups for _, _, group in _running())
