"""The tables of trials with injected faults."""

import json
from pathlib import Path

import pytest

from channelsmin.matrix import results
from channelsmin.matrix.results import Planted
from channelsmin.report import reliability


def test_the_trials_are_summed_by_release_and_by_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(results, "TRIALS", tmp_path)
    counts = {"members": 3, "moved": 3, "late": 0, "skipped": 0, "wrong": 0, "reloaded": 1}
    lines = [
        json.dumps({"seed": seed, "fault": fault, "arrival": seed + 0.5, **counts})
        for seed, fault in enumerate(["cut", "kill", "cut"])
    ]
    (tmp_path / "firefox").mkdir()
    (tmp_path / "firefox" / "2.2.4.jsonl").write_text("\n".join(lines))
    text = reliability.trial_tables()
    assert "| 2.2.4 | Firefox | 3 | 9 | 9 | 0 | 0 | 0 | 3 | 2.5 s |" in text
    assert "| cut | 2 | 6 | 6 | 0 | 0 | 0 | 2 | 2.5 s |" in text


def test_each_planted_fault_has_a_row_with_the_tests_that_found_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(results, "MUTANTS", tmp_path / "mutants.json")
    results.save_mutant(Planted("otree-2.3", "2.5.8", "no jitter", ("test_r5_x",), {}))
    results.save_mutant(Planted("otree-2.6", "3.4.0", "no jitter", (), {}))
    row = reliability.mutants_table().splitlines()[-1]
    assert row == "| no jitter |  |  | `test_r5_x` | **survives** |  |  |"
