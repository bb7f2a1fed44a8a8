"""Run the suite under tox; report releases that were skipped."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence

from packaging.version import Version

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.matrix import releases, results, variants
from channelsmin.paths import ROOT
from channelsmin.runtime import interpreters
from channelsmin.runtime.processes import run_in_foreground
from channelsmin.testing import browser

PARALLEL = "2"
"""How many releases are tested at once, or else tests of one release; each keeps a server and a
browser busy."""


def default_environments() -> list[str]:
    """Return tox's default environments, as `tox list` names them."""
    command = [sys.executable, "-m", "tox", "list", "--no-desc", "-d"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return answer.stdout.split()


def release_of(name: str) -> Version | None:
    """Return the release that a tox environment tests, or None for `lint` and such."""
    match = re.fullmatch(r"otree(\d.*)", name)
    return releases.find(match[1]) if match else None


def run(wanted: Sequence[str]) -> None:
    """Test these releases (default: tox's default set).

    Raises UserError if a test fails. A release without an interpreter on this machine is named at
    the end; that is an error, too, if the release was asked for, or if CI is set in the
    environment.
    """
    browser.ensure()
    names = [f"otree{releases.find(text)}" for text in wanted] or default_environments()
    without = [name for name in names if not _has_interpreter(name)]
    runnable = [name for name in names if name not in without]
    status = 0
    if runnable:
        share = ["--", "--numprocesses", PARALLEL] if len(runnable) == 1 else []
        status = _tox("run-parallel", "--parallel", PARALLEL, "-e", ",".join(runnable), *share)
    for name in without:
        console.say(f"NOT TESTED: {name} (no Python {_pythons(name)} on this machine)")
    if status:
        raise UserError("some tests failed: see above")
    if without and (wanted or os.environ.get("CI")):
        raise UserError(
            f"not tested: {len(without)} of {len(names)}; install the Pythons named above"
        )


def run_trials(wanted: Sequence[str], count: int) -> None:
    """Run trials with injected faults on these releases (default: the newest of each variant).

    Each trial is recorded as it ends; a recorded one is not run again. Raises UserError if one
    fails.
    """
    trials = ["-v", "-k", "fault_injection", "--trials", str(count), "--record"]
    _one_by_one(
        {release: [*trials, str(results.path_of_trials(release))] for release in chosen(wanted)}
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
    default = [release for release in map(release_of, default_environments()) if release]
    return [max(filter(variant.serves, default)) for variant in variants.load_all()]


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
