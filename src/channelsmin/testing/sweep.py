"""The sweep: the whole suite on release after release, each result kept as soon as it is there.

What was measured with the same variant, suite and lock is not measured again, so that a sweep
that was ended, however, goes on where it stopped.
"""

import fcntl
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version
from tqdm import tqdm

from channelsmin.errors import UserError
from channelsmin.matrix import releases, results, variants
from channelsmin.matrix.results import Run, Status
from channelsmin.paths import ROOT
from channelsmin.runtime import environment
from channelsmin.testing import browser, fingerprints, run_suite

Measure = Callable[[Version, str, Path, threading.Event], Run]

FOLDER = ROOT / ".sweep"
"""Where environments are made; what a killed sweep has left there is removed by the next."""


@dataclass(frozen=True)
class Job:
    """A release, and the Python to run it on; none where no variant serves the release."""

    release: Version
    python: str = ""

    def __str__(self) -> str:
        """Name it as a person would."""
        return f"{self.release} on Python {self.python}" if self.python else str(self.release)

    def is_done(self, again: bool = False) -> bool:
        """Say whether there is a result for just what would be tested now; with `again`, a pass."""
        variant = variants.find(self.release)
        tested = fingerprints.of(variant, self.release, self.python) if variant else {}
        return any(
            run.python == self.python
            and run.tested == tested
            and (run.status is Status.PASS or not again)
            for run in results.load(self.release)
        )


def chosen(specifier: str, shard: str) -> list[Version]:
    """Return the releases of a specifier, or of a part of it, the newest first.

    `specifier` is such as `>=2.0,<2.3`, a release, or empty for all; `shard` is `3/20` for the
    third of twenty parts, or empty for the whole. Raises UserError for what is neither.
    """
    try:
        wanted = SpecifierSet(specifier)
    except InvalidSpecifier:
        wanted = SpecifierSet(f"=={releases.find(specifier)}")
    found = [r for r in releases.known() if wanted.contains(r, prereleases=True)]
    part, _, parts = (shard or "1/1").partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise UserError(f"--shard {shard}: say which part of how many, such as 3/20")
    return found[::-1][int(part) - 1 :: int(parts)]


def jobs(wanted: Sequence[Version]) -> list[Job]:
    """Return what there is to run: each release on its best Python, then on the others.

    Pre-releases, which fewer people have, come after the others. Of the Pythons that this
    machine has; a release that has none here is left out.
    """
    first, others = list[Job](), list[Job]()
    for release in wanted:
        pythons = variants.pythons(release)
        here = [Job(release, python) for python in filter(environment.first_interpreter, pythons)]
        first += here[:1] if pythons else [Job(release)]
        others += here[1:]
    return sorted(first, key=lambda job: job.release.is_prerelease) + others


def run(
    specifier: str,
    shard: str,
    at_once: int,
    again: bool,
    say: Callable[[str], None],
    by: Measure = run_suite.measure,
) -> None:
    """Measure the releases of a specifier, `at_once` at a time, and keep each result.

    What has its result already is passed over; with `again`, only if that is a pass. Ctrl-C
    ends it; what was not finished is measured the next time.
    """
    wanted = chosen(specifier, shard)
    all_jobs = jobs(wanted)
    for release in sorted(set(wanted) - {job.release for job in all_jobs}):
        pythons = " or ".join(variants.pythons(release))
        say(f"not measured here: {release} needs Python {pythons}")
    open_jobs = [job for job in all_jobs if not job.is_done(again)]
    say(f"{len(all_jobs) - len(open_jobs)} of {len(all_jobs)} are measured already")
    if open_jobs:
        browser.ensure()
        with _alone():
            _measure_all(open_jobs, at_once, say, by)


@contextmanager
def _alone() -> Iterator[None]:
    """Have FOLDER to oneself, without what a killed sweep has left there, running or not."""
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError("another sweep is at work here: wait for it, or end it first") from None
        run_suite.end_all_in(FOLDER)
        for left in FOLDER.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
        yield


def _measure_all(
    open_jobs: Sequence[Job], at_once: int, say: Callable[[str], None], by: Measure
) -> None:
    stop = threading.Event()

    def one(job: Job) -> Run:
        if not job.python:
            return run_suite.nothing_to_run()
        return by(job.release, job.python, FOLDER / f"{job.release}-{job.python}", stop)

    with (
        ThreadPoolExecutor(at_once) as pool,
        tqdm(total=len(open_jobs), unit="run", smoothing=0) as bar,
    ):
        futures = {pool.submit(one, job): job for job in open_jobs}
        try:
            for future in as_completed(futures):
                job, result = futures[future], future.result()
                results.save(job.release, result)
                bar.update()
                bar.clear()
                say(f"{job}: {' '.join([result.status.value, result.reason]).strip()}")
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
