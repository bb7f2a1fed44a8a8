"""Results of the test suite, per release: `matrix/results/<release>.json`.

`channelsmin sweep` writes them, one file per release, so that results from several machines never
conflict. `matrix/result.schema.json` describes a file. The records of trials, soak tests and
benchmarks are next to them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import notes
from channelsmin.matrix.help import Help
from channelsmin.paths import ROOT, write_atomically

RESULTS = ROOT / "matrix" / "results"

TRIALS = ROOT / "matrix" / "trials"
"""One file per release, one line per trial (tests/contract/test_fault_injection.py)."""

SOAK = ROOT / "matrix" / "soak"
"""One file per release (tests/soak/test_soak.py)."""

BENCHMARKS = ROOT / "matrix" / "benchmarks"
"""One file per release (`python -m benchmarks`)."""

BOUNDARIES = ROOT / "matrix" / "boundaries.json"
"""What each variant does on releases outside its range (testing/boundaries.py)."""


MUTANTS = ROOT / "matrix" / "mutants.json"
"""Which tests found each planted fault (testing/mutants.py)."""


class Status(str, Enum):
    """How a run ended; there are no other ways."""

    PASS = "pass"
    HELPED = "pass with help"
    FAIL = "fail"
    ERROR = "error"
    NO_START = "no-start"
    NO_INSTALL = "no-install"
    NOT_RUN = "not-run"

    @property
    def is_pass(self) -> bool:
        """Whether every test passed, with help or without."""
        return self in (Status.PASS, Status.HELPED)


MEANING: Mapping[Status, str] = {
    Status.PASS: "every test passed, or failed as the variant expects",
    Status.HELPED: "every test passed on the release with the help that its note names",
    Status.FAIL: "a test failed",
    Status.ERROR: "the run hung or crashed",
    Status.NO_START: "oTree's server does not start",
    Status.NO_INSTALL: "pip can't install the release",
    Status.NOT_RUN: "no variant serves the release",
}
"""Each status in words."""


@dataclass(frozen=True)
class Run:
    """A run of the whole suite on one release and one Python ("" if nothing was run).

    `reason` tells why it did not pass, or else the help that it had. `tested` contains the
    fingerprints of what was tested (testing/fingerprints.py), `installed` the version of each
    package, `clauses` the outcome of each clause. `earlier` contains the reasons why earlier
    attempts did not pass: a failing run is repeated once. Runs before 2026-11-23 have neither
    fingerprints nor installed versions.
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
    """Add a run to its release's file; it replaces an earlier run on the same Python.

    A `not-run` entry is dropped once a real run exists.
    """
    runs = {known.python: known for known in load(release) if known.python} | {run.python: run}
    rows = [asdict(runs[python]) for python in sorted(runs, key=lambda text: Version(text or "0"))]
    text = json.dumps({"release": str(release), "runs": rows}, indent=1)
    write_atomically(RESULTS / f"{release}.json", f"{text}\n")


def trials() -> dict[tuple[Version, str], list[dict[str, Any]]]:
    """Return all recorded trials, by release and browser."""
    files = {(Version(file.stem), file.parent.name): file for file in TRIALS.glob("*/*.jsonl")}
    return {
        tried: [json.loads(line) for line in files[tried].read_text(encoding="utf-8").splitlines()]
        for tried in sorted(files)
    }


def soak_runs() -> dict[Version, dict[str, Any]]:
    """Return the last soak test of each release that has one, the oldest release first."""
    return _records_in(SOAK)


def benchmarks() -> dict[Version, dict[str, Any]]:
    """Return the benchmarks of each release that has any, the oldest release first."""
    return _records_in(BENCHMARKS)


def boundaries() -> list[dict[str, Any]]:
    """Return how each variant ended on each release outside its range that was tried."""
    rows: list[dict[str, Any]] = json.loads(BOUNDARIES.read_text(encoding="utf-8"))
    return rows


@dataclass(frozen=True)
class Planted:
    """A mutant that was planted in a variant, and the tests that found it, on this release.

    `tested` contains the fingerprints of the suite, the variant and the mutant. A mutant that no
    test found survived.
    """

    variant: str
    release: str
    mutant: str
    killed_by: tuple[str, ...]
    tested: Mapping[str, str]


def mutants() -> list[Planted]:
    """Return all mutants that were tried."""
    if not MUTANTS.exists():
        return []
    rows = json.loads(MUTANTS.read_text(encoding="utf-8"))
    return [Planted(**{**row, "killed_by": tuple(row["killed_by"])}) for row in rows]


def save_mutant(planted: Planted) -> None:
    """Add a mutant that was tried; it replaces an earlier trial of it on the same release."""
    key = (planted.release, planted.mutant)
    kept = [known for known in mutants() if (known.release, known.mutant) != key]
    rows = sorted([*kept, planted], key=lambda row: (Version(row.release), row.mutant))
    text = json.dumps([asdict(row) for row in rows], indent=1)
    write_atomically(MUTANTS, f"{text}\n")


def _records_in(folder: Path) -> dict[Version, dict[str, Any]]:
    files = {Version(file.stem): file for file in folder.glob("*.json")}
    return {
        release: json.loads(files[release].read_text(encoding="utf-8")) for release in sorted(files)
    }


def path_of_trials(release: Version, browser: str) -> Path:
    """Return the file in which a release's trials in this browser are recorded."""
    return _in(TRIALS / browser, f"{release}.jsonl")


def path_of_soak(release: Version) -> Path:
    """Return the file in which a release's soak test is recorded."""
    return _in(SOAK, f"{release}.json")


def path_of_benchmarks(release: Version) -> Path:
    """Return the file in which a release's benchmarks are recorded."""
    return _in(BENCHMARKS, f"{release}.json")


def _in(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def check() -> None:
    """Raise UserError if a failing result has no note, or a passing one has a note."""
    wrong = list(unexplained(load_all()))
    if wrong:
        raise UserError(f"{'; '.join(wrong)}: see matrix/notes.toml")


def unexplained(found: Mapping[Version, Iterable[Run]]) -> Iterable[str]:
    """Yield each failing run without a note, and each passing run with a note."""
    for release, runs in found.items():
        for run in runs:
            if why := _unexplained(run, notes.known_failures(release), notes.help_for(release)):
                where = f" on Python {run.python}" if run.python else ""
                yield f"{release}{where} {why}"


def _unexplained(run: Run, failures: Mapping[str, str], help_: Help | None) -> str:
    """Return what the notes lack about a run, "" if nothing.

    A run before a release's help was known ended as the help's `status` says.
    """
    is_helped = "help" in run.tested
    if run.status is Status.PASS and (failures or help_):
        return "passes, but a note says that it fails"
    if run.status is Status.HELPED and not (help_ and is_helped):
        return "passes with help, and no note says which"
    before_help = help_ is not None and not is_helped and run.status.value == help_.status
    if run.status.is_pass or before_help or run.status.value in failures:
        return ""
    return f"ended with {run.status.value}, and no note says why ({run.reason})"
