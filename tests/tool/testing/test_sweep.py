"""The sweep: what it runs in which order, what it passes over, and what an end leaves behind."""

import os
import sys
import threading
from pathlib import Path

import pytest
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import results, variants
from channelsmin.matrix.results import Run, Status
from channelsmin.runtime import interpreters, processes
from channelsmin.testing import browser, fingerprints, sweep
from channelsmin.testing.sweep import Job

LINE = ">=2.3.0b2,<2.3.3"


@pytest.fixture(autouse=True)
def matrix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty matrix, on a machine that has three Pythons."""
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(sweep, "FOLDER", tmp_path / "work")
    monkeypatch.setattr(browser, "ensure", lambda: None)
    here = {python: Path() for python in ("3.7", "3.10", "3.11")}
    monkeypatch.setattr(interpreters, "first", here.get)
    return tmp_path


class Recorder:
    """Stands in for the suite: notes what it is asked for, and may end the sweep."""

    def __init__(self, ends_at: int = 99, status: Status = Status.PASS) -> None:
        self.asked: list[str] = []
        self.ends_at = ends_at
        self.status = status

    def __call__(self, release: Version, python: str, folder: Path, stop: threading.Event) -> Run:
        if len(self.asked) == self.ends_at:
            raise KeyboardInterrupt
        self.asked.append(f"{release}/{python}")
        tested = fingerprints.of(release, python)
        return Run(python, self.status, "", "2026-11-23", 1, "Linux", tested, {}, {})


def swept(by: Recorder, specifier: str = LINE, *, shard: str = "", again: bool = False) -> None:
    if os.name == "nt":
        pytest.skip("sweeps are refused on Windows")
    sweep.run(specifier, shard, 1, again, by)


def test_the_newest_release_comes_first_and_each_ones_other_pythons_last() -> None:
    names = [str(job) for job in sweep.jobs(sweep.chosen(">=6.0.13,<=6.0.15", ""))]
    best, others = names[: len(names) // 2], names[len(names) // 2 :]
    assert best[0] == "6.0.15 on Python 3.11"
    assert best[-1] == "6.0.13 on Python 3.11"
    assert others == [name.replace("3.11", "3.10") for name in best]


def test_pre_releases_come_after_the_others() -> None:
    jobs = sweep.jobs(sweep.chosen(">=2.2.3,<2.3.0b4", ""))
    assert [str(job.release) for job in jobs] == ["2.2.4", "2.2.3", "2.3.0b3", "2.3.0b2", "2.3.0b1"]


def test_a_release_by_name_is_a_specifier() -> None:
    assert sweep.chosen("2.3.0b5", "") == [Version("2.3.0b5")]
    with pytest.raises(UserError, match=r"'2\.3\.99' is not a known release"):
        sweep.chosen("2.3.99", "")


def test_the_parts_are_the_whole_and_share_nothing() -> None:
    whole = sweep.chosen("", "")
    parts = [sweep.chosen("", f"{number}/20") for number in range(1, 21)]
    assert sorted(release for part in parts for release in part) == sorted(whole)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("shard", ["0/3", "4/3", "3", "a/b", "1/2/3"])
def test_a_part_that_is_none_is_refused(shard: str) -> None:
    with pytest.raises(UserError, match="is not a part of a whole"):
        sweep.chosen("", shard)


def test_a_release_without_a_python_here_is_named(said: list[str]) -> None:
    swept(Recorder(), "2.0.19")
    assert said == ["0 of 1 are already tested", "2.0.19 on Python 3.7: pass"]
    said.clear()
    swept(Recorder(), "3.2.8")
    assert said[0] == "not tested here: 3.2.8 needs Python 3.8"


def test_a_release_that_no_variant_serves_has_a_result_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "find", lambda release: None)
    swept(by := Recorder(), "2.3.0b1")
    assert by.asked == []
    assert [run.status for run in results.load(Version("2.3.0b1"))] == [Status.NOT_RUN]
    assert Job(Version("2.3.0b1")).is_done()


def test_a_sweep_that_is_ended_loses_nothing_and_repeats_nothing(said: list[str]) -> None:
    swept(whole := Recorder())
    for file in results.RESULTS.iterdir():
        file.unlink()
    first, second, third = Recorder(ends_at=2), Recorder(), Recorder()
    with pytest.raises(KeyboardInterrupt):
        swept(first)
    assert len(results.load_all()) == 2
    swept(second)
    assert first.asked + second.asked == whole.asked
    said.clear()
    swept(third)
    assert third.asked == []
    assert said == [f"{len(whole.asked)} of {len(whole.asked)} are already tested"]


@pytest.mark.parametrize("part", ["of_suite", "of_variant"])
def test_what_has_changed_is_measured_again(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    swept(Recorder())
    monkeypatch.setattr(fingerprints, part, lambda *variant: "0" * 12)
    swept(by := Recorder())
    assert by.asked


def test_what_did_not_pass_is_measured_again_on_demand() -> None:
    swept(Recorder(status=Status.FAIL))
    swept(once := Recorder())
    assert once.asked == []
    swept(again := Recorder(), again=True)
    assert again.asked


def test_what_a_killed_sweep_has_left_is_cleared(
    matrix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = matrix / "work" / "2.3.0" / "otree2.3.0"
    left.mkdir(parents=True)
    cleared: list[Path] = []
    monkeypatch.setattr(processes, "end_all_in", cleared.append)
    swept(Recorder())
    assert cleared == [matrix / "work"]
    assert not left.exists()


def test_on_windows_a_sweep_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UserError, match="tests need the Windows Subsystem for Linux"):
        sweep.run(LINE, "", 1, False, by := Recorder())
    assert by.asked == []


def test_two_sweeps_do_not_disturb_each_other() -> None:
    class Second(Recorder):
        def __call__(self, *arguments: object) -> Run:
            swept(Recorder())
            raise AssertionError("never here")

    with pytest.raises(UserError, match="another sweep is running here"):
        swept(Second())
