"""One release on one Python: install it, run the suite on it, and say what came of it."""

import datetime
import json
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import variants
from channelsmin.matrix.results import Run, Status
from channelsmin.paths import ROOT, last_lines
from channelsmin.runtime import environment
from channelsmin.runtime.environment import Environment
from channelsmin.testing import fingerprints

LIMIT = 1500.0
"""Seconds after which a run counts as hung: about ten times what one takes."""

GRACE = 30.0
"""Seconds in which a run that is told to end may end its servers."""

HOPELESS = 15
"""So many failed tests end a run: on a server that never answers each takes a minute."""


SUITE = ("tests/contract",)
"""What pytest is to run, as in tox.ini."""


class Stopped(Exception):
    """The run was ended from outside: nothing is known."""


def measure(release: Version, python: str, folder: Path, stop: threading.Event) -> Run:
    """Return what comes of the suite on a release; a run that does not pass is repeated once.

    Works in `folder`, which is removed at the end, and ends whatever still runs there. Raises
    Stopped, within about GRACE seconds, once `stop` is set.
    """
    folder.mkdir(parents=True)
    start = time.monotonic()
    try:
        run = _measure(release, python, folder, stop)
    except Exception as error:  # a crash is a result, too, and ends no sweep
        if stop.is_set():
            raise
        run = replace(blank(python, {}), reason=f"{type(error).__name__}: {error}")
    finally:
        end_all_in(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return replace(run, seconds=round(time.monotonic() - start))


def nothing_to_run() -> Run:
    """Return the result of a release that no variant serves."""
    return replace(blank("", {}), status=Status.NOT_RUN, reason="no variant serves it")


def blank(python: str, tested: dict[str, str]) -> Run:
    """Return a run that has come to nothing yet."""
    today = datetime.date.today().isoformat()
    machine = f"{platform.system()} {platform.machine()}"
    return Run(python, Status.ERROR, "", today, None, machine, tested, {}, {})


def _measure(release: Version, python: str, folder: Path, stop: threading.Event) -> Run:
    variant = variants.serving(release)
    run = blank(python, fingerprints.of(variant, release, python))
    log = folder / "log"
    try:
        with log.open("wb") as output:
            made = environment.create(variant, release, folder / f"otree{release}", python, output)
    except UserError:
        return replace(run, status=Status.NO_INSTALL, reason=_last_complaint(log))
    run = replace(run, installed=made.installed())
    first = attempt(run, made, folder / "first", stop)
    if first.status is Status.PASS:
        return first
    second = attempt(run, made, folder / "second", stop)
    return replace(second, earlier=(first.reason,))


def attempt(
    run: Run, made: Environment, folder: Path, stop: threading.Event, tests: Sequence[str] = SUITE
) -> Run:
    """Return `run` with what comes of running the suite once, or just these tests of it."""
    folder.mkdir(parents=True)
    file, log = folder / "results.json", folder / "log"
    where = ["--results", str(file), "--basetemp", str(folder / "tmp"), "-p", "no:cacheprovider"]
    options = ["--environment", str(made.folder), "-q", "--maxfail", str(HOPELESS)]
    with log.open("wb") as output:
        command = [sys.executable, "-m", "pytest", *tests, *where, *options]
        status = run_to_its_end(command, output.fileno(), stop)
    if status is None:
        return replace(run, reason=f"it did not end within {LIMIT:.0f} seconds")
    notes = json.loads(file.read_text()) if file.exists() else {}
    if status not in (0, 1) or not notes:
        return replace(run, reason=last_lines(log) or "it said nothing")
    return replace(run, clauses=notes["clauses"], **verdict(notes["reasons"]))


def verdict(reasons: dict[str, str]) -> dict[str, Any]:
    """Return the status and the reason of a whole run, from why each of its tests failed."""
    if not reasons:
        return {"status": Status.PASS, "reason": ""}
    test, why = next(iter(reasons.items()))
    named = f"{test.rsplit('::', 1)[-1]}: {why}" + (
        f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    )
    if "the server did not start" in why:
        return {"status": Status.NO_START, "reason": why}
    hung = all("from pytest-timeout" in its for its in reasons.values())
    return {"status": Status.ERROR if hung else Status.FAIL, "reason": named}


def run_to_its_end(command: list[str], output: int, stop: threading.Event) -> int | None:
    """Run a command; return its status, or None where it had to be ended after LIMIT seconds.

    Raises Stopped, when it has ended the command, once `stop` is set.
    """
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline and not stop.is_set():
        with suppress(subprocess.TimeoutExpired):
            return process.wait(0.2)
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    process.kill()
    process.wait()
    if stop.is_set():
        raise Stopped
    return None


def end_all_in(folder: Path) -> None:
    """End every process whose command line names the folder, gently first."""
    for number in (signal.SIGINT, signal.SIGKILL):
        found = [process for process in psutil.process_iter() if _is_in(folder, process)]
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        psutil.wait_procs(found, GRACE)


def _is_in(folder: Path, process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any(f"{folder}/" in argument for argument in process.cmdline())
    return False


def _last_complaint(log: Path) -> str:
    """Return the last error that pip tells of: of the package's own code, or else pip's."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    for pattern in (r"^[\w.]+Error: ", "(?i)error"):
        if found := [line for line in lines if re.search(pattern, line)]:
            return found[-1]
    return last_lines(log)
