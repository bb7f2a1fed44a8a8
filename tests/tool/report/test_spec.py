"""The table of clauses and variants."""

from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from channelsmin.matrix import results
from channelsmin.matrix.results import Run, Status
from channelsmin.report import spec

PASSED = {"passed": 2, "failed": 0, "xfailed": {}}


def save(release: str, tests: dict[str, Any], python: str = "3.7") -> None:
    run = Run(python, Status.PASS, "", "2026-11-23", 100, "Linux", {}, {}, {"A1": tests})
    results.save(Version(release), run)


def row(clause: str) -> list[str]:
    lines = spec.clauses_table().splitlines()
    (line,) = [line for line in lines if line.startswith(f"| {clause} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_a_cell_says_what_was_shown_of_a_clause_in_an_era(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    partly = {"passed": 1, "failed": 0, "xfailed": {"test_a1_x": "it cannot"}}
    save("2.0.0", PASSED)
    save("2.3.33", partly)
    save("2.4.5", PASSED)
    save("3.4.0", {**partly, "passed": 0})
    no = "not run yet"
    assert row("A1") == [no, "passes", "in part (1)", "impossible (2)", no, no]
    text = spec.clauses_table()
    assert "1. **A1**, 2.3.33: it cannot (`test_a1_x`)" in text
    assert "2. **A1**, `otree-2.6`: it cannot (`test_a1_x`)" in text
    save("2.0.0", {**PASSED, "failed": 1}, python="3.6")
    assert row("A1")[1] == "fails on 2.0.0"
    save("2.4.5", {**PASSED, "failed": 1})
    assert row("A1")[2] == "in part (1), but fails on 2.4.5"


def test_no_clause_of_the_contract_is_without_a_test_or_fails() -> None:
    tested = spec.clauses_tested_in("contract") | spec.clauses_tested_in("tool")
    assert set(spec.clauses()) <= tested
    for clause in spec.clauses():
        cells = row(clause)
        assert not [cell for cell in cells if cell.startswith("fails")], (clause, cells)
