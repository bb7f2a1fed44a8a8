"""The table of docs/spec.md: what the suite has shown about each clause of the contract."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.version import Version

from channelsmin.matrix import lines, results, variants
from channelsmin.matrix.results import Run
from channelsmin.matrix.variants import Variant
from channelsmin.paths import ROOT
from channelsmin.report import markdown

SPEC = ROOT / "docs" / "spec.md"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a clause's tests on a release, on all Pythons together."""

    passed: int
    failed: int
    xfailed: Mapping[str, str]
    """The reason of each test that is expected to fail."""

    @classmethod
    def of(cls, runs: Iterable[Run], clause: str) -> "Outcome":
        """Add up these runs."""
        tests = [run.clauses[clause] for run in runs if clause in run.clauses]
        xfailed = {test: why for each in tests for test, why in each["xfailed"].items()}
        passed, failed = (sum(each[name] for each in tests) for name in ("passed", "failed"))
        return cls(passed, failed, xfailed)


def clauses() -> dict[str, str]:
    """Return the clauses of the contract with their texts, in its order."""
    text = SPEC.read_text(encoding="utf-8")
    return dict(re.findall(r"^- \*\*([A-Z]\d+)\*\* (.*)$", text, re.MULTILINE))


def clauses_tested_in(folder: str) -> set[str]:
    """Return the clauses with a test in `tests/contract`, or in `tests/tool`: without oTree."""
    files = (ROOT / "tests" / folder).rglob("test_*.py")
    texts = (file.read_text(encoding="utf-8") for file in files)
    return {name.upper() for text in texts for name in re.findall(r"def test_([a-z]\d+)_", text)}


def clauses_table() -> str:
    """Return the table of clauses and variants, with its notes, and which suite it is about."""
    outcomes, notes = by_variant()
    head = ("", *(f"`{variant.name}`" for variant in variants.load_all()))
    rows = [(clause, *cells) for clause, cells in outcomes.items()]
    numbered = "".join(f"{number}. {note}\n" for number, note in enumerate(notes, 1))
    return f"{lines.age(lines.load_all())}\n\n{markdown.table(head, rows)}\n{numbered}"


def by_variant() -> tuple[dict[str, list[str]], list[str]]:
    """Return the outcome of each clause on each variant, in words, and the notes to these words."""
    found, notes = results.load_all(), list[str]()
    outcomes = {
        clause: [_cell(clause, variant, found, notes) for variant in variants.load_all()]
        for clause in clauses()
    }
    return outcomes, notes


def _cell(
    clause: str, variant: Variant, found: Mapping[Version, Iterable[Run]], notes: list[str]
) -> str:
    served = {
        release: Outcome.of(runs, clause)
        for release, runs in found.items()
        if variant.serves(release)
    }
    shown = {release: outcome for release, outcome in served.items() if outcome != NOTHING}
    if not shown:
        return "passes" if clause in clauses_tested_in("tool") else "not run yet"
    failing = [release for release, outcome in shown.items() if outcome.failed]
    failure = f"fails on {lines.span(failing, list(shown))}" if failing else ""
    if len(failing) == len(shown):
        return failure
    marks = [
        _number(f"**{clause}**, {_where(where, variant, list(shown))}: {why} (`{test}`)", notes)
        for (test, why), where in _xfailed(shown).items()
    ]
    verdict = "in part" if any(outcome.passed for outcome in shown.values()) else "impossible"
    whole = " ".join([verdict, *(f"({mark})" for mark in marks)]) if marks else "passes"
    return ", but ".join(filter(None, [whole, failure]))


NOTHING = Outcome(0, 0, {})


def _xfailed(shown: Mapping[Version, Outcome]) -> dict[tuple[str, str], list[Version]]:
    """Return the releases on which a test is expected to fail, by the test and the reason."""
    found: dict[tuple[str, str], list[Version]] = {}
    for release, outcome in shown.items():
        for expected in outcome.xfailed.items():
            found.setdefault(expected, []).append(release)
    return found


def _where(some: list[Version], variant: Variant, among: list[Version]) -> str:
    return f"`{variant.name}`" if some == among else lines.span(some, among)


def _number(note: str, notes: list[str]) -> int:
    if note not in notes:
        notes.append(note)
    return notes.index(note) + 1
