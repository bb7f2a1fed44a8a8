"""pytest plugin: report the CPU seconds of a run, by kind of process and by test.

A thread samples pytest's process and its descendants. A process that ends between two samples is
counted from its parent's times, which include those of the children that it has waited for.
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

INTERVAL = 0.25
"""Seconds between two samples."""

PYTEST = "pytest and its clients"
REPORT = "this report"
OTHER = "other programs"
SERVER = "oTree: servers"
COMMAND = "oTree: commands that end by themselves"

CHROMIUM = {
    "--type=renderer": "Chromium: renderers",
    "--type=gpu-process": "Chromium: GPU process",
    "--type=utility": "Chromium: network and other utilities",
    "--type=zygote": "Chromium: zygotes",
}
PROGRAMS = {
    "nginx": "nginx",
    "postgres": "PostgreSQL",
    "initdb": "PostgreSQL",
    "psql": "PostgreSQL",
    "redis-server": "Redis",
    "node": "Playwright's driver",
}
SERVERS = ("server", "webandworkers", "timeoutworker")
"""What occurs in the name of an oTree command that serves until it is ended."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --cpu-report."""
    parser.addoption(
        "--cpu-report",
        type=Path,
        metavar="FILE",
        help="print the CPU seconds of the run by kind of process, and write them to this file",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start sampling, with pytest-xdist in the controller alone: the workers are its children."""
    file: Path | None = config.getoption("--cpu-report")
    if file and not hasattr(config, "workerinput"):
        environment: Path = config.getoption("--environment") or Path("/nowhere")
        config.pluginmanager.register(Report(file, Sampler(environment.resolve())), "cpu_report")


def kind_of(command: Collection[str], environment: Path, parent: str) -> str:
    """Return the kind of a process, from its command line and its parent's kind."""
    program = Path(next(iter(command), "")).name.split(":")[0]
    if program in PROGRAMS:
        return PROGRAMS[program]
    if "chrom" in program:
        kinds = [kind for option, kind in CHROMIUM.items() if option in command]
        return kinds[0] if kinds else "Chromium: browser"
    if "pip" in command:
        return "pip"
    if any(argument.startswith(f"{environment}/") for argument in command):
        words = [argument for argument in command if "/" not in argument]
        serves = any(name in word for word in words for name in SERVERS)
        return SERVER if serves or parent == SERVER else COMMAND
    if parent in (SERVER, COMMAND, "pip") or "pytest" in " ".join(command):
        return parent
    return PYTEST if program.startswith("python") else OTHER


@dataclass
class Sampled:
    """A process, and its CPU seconds at the last sample."""

    process: psutil.Process
    kind: str
    parent: "Sampled | None" = None
    own: float = 0
    waited_for: float = 0
    """The seconds of the children that have ended and that it has waited for."""

    counted: float = 0
    """The part of these seconds that samples of the children have shown."""

    has_ended: bool = False

    kind_of_children: str = OTHER

    def update(self) -> None:
        """Read its times; raises NoSuchProcess once it has ended."""
        times = self.process.cpu_times()
        self.own = times.user + times.system
        self.waited_for = times.children_user + times.children_system

    def waiting_parent(self) -> "Sampled | None":
        """Return the parent, or, if it has ended, too, the nearest ancestor that has not."""
        parent = self.parent
        while parent and parent.has_ended:
            parent = parent.parent
        return parent

    def add_to(self, seconds: defaultdict[str, float]) -> None:
        """Add its own seconds, and those of its children that no sample has shown."""
        seconds[self.kind] += self.own
        seconds[self.kind_of_children] += max(0, self.waited_for - self.counted)


class Sampler:
    """Adds up the CPU seconds of this process and of its descendants, by kind."""

    def __init__(self, environment: Path) -> None:
        """Begin with this process."""
        self._environment = environment
        self._root = Sampled(psutil.Process(), PYTEST)
        self._running = {self._root.process.pid: self._root}
        self._ended: defaultdict[str, float] = defaultdict(float)
        self._spent = 0.0
        self._lock = threading.Lock()

    def sample(self) -> dict[str, float]:
        """Return the seconds so far, as of now."""
        with self._lock:
            start = time.thread_time()
            self._find_children()
            self._update_all()
            seconds = self._ended.copy()
            for sampled in self._running.values():
                sampled.add_to(seconds)
            self._spent += time.thread_time() - start
            seconds[PYTEST] -= self._spent
            seconds[REPORT] = self._spent
            return seconds

    def _find_children(self) -> None:
        for process in self._root.process.children(recursive=True):
            known = self._running.get(process.pid)
            if known and known.process == process and known.own > 2 * INTERVAL:
                continue
            try:
                parent, command = process.ppid(), process.cmdline()
            except psutil.Error:
                continue
            above = self._running.get(parent, self._root)
            kind = kind_of(command, self._environment, above.kind)
            above.kind_of_children = kind
            if known and known.process == process:
                known.kind = kind  # it had not executed its program yet
            else:
                self._running[process.pid] = Sampled(process, kind, above)

    def _update_all(self) -> None:
        for pid, sampled in list(self._running.items()):
            try:
                sampled.update()
            except psutil.Error:
                del self._running[pid]
                sampled.has_ended = True
                sampled.add_to(self._ended)
                if parent := sampled.waiting_parent():
                    parent.counted += sampled.own + max(sampled.waited_for, sampled.counted)


class Report:
    """Samples until the end of the run, and reports."""

    def __init__(self, file: Path, sampler: Sampler) -> None:
        """Start the thread."""
        self._file = file
        self._sampler = sampler
        self._start = time.monotonic()
        self._last = sampler.sample()
        self._tests: dict[str, dict[str, float]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(INTERVAL):
            self._sampler.sample()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Note what was spent since the last test ended."""
        seconds = self._sampler.sample()
        self._tests[nodeid] = {
            kind: spent - self._last.get(kind, 0) for kind, spent in seconds.items()
        }
        self._last = seconds

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, and write the file."""
        self._over.set()
        self._thread.join()
        seconds = self._sampler.sample()
        own = seconds.pop(REPORT)
        total = sum(seconds.values())
        wall = time.monotonic() - self._start
        terminalreporter.section("CPU seconds")
        for kind, spent in rounded(seconds).items():
            terminalreporter.write_line(f"{spent:7.1f}  {kind}")
        terminalreporter.write_line(f"{total:7.1f}  in all, in {wall:.0f} s of wall time")
        terminalreporter.write_line(f"{own:7.1f}  {REPORT}, not counted")
        report = {
            "seconds": rounded(seconds),
            "total": round(total, 1),
            "wall": round(wall, 1),
            "tests": {test: rounded(spent) for test, spent in self._tests.items()},
        }
        self._file.write_text(json.dumps(report, indent=1) + "\n")


def rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return what is more than nothing, the largest first."""
    largest_first = sorted(seconds.items(), key=lambda entry: -entry[1])
    return {kind: round(spent, 2) for kind, spent in largest_first if spent > 0.005}
