"""Run the tests: see to a browser, run tox, and say what was not run."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import releases, variants
from channelsmin.paths import ROOT
from channelsmin.report import reliability
from channelsmin.runtime import environment
from channelsmin.testing import browser

Say = Callable[[str], None]

PARALLEL = "2"
"""How many releases are tested at once, or else tests of one; each keeps a server and a browser
busy."""


def default_environments() -> list[str]:
    """Return tox's default environments, as `tox list` tells them."""
    command = [sys.executable, "-m", "tox", "list", "--no-desc", "-d"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return answer.stdout.split()


def release_of(name: str) -> Version | None:
    """Return the release that a tox environment is named for, None for the linters' and such."""
    match = re.fullmatch(r"otree(\d.*)", name)
    return releases.find(match[1]) if match else None


def run(wanted: Sequence[str], say: Say) -> None:
    """Test the named releases, or else tox's default set.

    Raises UserError if a test fails. A release that this machine has no interpreter for is named
    at the end; it is a UserError too if it was asked for, or if CI is set in the environment.
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
        say(f"NOT TESTED: {name}, for want of Python {_pythons(name)}")
    if status:
        raise UserError("some tests failed: see above")
    if without and (wanted or os.environ.get("CI")):
        raise UserError(
            f"not tested: {len(without)} of {len(names)}; install the Pythons named above"
        )


def run_trials(wanted: Sequence[str], count: int) -> None:
    """Run trials under fire on the named releases, or else on the newest of each era.

    Each trial is recorded as it ends; one that is recorded is not run again. Raises UserError if
    one fails.
    """
    trials = ["-v", "-k", "under_fire", "--trials", str(count), "--record"]
    _one_by_one({r: [*trials, str(reliability.path_of_trials(r))] for r in chosen(wanted)})


def run_soak(wanted: Sequence[str], minutes: float) -> None:
    """Run a hundred sessions on the named releases, or else on the newest of each era.

    Raises UserError if a member is lost.
    """
    soak = ["tests/soak", "-s", "-k", "soak", "--timeout", "0", "--soak", str(minutes), "--record"]
    _one_by_one({r: [*soak, str(reliability.path_of_soak(r))] for r in chosen(wanted)})


def chosen(wanted: Sequence[str]) -> list[Version]:
    """Return the releases of these names, or else the newest of each era in the default set."""
    if wanted:
        return [releases.find(text) for text in wanted]
    default = [release for release in map(release_of, default_environments()) if release]
    return [max(filter(era.serves, default)) for era in variants.load_all()]


def _one_by_one(arguments: Mapping[Version, Sequence[str]]) -> None:
    """Run pytest on each release, with these arguments; raise UserError if it fails on one."""
    browser.ensure()
    failed = [str(r) for r, own in arguments.items() if _tox("run", "-e", f"otree{r}", "--", *own)]
    if failed:
        raise UserError(f"not all went well on {', '.join(failed)}: see above")


def _tox(*arguments: str) -> int:
    return run_to_its_end([sys.executable, "-m", "tox", *arguments])


def run_to_its_end(command: Sequence[str], variables: Mapping[str, str] | None = None) -> int:
    """Run a command that starts servers; return its status once it has ended, and they with it."""
    process = subprocess.Popen(command, cwd=ROOT, env=variables)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # it has heard it too, and ends its servers


def _pythons(name: str) -> str:
    release = release_of(name)
    return " or ".join(variants.pythons(release)) if release else ""


def _has_interpreter(name: str) -> bool:
    release = release_of(name)
    return release is None or bool(environment.interpreter(variants.serving(release), release))
