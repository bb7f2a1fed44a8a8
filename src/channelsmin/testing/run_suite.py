"""Run the whole suite on one release and one Python, and return the result."""

import datetime
import json
import platform
import re
import shutil
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.version import Version

from channelsmin.errors import ServerDidNotStart, UserError
from channelsmin.matrix import notes
from channelsmin.matrix.help import Help
from channelsmin.matrix.results import Run, Status
from channelsmin.paths import ROOT, last_lines
from channelsmin.runtime import environment, processes
from channelsmin.runtime.environment import Environment
from channelsmin.testing import fingerprints

LIMIT_SECONDS = 1500.0
"""A run that takes longer counts as hung: about ten times what one takes."""

MAX_FAILURES = 15
"""So many failed tests end a run: on a server that never answers, each takes a minute."""

SUITE = ("tests/contract",)
"""What pytest runs, as in tox.ini."""


def run_release(release: Version, python: str, folder: Path, stop: threading.Event) -> Run:
    """Return the result of the suite on a release; a run that does not pass is repeated once.

    Works in `folder`, which is removed at the end, and ends whatever still runs there. Raises
    processes.Stopped, within about processes.GRACE_SECONDS, once `stop` is set.
    """
    folder.mkdir(parents=True)
    start = time.monotonic()
    try:
        run = _install_and_run(release, python, folder, stop)
    except Exception as error:  # a crash is a result, too, and ends no sweep
        if stop.is_set():
            raise
        run = replace(empty_run(python, {}), reason=f"{type(error).__name__}: {error}")
    finally:
        processes.end_all_in(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return replace(run, seconds=round(time.monotonic() - start))


def nothing_to_run() -> Run:
    """Return the result of a release that no variant serves."""
    return replace(empty_run("", {}), status=Status.NOT_RUN, reason="no variant serves it")


def empty_run(python: str, tested: Mapping[str, str]) -> Run:
    """Return an empty result, to be filled in."""
    today = datetime.date.today().isoformat()
    machine = f"{platform.system()} {platform.machine()}"
    return Run(python, Status.ERROR, "", today, None, machine, tested, {}, {})


def _install_and_run(release: Version, python: str, folder: Path, stop: threading.Event) -> Run:
    run = empty_run(python, fingerprints.of(release, python))
    log = folder / "install.log"
    try:
        made = environment.create(release, folder / f"otree{release}", python, log)
    except UserError:
        return replace(run, status=Status.NO_INSTALL, reason=_last_error(log))
    run = replace(run, installed=made.installed())
    first = attempt(run, made, folder / "first", stop)
    if first.status is Status.PASS:
        return with_help(first, notes.help_for(release))
    second = attempt(run, made, folder / "second", stop)
    return replace(with_help(second, notes.help_for(release)), earlier=(first.reason,))


def with_help(run: Run, help_: Help | None) -> Run:
    """Return a run as it counts: what passed with help is not a plain pass."""
    if run.status is not Status.PASS or help_ is None:
        return run
    return replace(run, status=Status.HELPED, reason=help_.line)


def attempt(
    run: Run, made: Environment, folder: Path, stop: threading.Event, tests: Sequence[str] = SUITE
) -> Run:
    """Run these tests once, and return `run` with the outcome."""
    folder.mkdir(parents=True)
    file, log = folder / "results.json", folder / "log"
    where = ["--results", str(file), "--basetemp", str(folder / "tmp"), "-p", "no:cacheprovider"]
    options = ["--environment", str(made.folder), "-q", "--maxfail", str(MAX_FAILURES)]
    with log.open("wb") as output:
        command = [sys.executable, "-m", "pytest", *tests, *where, *options]
        status = processes.run_with_limit(command, output, ROOT, stop, LIMIT_SECONDS)
    if status is None:
        return replace(run, reason=f"it did not end within {LIMIT_SECONDS:.0f} seconds")
    report = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if status not in (0, 1) or not report:
        return replace(run, reason=last_lines(log) or "pytest printed nothing")
    return replace(run, clauses=report["clauses"], **verdict(report["failures"]))


def verdict(failures: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the status and the reason of a run, from the exceptions that failed its tests.

    `failures` contains, by test, the `type` of the exception and its `message` in one line.
    """
    if not failures:
        return {"status": Status.PASS, "reason": ""}
    test, failure = next(iter(failures.items()))
    line = f"{failure['type']}: {failure['message']}"
    if failure["type"] == ServerDidNotStart.__name__:
        return {"status": Status.NO_START, "reason": line}
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    all_hung = all(failure["type"] == "Timeout" for failure in failures.values())
    return {
        "status": Status.ERROR if all_hung else Status.FAIL,
        "reason": f"{test.rsplit('::', 1)[-1]}: {line}{more}",
    }


def _last_error(log: Path) -> str:
    """Return the last error in pip's output: of the package's own code, or else pip's."""
    lines = [
        line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    for pattern in (r"^[\w.]+Error: ", "(?i)error"):
        if found := [line for line in lines if re.search(pattern, line)]:
            return found[-1]
    return last_lines(log)
