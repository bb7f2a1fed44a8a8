"""The tables of what was shown: clauses by era, and trials."""

import json
from pathlib import Path

import pytest

from channelsmin import results

RUN = {"passed": 2, "failed": 0, "impossible": {}}


def written(folder: Path, **runs: dict[str, object]) -> None:
    for release, clause in runs.items():
        notes = {"date": "2026-11-22", "clauses": {"A1": clause}}
        (folder / f"{release.replace('_', '.')}.json").write_text(json.dumps(notes))


def row(clause: str) -> list[str]:
    lines = results.clause_rows().splitlines()
    (line,) = [line for line in lines if line.startswith(f"| {clause} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    return tmp_path


def test_a_cell_says_what_was_shown_of_a_clause_in_an_era(folder: Path) -> None:
    partly = {"passed": 1, "failed": 0, "impossible": {"test_a1_x": "it cannot"}}
    never = {**partly, "passed": 0}
    failed = {**RUN, "failed": 1}
    written(folder, **{"2_0_0": RUN, "2_3_33": partly, "2_4_5": RUN, "3_4_0": never})
    assert row("A1") == ["passes", "in part (1)", "impossible (2)", ""]
    text = results.clause_rows()
    assert "1. **A1**, 2.3.33: it cannot (`test_a1_x`)" in text
    assert "2. **A1**, `otree-2.6`: it cannot (`test_a1_x`)" in text
    written(folder, **{"2_2_4": failed})
    assert row("A1")[0] == "fails on 2.2.4"


def test_no_clause_of_the_contract_is_without_a_result() -> None:
    for clause in results.clauses():
        cells = row(clause)
        assert all(cells), (clause, cells)
        assert not [cell for cell in cells if cell.startswith("fails")], (clause, cells)


def test_the_trials_are_summed_by_release_and_by_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(results, "TRIALS", tmp_path)
    counts = {"members": 3, "moved": 3, "late": 0, "skipped": 0, "wrong": 0, "reloaded": 1}
    lines = [
        json.dumps({"seed": seed, "fault": fault, "arrival": seed + 0.5, **counts})
        for seed, fault in enumerate(["cut", "kill", "cut"])
    ]
    (tmp_path / "2.2.4.jsonl").write_text("\n".join(lines))
    text = results.trial_rows()
    assert "| 2.2.4 | 3 | 9 | 9 | 0 | 0 | 0 | 3 | 2.5 s |" in text
    assert "| cut | 2 | 6 | 6 | 0 | 0 | 0 | 2 | 2.5 s |" in text
