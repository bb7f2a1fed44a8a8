"""Start and stop an oTree server, including all of its child processes.

The only place that starts oTree.
"""

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from channelsmin.errors import ServerDidNotStart
from channelsmin.paths import last_lines
from channelsmin.runtime import processes, signals
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.processes import Process

DIRECTLY = build_opener(ProxyHandler({}))
"""Opens addresses of this machine without the proxy that the environment or the system names."""

START_SECONDS = 60
"""Seconds in which a server has to answer; the slowest one seen took 6."""


def run_otree(
    environment: Environment,
    project: Path,
    *arguments: str,
    extra: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run an oTree command that ends by itself, and return what it printed.

    If it does not end within `timeout` seconds, it and its children are killed and TimeoutExpired
    is raised.
    """
    # Into a file: a pipe would stay open for as long as a child that is left behind lives.
    command = [str(environment.otree), *arguments]
    with tempfile.TemporaryFile() as output:
        variables = {**environment.variables(), **(extra or {})}
        status = processes.run(
            command, output=output, cwd=project, variables=variables, seconds=timeout
        )
        output.seek(0)
        printed = output.read().decode(errors="replace")
    return subprocess.CompletedProcess(command, status, printed)


class Server:
    """One oTree server, started by `command` in the project's folder.

    A context manager: the server is up at the top of the block, and all of its processes are
    killed after it, whatever happens inside: while pages are open, some servers need five seconds
    to stop gently. What it prints is appended to `log`.
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
        self._name, *self._options = command.split()
        self.port = port
        self.log = log
        self.extra = dict(extra or {})
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """The id of its first process; the others are its descendants."""
        return self._started().pid

    def _started(self) -> Process:
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process

    @property
    def url(self) -> str:
        """Its address, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Create the tables of its database; what was in the database is lost.

        `devserver` creates them itself; the other commands don't.
        """
        if self._name != "devserver":
            run_otree(self.environment, self.project, "resetdb", "--noinput", extra=self.extra)

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises ServerDidNotStart, with the last line that it printed, if it ends or stays silent.
        Whatever else is raised meanwhile, such as KeyboardInterrupt, the server does not stay.
        """
        try:
            with self.log.open("ab") as log, signals.postponed():
                self._process = processes.start(
                    [
                        str(self.environment.otree),
                        self._name,
                        f"127.0.0.1:{self.port}",
                        *self._options,
                    ],
                    output=log,
                    cwd=self.project,
                    variables={**self.environment.variables(), **self.extra},
                )
            if not processes.wait_until(self._answers, self._started(), START_SECONDS):
                raise ServerDidNotStart(
                    f"the server did not start; its last output: {self.last_output()}"
                )
        except BaseException:
            self.kill()
            raise

    def _answers(self) -> bool:
        try:
            with DIRECTLY.open(f"{self.url}/demo/", timeout=5) as answer:
                return bool(answer.status == 200)
        except HTTPError as error:
            error.close()
            return False
        except (URLError, OSError):
            return False

    def runs(self) -> bool:
        """Return whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def last_output(self, lines: int = 1) -> str:
        """Return the last line, or the last few, that it printed."""
        return last_lines(self.log, lines) or "nothing"

    def wait(self) -> int:
        """Wait until it ends by itself; return its exit status."""
        return processes.wait(self._started())

    def stop(self) -> None:
        """Stop it as Ctrl-C does, and kill what does not end in time."""
        self._end(gently=True)

    def kill(self) -> None:
        """Kill all of its processes at once, as a crash would."""
        self._end(gently=False)

    def _end(self, gently: bool) -> None:
        if self._process is not None:
            processes.end(self._process, gently)
            self._process = None

    def __enter__(self) -> "Server":
        """Start it."""
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Kill it."""
        self.kill()
