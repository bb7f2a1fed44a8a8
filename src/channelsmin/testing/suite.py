"""Run tests under tox, several environments at once; report progress, and a table of results."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.version import Version

from channelsmin import console
from channelsmin.console import Tasks
from channelsmin.errors import UserError
from channelsmin.matrix import releases, results, variants
from channelsmin.paths import ROOT, last_lines
from channelsmin.runtime import interpreters, processes, programs
from channelsmin.runtime.processes import Process, run_in_foreground
from channelsmin.testing import browser
from channelsmin.testing.pool import stoppable

AT_ONCE = min((os.cpu_count() or 1) + 1, 8)
"""How many environments are tested at once, each with its servers and a browser. One more than
there are cores, since each of them also waits: with two at once on 2 cores, a fourth of the time
nothing ran (2026-11-27)."""

PROCESSES_OF_ONE = 3
"""In how many processes the tests of a single release run. Each starts the servers that it needs:
grouped by server, so that each is started once, the tests of 3.4.0 took 115 s on 2 cores, not 87 s,
since all that is tried in other browsers shares one server (2026-11-27)."""

MINUTES = {"lint": 0.3, "tool": 12}
"""Minutes that an environment takes next to so many others (2026-11-27)."""

MINUTES_PER_RELEASE = 2.8
"""The same for a release, with its installation."""

TRIALS = {"chromium": "fault_injection", "firefox": "any_fault and firefox"}
"""Browsers in which trials with injected faults run, and how pytest selects the trials."""

LOGS = ROOT / ".tox" / "logs"
"""Where the output of each environment is kept."""

TEST = re.compile(r"::(test_\w+)")
PERCENT = re.compile(r"\[ *(\d+)%\]")
"""In a line of pytest's verbose output: the test that has ended, and how far the run is."""

CLAUSE = re.compile(r"test_([a-z]\d+)_")

TAIL = 40
"""How many lines of the log are shown of an environment that failed."""


@dataclass(frozen=True)
class Outcome:
    """How an environment ended: the exit status of tox, and how many seconds it took.

    `is_repeated` tells whether it failed at first, next to others, and was run again alone.
    """

    name: str
    status: int
    seconds: int
    is_repeated: bool = False

    @property
    def verdict(self) -> str:
        """The status in words."""
        return ("FAILED" if self.status else "passed") + (", twice run" if self.is_repeated else "")


def default_environments() -> list[str]:
    """Return tox's default environments, as `tox list` names them."""
    command = [sys.executable, "-m", "tox", "list", "--no-desc", "-d"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return answer.stdout.split()


def release_of(name: str) -> Version | None:
    """Return the release that a tox environment tests, or None for `lint` and such."""
    match = re.fullmatch(r"otree(\d.*)", name)
    return releases.find(match[1]) if match else None


def environments(wanted: Sequence[str]) -> list[str]:
    """Return the tox environments to run.

    `wanted` are releases, or `all` for tox's default environments; by default, the tests of the
    tool and the newest release of each variant that this machine has a Python for.
    """
    if list(wanted) == ["all"]:
        return default_environments()
    if wanted:
        return [f"otree{releases.find(text)}" for text in wanted]
    here = (release for release in chosen([]) if interpreters.best(release))
    return ["tool", *(f"otree{release}" for release in here)]


def run(wanted: Sequence[str]) -> None:
    """Test these environments, see `environments`.

    An environment that fails next to others is run again alone; the table says so. Raises UserError
    if it fails then, too. A release without an interpreter on this machine is named at the end;
    that is an error, too, if the release was asked for, or if CI is set in the environment.
    """
    names = environments(wanted)
    without = [name for name in names if not _has_interpreter(name)]
    runnable = [name for name in names if name not in without]
    console.note(_announcement(runnable))
    programs.ensure(filter(None, map(release_of, runnable)))
    browser.ensure()
    outcomes = [_believed(outcome, runnable) for outcome in _run_all(runnable)]
    for line in _table(outcomes, without):
        console.say(line)
    failed = [outcome.name for outcome in outcomes if outcome.status]
    if failed:
        logs = ", ".join(str(_log(name)) for name in failed)
        raise UserError(f"some tests failed; the whole output is in {logs}")
    is_set = not wanted or list(wanted) == ["all"]
    if without and (not is_set or os.environ.get("CI")):
        raise UserError(
            f"not tested: {len(without)} of {len(names)}; install the Pythons named above"
        )


def _announcement(names: Sequence[str]) -> str:
    minutes = sum(MINUTES.get(name, MINUTES_PER_RELEASE) for name in names) / AT_ONCE
    shown = ", ".join(names) or "nothing"
    return f"Testing {shown}. On this machine it takes about {max(1, round(minutes))} minutes."


def _run_all(names: Sequence[str]) -> list[Outcome]:
    """Run environments, `AT_ONCE` at a time; Ctrl-C ends them, and their servers."""
    share = ["--numprocesses", str(PROCESSES_OF_ONE)] if len(names) == 1 else []
    LOGS.mkdir(parents=True, exist_ok=True)
    with console.tasks() as tasks, stoppable(AT_ONCE) as (pool, stop):
        order = _longest_first(names)
        futures = [pool.submit(_run_one, name, share, tasks, stop) for name in order]
        outcomes = [future.result() for future in as_completed(futures)]
    return sorted(outcomes, key=lambda outcome: names.index(outcome.name))


def _longest_first(names: Sequence[str]) -> list[str]:
    """Return them in the order in which to start them, so that the last one is not a long one.

    The newest release of each variant takes longer, since it is tested in more browsers.
    """
    tested = {name: release for name in names if (release := release_of(name))}
    newest = newest_of_each(tested.values())
    return sorted(names, key=lambda name: name in tested and tested[name] not in newest)


def _believed(outcome: Outcome, names: Sequence[str]) -> Outcome:
    """Return the outcome; an environment that failed next to others is first run again, alone.

    A busy machine makes a test late. The output of the first run is kept in a log of its own.
    """
    if not outcome.status or len(names) == 1:
        return outcome
    console.say(f"{outcome.name} failed next to others; running it again, alone")
    _log(outcome.name).replace(_log(f"{outcome.name}-first"))
    (again,) = _run_all([outcome.name])
    return replace(again, is_repeated=True)


def _run_one(name: str, share: Sequence[str], tasks: Tasks, stop: threading.Event) -> Outcome:
    start = time.monotonic()
    tasks.start(name)
    verbose = [] if name == "lint" else ["--", "-v", *share]
    with _log(name).open("wb") as output:
        command = [sys.executable, "-m", "tox", "run", "-e", name, *verbose]
        status = _watch(processes.start(command, output=output, cwd=ROOT), name, tasks, stop)
    outcome = Outcome(name, status, round(time.monotonic() - start))
    lines = [f"{name}: {outcome.verdict} in {outcome.seconds} s"]
    if status:
        lines += [last_lines(_log(name), TAIL), ""]
    tasks.end(name, "\n".join(lines))
    return outcome


def _watch(process: Process, name: str, tasks: Tasks, stop: threading.Event) -> int:
    """Show how far an environment is, until it ends; return its exit status."""
    while process.poll() is None:
        if stop.wait(0.5):
            process.send_signal(signal.SIGINT)
            return process.wait()
        percent, what = progress(last_lines(_log(name), 5))
        tasks.update(name, percent, what)
    return process.wait()


def progress(printed: str) -> tuple[int, str]:
    """Return how many percent of a run are done, and the clause, or else the test, that it is at.

    `printed` is the end of pytest's verbose output, with pytest-xdist or without.
    """
    for line in reversed(printed.splitlines()):
        test, percent = TEST.search(line), PERCENT.search(line)
        if test and percent:
            clause = CLAUSE.match(test[1])
            return int(percent[1]), clause[1].upper() if clause else test[1]
    return 0, ""


def _log(name: str) -> Path:
    return LOGS / f"{name}.log"


def _table(outcomes: Iterable[Outcome], without: Iterable[str]) -> list[str]:
    """Return the table of results, and the environments that were not tested."""
    rows = [("environment", "variant", "result", "seconds")]
    for outcome in outcomes:
        rows.append((outcome.name, _variant(outcome.name), outcome.verdict, str(outcome.seconds)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    missing = [
        f"NOT TESTED: {name} (no Python {_pythons(name)} on this machine)" for name in without
    ]
    return ["", *lines, *missing]


def _variant(name: str) -> str:
    release = release_of(name)
    return variants.serving(release).name if release else ""


def run_trials(wanted: Sequence[str], count: int, browser: str) -> None:
    """Run trials with injected faults on these releases (default: the newest of each variant).

    `browser` is one of TRIALS.

    Each trial is recorded as it ends; a recorded one is not run again. Raises UserError if one
    fails.
    """
    trials = ["-v", "-k", TRIALS[browser], "--trials", str(count), "--record"]
    _one_by_one(
        {
            release: [*trials, str(results.path_of_trials(release, browser))]
            for release in chosen(wanted)
        }
    )


def run_soak(wanted: Sequence[str], minutes: float) -> None:
    """Run a soak test on these releases (default: the newest of each variant).

    Raises UserError if a member is lost.
    """
    soak = ["tests/soak", "-s", "-k", "soak", "--timeout", "0", "--soak", str(minutes), "--record"]
    _one_by_one(
        {release: [*soak, str(results.path_of_soak(release))] for release in chosen(wanted)}
    )


def chosen(wanted: Sequence[str]) -> list[Version]:
    """Return these releases, or else the newest one of each variant in the default set."""
    if wanted:
        return [releases.find(text) for text in wanted]
    return newest_of_each(filter(None, map(release_of, default_environments())))


def newest_of_each(among: Iterable[Version]) -> list[Version]:
    """Return the newest of these releases that each variant serves."""
    newest = {variants.serving(release).name: release for release in sorted(among)}
    return sorted(newest.values())


def _one_by_one(arguments: Mapping[Version, Sequence[str]]) -> None:
    """Run pytest on each release, with these arguments; raise UserError if it fails on one."""
    browser.ensure()
    failed = [
        str(release)
        for release, own in arguments.items()
        if _tox("run", "-e", f"otree{release}", "--", *own)
    ]
    if failed:
        raise UserError(f"failed on {', '.join(failed)}: see above")


def _tox(*arguments: str) -> int:
    return run_in_foreground([sys.executable, "-m", "tox", *arguments], ROOT)


def _pythons(name: str) -> str:
    release = release_of(name)
    return " or ".join(variants.pythons(release)) if release else ""


def _has_interpreter(name: str) -> bool:
    release = release_of(name)
    return release is None or bool(interpreters.best(release))
