"""The sweep: run the whole suite on many releases, and save each result as soon as it is known.

What was already tested with the same variant, suite and lock file is skipped: a sweep that was
interrupted, in whatever way, continues where it stopped.
"""

import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.matrix import releases, results, variants
from channelsmin.matrix.results import Run
from channelsmin.paths import ROOT
from channelsmin.runtime import interpreters, processes
from channelsmin.testing import browser, fingerprints, run_suite
from channelsmin.testing.pool import stoppable

RunRelease = Callable[[Version, str, Path, threading.Event], Run]

FOLDER = ROOT / ".sweep"
"""Where environments are created; the next sweep removes what a killed one left there."""


@dataclass(frozen=True)
class Job:
    """A release and the Python to run it on; "" if no variant serves the release."""

    release: Version
    python: str = ""

    def __str__(self) -> str:
        """Name it for a person."""
        return f"{self.release} on Python {self.python}" if self.python else str(self.release)

    def is_done(self, again: bool = False) -> bool:
        """Return whether a result exists for exactly what would be tested now.

        With `again`, only a pass counts.
        """
        tested = fingerprints.of(self.release, self.python) if self.python else {}
        return any(
            run.python == self.python and run.tested == tested and (run.status.is_pass or not again)
            for run in results.load(self.release)
        )


def chosen(specifier: str, shard: str) -> list[Version]:
    """Return the releases of a specifier, or one shard of them, the newest first.

    `specifier` is a specifier such as `>=2.0,<2.3`, a release, or "" for all releases; `shard` is
    `3/20` for the third of twenty parts, or "" for everything. Raises UserError for anything else.
    """
    try:
        wanted = SpecifierSet(specifier)
    except InvalidSpecifier:
        wanted = SpecifierSet(f"=={releases.find(specifier)}")
    found = [r for r in releases.known() if wanted.contains(r, prereleases=True)]
    part, _, parts = (shard or "1/1").partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise UserError(f"--shard {shard} is not a part of a whole, such as 3/20")
    return found[::-1][int(part) - 1 :: int(parts)]


def jobs(wanted: Sequence[Version]) -> list[Job]:
    """Return what there is to run: each release on its best Python, then on the others.

    Pre-releases, which fewer people use, come after final releases. Only Pythons that this machine
    has count; a release that has none here is left out.
    """
    first, others = list[Job](), list[Job]()
    for release in wanted:
        pythons = variants.pythons(release)
        here = [Job(release, python) for python in filter(interpreters.first, pythons)]
        first += here[:1] if pythons else [Job(release)]
        others += here[1:]
    return sorted(first, key=lambda job: job.release.is_prerelease) + others


def run(
    specifier: str,
    shard: str,
    at_once: int,
    again: bool,
    by: RunRelease = run_suite.run_release,
) -> None:
    """Test the releases of a specifier, `at_once` at a time, and save each result.

    Releases with a result are skipped; with `again`, only those that passed. Ctrl-C ends the
    sweep; what was not finished is tested the next time.
    """
    wanted = chosen(specifier, shard)
    all_jobs = jobs(wanted)
    for release in sorted(set(wanted) - {job.release for job in all_jobs}):
        pythons = " or ".join(variants.pythons(release))
        console.say(f"not tested here: {release} needs Python {pythons}")
    open_jobs = [job for job in all_jobs if not job.is_done(again)]
    console.say(f"{len(all_jobs) - len(open_jobs)} of {len(all_jobs)} are already tested")
    if open_jobs:
        browser.ensure()
        with _exclusively():
            _run_all(open_jobs, at_once, by)


@contextmanager
def _exclusively() -> Iterator[None]:
    """Lock FOLDER and clean up after a killed sweep."""
    if sys.platform == "win32":
        raise UserError("tests need the Windows Subsystem for Linux: run this command there")
    FOLDER.mkdir(exist_ok=True)
    try:
        mutex = FileLock(FOLDER / "lock").acquire(timeout=0)
    except Timeout:
        raise UserError("another sweep is running here: wait for it, or end it") from None
    with mutex:
        processes.end_all_in(FOLDER)
        for left in FOLDER.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
        yield


def _run_all(open_jobs: Sequence[Job], at_once: int, by: RunRelease) -> None:
    def one(job: Job, stop: threading.Event) -> Run:
        if not job.python:
            return run_suite.nothing_to_run()
        with console.quiet():
            return by(job.release, job.python, FOLDER / f"{job.release}-{job.python}", stop)

    with (
        console.progress("Testing", len(open_jobs)) as bar,
        stoppable(at_once) as (pool, stop),
    ):
        futures = {pool.submit(one, job, stop): job for job in open_jobs}
        for future in as_completed(futures):
            job, result = futures[future], future.result()
            results.save(job.release, result)
            bar.advance()
            bar.say(f"{job}: {' '.join([result.status.value, result.reason]).strip()}")
