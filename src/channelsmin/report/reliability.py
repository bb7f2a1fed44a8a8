"""What trials under fire and soak runs have shown: the tables in docs/reliability.md."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.version import Version

from channelsmin.paths import ROOT

DOCUMENT = ROOT / "docs" / "reliability.md"

TRIALS = ROOT / "matrix" / "trials"
"""One file per release, a line per trial, as tests/contract/test_under_fire.py has written it."""

SOAK = ROOT / "matrix" / "soak"
"""One file per release, as tests/soak/test_soak.py has written it."""


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
