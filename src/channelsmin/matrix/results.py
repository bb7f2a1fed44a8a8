"""What the suite has shown on each release: `matrix/results/<release>.json`.

Written by `channelsmin sweep` alone, one file per release, so that the results of several
machines merge by lying side by side. matrix/result.schema.json says what a file holds.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import notes
from channelsmin.paths import ROOT, write

RESULTS = ROOT / "matrix" / "results"


class Status(str, Enum):
    """What came of a run; there are no others."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    NO_START = "no-start"
    NO_INSTALL = "no-install"
    NOT_RUN = "not-run"


MEANING: Mapping[Status, str] = {
    Status.PASS: "every test passed, or failed as the variant's deviations say",
    Status.FAIL: "a test failed",
    Status.ERROR: "the run hung, or broke down itself",
    Status.NO_START: "oTree's server does not start",
    Status.NO_INSTALL: "pip can't install the release",
    Status.NOT_RUN: "no variant serves the release",
}
"""Each status in words."""


@dataclass(frozen=True)
class Run:
    """A whole run of the suite on one release and one Python (empty where there was none).

    `tested` holds the fingerprints of what was tested (fingerprints.py), `installed` the version
    of each package, `clauses` what became of each clause. `earlier` has the reasons for which
    earlier attempts did not pass: a run that fails is repeated once. Of runs before 2026-11-23
    what was installed is not known, nor the fingerprints.
    """

    python: str
    status: Status
    reason: str
    date: str
    seconds: int | None
    machine: str
    tested: Mapping[str, str]
    installed: Mapping[str, str]
    clauses: Mapping[str, Mapping[str, Any]]
    earlier: tuple[str, ...] = ()


def load(release: Version) -> tuple[Run, ...]:
    """Return the last run of a release on each Python, or none."""
    file = RESULTS / f"{release}.json"
    if not file.exists():
        return ()
    runs = json.loads(file.read_text(encoding="utf-8"))["runs"]
    return tuple(
        Run(**{**run, "status": Status(run["status"]), "earlier": tuple(run["earlier"])})
        for run in runs
    )


def load_all() -> dict[Version, tuple[Run, ...]]:
    """Return the runs of all releases that have any, the oldest release first."""
    found = sorted(Version(file.stem) for file in RESULTS.glob("*.json"))
    return {release: load(release) for release in found}


def save(release: Version, run: Run) -> None:
    """Add a run to its release's file, in the place of an earlier one on the same Python.

    That there was no variant to run is forgotten.
    """
    runs = {its.python: its for its in load(release) if its.python} | {run.python: run}
    rows = [asdict(runs[python]) for python in sorted(runs, key=lambda its: Version(its or "0"))]
    text = json.dumps({"release": str(release), "runs": rows}, indent=1)
    write(RESULTS / f"{release}.json", f"{text}\n")


def check() -> None:
    """Raise UserError if a result is not explained, or explained and not so."""
    wrong = list(unexplained(load_all()))
    if wrong:
        raise UserError(f"{'; '.join(wrong)}: see matrix/notes.toml")


def unexplained(found: Mapping[Version, Iterable[Run]]) -> Iterable[str]:
    """Yield each run that did not pass and has no note, and each note about one that passes."""
    for release, runs in found.items():
        explained = notes.not_passing(release)
        for run in runs:
            on = f"{release} on Python {run.python}" if run.python else str(release)
            if run.status is Status.PASS and explained:
                yield f"{on} passes, and a note says that it doesn't"
            elif run.status is not Status.PASS and run.status not in explained:
                yield f"{on}: {run.status.value}, and no note says why ({run.reason})"
