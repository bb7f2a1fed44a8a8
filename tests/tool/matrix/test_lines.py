"""The matrix: what counts as tested, and what as passing."""

from dataclasses import replace

from packaging.version import Version

from channelsmin.matrix import lines
from channelsmin.matrix.results import Run, Status

PASS = Run("3.7", Status.PASS, "", "2026-11-23", 90, "Linux x86_64", {}, {}, {})
FAIL = replace(PASS, python="3.8", status=Status.FAIL, date="2026-11-25")
HELPED = replace(PASS, status=Status.HELPED)
NOT_RUN = replace(PASS, python="", status=Status.NOT_RUN)
RUNS = {
    Version("2.0.0"): (PASS, FAIL),
    Version("2.0.1"): (PASS,),
    Version("2.0.2"): (NOT_RUN,),
    Version("2.0.3"): (),
    Version("2.0.4"): (HELPED,),
}


def test_a_release_that_was_not_run_is_not_measured() -> None:
    line = lines.ReleaseLine("2.0", RUNS)
    assert list(map(str, line.tested)) == ["2.0.0", "2.0.1", "2.0.4"]
    assert list(map(str, line.passing)) == ["2.0.1"]
    assert list(map(str, line.helped)) == ["2.0.4"]
    assert list(map(str, line.with_status(Status.NOT_RUN))) == ["2.0.2"]
    assert lines.summary([line]) == (
        "3 of 5 releases were tested, in 4 runs (2026-11-23 to 2026-11-25); "
        "1 of them pass on each Python on which they were run, 1 more with help."
    )


def test_of_each_suite_it_is_said_of_how_many_releases_it_is_the_newest() -> None:
    old, new = [replace(PASS, tested={"suite": suite}) for suite in [*lines.SUITES][:2]]
    runs = {Version("2.0.0"): (new, old), Version("2.0.1"): (old,), Version("2.0.2"): (NOT_RUN,)}
    said = lines.age([lines.ReleaseLine("2.0", runs)])
    first, second, *_ = lines.SUITES.values()
    assert f"1 with that of commit {first}, 1 with that of commit {second}, 0 with" in said


def test_every_suite_that_a_result_is_from_is_known() -> None:
    runs = [run for line in lines.load_all() for each in line.runs.values() for run in each]
    assert {run.tested["suite"] for run in runs if "suite" in run.tested} == {*lines.SUITES}
