"""What the suite has shown: of each clause, on each release, and in trials under fire."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from channelsmin import variants
from channelsmin.files import ROOT
from channelsmin.variants import Variant

RESULTS = ROOT / "matrix" / "results"
"""One file per release, as a whole run of the suite has written it (tests/recording.py)."""

TRIALS = ROOT / "matrix" / "trials"
"""One file per release, a line per trial, as tests/test_under_fire.py has written it."""

SOAK = ROOT / "matrix" / "soak"
"""One file per release, as tests/test_soak.py has written it."""

SPEC = ROOT / "docs" / "spec.md"


@dataclass(frozen=True)
class Result:
    """A whole run of the suite on one release."""

    release: Version
    clauses: Mapping[str, Mapping[str, Any]]


def collect() -> list[str]:
    """Copy the results of tox's last whole runs to `matrix/results`; return their releases."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    files = (ROOT / ".tox").glob("otree*/results.json")
    found = {file.parent.name.removeprefix("otree"): file for file in sorted(files)}
    for release, file in found.items():
        shutil.copyfile(file, RESULTS / f"{release}.json")
    return list(found)


def load() -> list[Result]:
    """Return all results, the oldest release first."""
    files = RESULTS.glob("*.json")
    found = (Result(Version(f.stem), json.loads(f.read_text())["clauses"]) for f in files)
    return sorted(found, key=lambda result: result.release)


def clauses() -> list[str]:
    """Return the clauses of the contract, in its order."""
    return re.findall(r"^- \*\*([A-Z]\d)\*\*", SPEC.read_text(encoding="utf-8"), re.MULTILINE)


def of_the_tooling() -> set[str]:
    """Return the clauses that need no release to be checked: they have tests in tests/tooling."""
    texts = (file.read_text() for file in (ROOT / "tests" / "tooling").glob("test_*.py"))
    return {name.upper() for text in texts for name in re.findall(r"def test_([a-z]\d)_", text)}


def clause_rows() -> str:
    """Return the table of clauses and eras in Markdown, with its notes."""
    eras, results, notes = variants.load_all(), load(), list[str]()
    lines = [
        "| | " + " | ".join(f"`{era.name}`" for era in eras) + " |",
        "| --- |" + " --- |" * len(eras),
    ]
    for clause in clauses():
        cells = [_cell(clause, era, results, notes) for era in eras]
        lines.append(f"| {clause} | " + " | ".join(cells) + " |")
    numbered = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return "\n".join([*lines, "", *numbered]) + "\n"


def _cell(clause: str, era: Variant, results: list[Result], notes: list[str]) -> str:
    runs = [result for result in results if era.serves(result.release)]
    shown = {run.release: run.clauses[clause] for run in runs if clause in run.clauses}
    if not shown:
        return "passes" if clause in of_the_tooling() else ""
    if broken := [str(release) for release, tests in shown.items() if tests["failed"]]:
        return f"fails on {', '.join(broken)}"
    marks = [
        _number(f"**{clause}**, {_span(releases, era, runs)}: {reason} (`{test}`)", notes)
        for (test, reason), releases in _impossible(shown).items()
    ]
    if not marks:
        return "passes"
    verdict = "in part" if any(tests["passed"] for tests in shown.values()) else "impossible"
    return " ".join([verdict, *(f"({mark})" for mark in marks)])


def _impossible(
    shown: Mapping[Version, Mapping[str, Any]],
) -> dict[tuple[str, str], list[Version]]:
    """Return the releases on which a test is expected to fail, by the test and the reason."""
    found: dict[tuple[str, str], list[Version]] = {}
    for release, tests in shown.items():
        for expected in tests["impossible"].items():
            found.setdefault(expected, []).append(release)
    return found


def _span(releases: list[Version], era: Variant, runs: list[Result]) -> str:
    if len(releases) == len(runs):
        return f"`{era.name}`"
    return ", ".join(map(str, releases))


def _number(note: str, notes: list[str]) -> int:
    if note not in notes:
        notes.append(note)
    return notes.index(note) + 1


def trials() -> dict[Version, list[dict[str, Any]]]:
    """Return all recorded trials, by release."""
    return {
        Version(file.stem): [json.loads(line) for line in file.read_text().splitlines()]
        for file in sorted(TRIALS.glob("*.jsonl"), key=lambda file: Version(file.stem))
    }


def trial_rows() -> str:
    """Return the tables of the trials in Markdown: by release, and by fault."""
    by_release = {str(release): tried for release, tried in trials().items()}
    by_fault: dict[str, list[dict[str, Any]]] = {}
    for tried in by_release.values():
        for trial in sorted(tried, key=lambda trial: int(trial["seed"])):
            by_fault.setdefault(trial["fault"], []).append(trial)
    return f"{_sums('oTree', by_release)}\n{_sums('fault', by_fault)}"


COLUMNS = {
    "members": "members",
    "moved": "moved",
    "late": "late",
    "skipped": "skipped",
    "wrong": "moved wrongly",
    "reloaded": "reloaded",
}
"""What is counted in a trial, and how the table calls it."""


def _sums(name: str, groups: Mapping[str, list[dict[str, Any]]]) -> str:
    lines = [
        f"| {name} | trials | {' | '.join(COLUMNS.values())} | slowest |",
        "| --- " * (len(COLUMNS) + 3) + "|",
    ]
    for group, tried in groups.items():
        sums = " | ".join(str(sum(trial[column] for trial in tried)) for column in COLUMNS)
        slowest = max(trial["arrival"] for trial in tried)
        lines.append(f"| {group} | {len(tried)} | {sums} | {slowest:.1f} s |")
    return "\n".join(lines) + "\n"


def soak_rows() -> str:
    """Return the table of the soak runs, in Markdown."""
    lines = [
        "| oTree | date | minutes | sessions | members | moved | lost | reloaded "
        "| came back after the click | memory at start, middle, end | open files |",
        "| --- " * 11 + "|",
    ]
    for file in sorted(SOAK.glob("*.json"), key=lambda file: Version(file.stem)):
        run = json.loads(file.read_text())
        memory = ", ".join(f"{size['megabytes']:.0f}" for size in run["sizes"])
        files = ", ".join(str(size["descriptors"]) for size in run["sizes"])
        lost = run["members"] - run["moved"]
        lines.append(
            f"| {file.stem} | {run['date']} | {run['minutes']} | {run['sessions']} "
            f"| {run['members']} | {run['moved']} | {lost} | {run['reloaded']} "
            f"| {run['came_back_late']} | {memory} MB | {files} |"
        )
    return "\n".join(lines) + "\n"


def path_of_trials(release: Version) -> Path:
    """Return the file that a release's trials are recorded in."""
    return _in(TRIALS, f"{release}.jsonl")


def path_of_soak(release: Version) -> Path:
    """Return the file that a release's soak run is recorded in."""
    return _in(SOAK, f"{release}.json")


def _in(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name
