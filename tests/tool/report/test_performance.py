"""The tables and the plot of the benchmarks."""

import json
from pathlib import Path
from typing import Any

import pytest

from channelsmin.errors import UserError
from channelsmin.matrix import results
from channelsmin.report import performance

TIMES = {"n": 30, "p50": 4.25, "p99": 1234.5}
SUMMARY = {
    "clicks": 30,
    **dict.fromkeys(("first", "median", "last", "connect", "late"), TIMES),
    "lost": 0,
    "unanswered": 0,
    "cpu_seconds_per_1000_clicks": 12.34,
}
COUNT = {"statements": {"BEGIN": 1, "SELECT": 2, "UPDATE": 1}, "messages": 4, "bytes": 1234}
COUNTS = {**dict.fromkeys(performance.EVENTS, COUNT), "kilobytes_per_idle_connection": 45.6}
WHERE: dict[str, Any] = {
    "date": "2026-11-22",
    "versions": {"python": "3.7.16"},
    "server": "devserver",
    "machine": {"system": "Linux", "processor": "one", "cores": 2},
}
SLOW = {**TIMES, "p50": 8.5}
DESIGN = {
    **dict.fromkeys(("first", "median", "last"), TIMES),
    "arrivals": 6000,
    "lost": 0,
    "error_pages": 7,
    "retries": 1,
}
FELT = {"variant": DESIGN, "original": {**DESIGN, "last": SLOW}}
RESULT: dict[str, Any] = {
    **WHERE,
    "felt": {**WHERE, "simulated": {"30": {"floor": 4.25, **FELT}}, "tabs": {"3": FELT}},
    "times": {
        "3": {"baseline": SUMMARY, "variant": SUMMARY, "ratios": {"variant": {"baseline": 1.5}}},
        "100": {"baseline": SUMMARY, "variant": SUMMARY, "ratios": {"variant": {"baseline": 2}}},
    },
    "counts": {"members": 100, "baseline": COUNTS, "variant": COUNTS},
}


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(results, "BENCHMARKS", tmp_path)
    monkeypatch.setattr(performance, "PLOT", tmp_path / "plot.svg")
    monkeypatch.setattr(performance, "FELT_PLOT", tmp_path / "felt.svg")
    for release in "2.10.0", "2.2.4":
        (tmp_path / f"{release}.json").write_text(json.dumps(RESULT))
    return tmp_path


def test_the_oldest_release_comes_first(folder: Path) -> None:
    assert [str(release) for release in results.benchmarks()] == ["2.2.4", "2.10.0"]


def test_what_members_feel_is_compared_with_the_other_designs(folder: Path) -> None:
    rows = performance.felt_table().splitlines()
    assert len({row.count("|") for row in rows}) == 1
    times = "4.2 ms / 1.2 s | 4.2 ms / 1.2 s | 4.2 ms / 1.2 s"
    assert (
        rows[2] == f"| 2.2.4 | 30 | this project | {times} | 0.50 |  | 1.00 | 6,000 | 0 | 7 | 1 |"
    )
    assert rows[4].startswith("| 2.2.4 | 3 tabs | this project |")
    assert len(rows) == 2 + 2 * 2 * 2


def test_times_have_a_row_for_each_subject(folder: Path) -> None:
    rows = performance.times_table().splitlines()
    assert len({row.count("|") for row in rows}) == 1
    assert rows[3].startswith("| 2.2.4 | 3 | variant | 30 | 4.2 ms / 1.2 s |")
    assert "| 1.50 |" in rows[3]
    assert len(rows) == 2 + 2 * 2 * 2


def test_costs_tell_queries_from_the_rest(folder: Path) -> None:
    rows = performance.costs_tables()
    assert "| 2.2.4 | variant | the first click | 3 | 1 | 4 | 1,234 |" in rows
    assert "| 2.2.4 | variant | 46 kB | 12.3 s (100 members) |" in rows


def test_a_release_can_have_one_part_only(folder: Path) -> None:
    (folder / "2.2.4.json").write_text(json.dumps({"felt": RESULT["felt"]}))
    assert "| 2.2.4 |" in performance.felt_table()
    tables = (performance.times_table(), performance.costs_tables())
    assert not any("| 2.2.4 |" in table for table in (*tables, performance.circumstances_table()))


def test_a_plot_of_other_results_is_stale(folder: Path) -> None:
    with pytest.raises(UserError, match="stale"):
        performance.check()
    for file in (performance.PLOT, performance.FELT_PLOT):
        with pytest.raises(UserError, match="stale"):
            performance.check()
        file.write_text(f"drawn from {performance.digest()}")
    performance.check()
    (folder / "2.2.4.json").write_text(json.dumps({**RESULT, "date": "2026-11-23"}))
    with pytest.raises(UserError, match="stale"):
        performance.check()


def test_the_plot_is_the_same_each_time(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    (folder / "2.10.0.json").unlink()  # no variant serves it
    performance.plot(folder)
    first = [file.read_text() for file in folder.glob("*.svg")]
    assert len(first) == 2
    performance.plot(folder)
    assert [file.read_text() for file in folder.glob("*.svg")] == first
    performance.check()
