"""What the suite has shown of each clause of the contract: the table in docs/spec.md."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.version import Version

from channelsmin.matrix import releases, results, variants
from channelsmin.matrix.results import Run
from channelsmin.matrix.variants import Variant
from channelsmin.paths import ROOT

SPEC = ROOT / "docs" / "spec.md"


@dataclass(frozen=True)
class Shown:
    """What became of a clause on a release: of its tests, on all Pythons together."""

    passed: int
    failed: int
    impossible: Mapping[str, str]
    """The reason of each test that is expected to fail."""

    @classmethod
    def by(cls, runs: Iterable[Run], clause: str) -> "Shown":
        """Return what these runs have shown."""
        tests = [run.clauses[clause] for run in runs if clause in run.clauses]
        expected = {test: why for its in tests for test, why in its["impossible"].items()}
        passed, failed = (sum(its[name] for its in tests) for name in ("passed", "failed"))
        return cls(passed, failed, expected)


def clauses() -> list[str]:
    """Return the clauses of the contract, in its order."""
    return re.findall(r"^- \*\*([A-Z]\d)\*\*", SPEC.read_text(encoding="utf-8"), re.MULTILINE)


def of_the_tooling() -> set[str]:
    """Return the clauses that need no release to be checked: they have tests in tests/tool."""
    texts = (file.read_text() for file in (ROOT / "tests" / "tool").rglob("test_*.py"))
    return {name.upper() for text in texts for name in re.findall(r"def test_([a-z]\d)_", text)}


def rows() -> str:
    """Return the table of clauses and eras in Markdown, with its notes."""
    eras, found, notes = variants.load_all(), results.load_all(), list[str]()
    lines = [
        "| | " + " | ".join(f"`{era.name}`" for era in eras) + " |",
        "| --- |" + " --- |" * len(eras),
    ]
    for clause in clauses():
        cells = [_cell(clause, era, found, notes) for era in eras]
        lines.append(f"| {clause} | " + " | ".join(cells) + " |")
    numbered = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return "\n".join([*lines, "", *numbered]) + "\n"


def _cell(
    clause: str, era: Variant, found: Mapping[Version, Iterable[Run]], notes: list[str]
) -> str:
    served = {
        release: Shown.by(runs, clause) for release, runs in found.items() if era.serves(release)
    }
    shown = {release: tests for release, tests in served.items() if tests != Shown(0, 0, {})}
    if not shown:
        return "passes" if clause in of_the_tooling() else ""
    broken = [release for release, tests in shown.items() if tests.failed]
    failure = f"fails on {releases.span(broken, list(shown))}" if broken else ""
    if len(broken) == len(shown):
        return failure
    marks = [
        _number(f"**{clause}**, {_where(its, era, list(shown))}: {why} (`{test}`)", notes)
        for (test, why), its in _impossible(shown).items()
    ]
    verdict = "in part" if any(tests.passed for tests in shown.values()) else "impossible"
    whole = " ".join([verdict, *(f"({mark})" for mark in marks)]) if marks else "passes"
    return ", but ".join(filter(None, [whole, failure]))


def _impossible(shown: Mapping[Version, Shown]) -> dict[tuple[str, str], list[Version]]:
    """Return the releases on which a test is expected to fail, by the test and the reason."""
    found: dict[tuple[str, str], list[Version]] = {}
    for release, tests in shown.items():
        for expected in tests.impossible.items():
            found.setdefault(expected, []).append(release)
    return found


def _where(its: list[Version], era: Variant, run: list[Version]) -> str:
    return f"`{era.name}`" if its == run else releases.span(its, run)


def _number(note: str, notes: list[str]) -> int:
    if note not in notes:
        notes.append(note)
    return notes.index(note) + 1
