"""The files in matrix/results: what they hold, and whether all is explained in the notes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import notes, results
from channelsmin.matrix.help import Help
from channelsmin.matrix.results import Run, Status
from channelsmin.paths import ROOT

SCHEMA = json.loads((ROOT / "matrix" / "result.schema.json").read_text())
RELEASE = Version("2.1.35")
TESTED = {"variant": "a" * 12, "suite": "b" * 12, "lock": "c" * 12}
CLAUSES = {"A1": {"passed": 1, "failed": 0, "xfailed": {"test_a1": "it cannot"}}}
RUN = Run("3.7", Status.PASS, "", "2026-11-23", 90, "Linux x86_64", TESTED, {"otree": "1"}, CLAUSES)
FAILED = replace(RUN, status=Status.FAIL, reason="test_a1: it stayed", earlier=("it hung",))


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    return tmp_path


def errors(path: Path) -> list[str]:
    found = Draft202012Validator(SCHEMA).iter_errors(json.loads(path.read_text()))
    return [f"{path.name} {error.json_path}: {error.message}" for error in found]


def test_the_files_are_as_their_schema_says() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert [error for path in results.RESULTS.iterdir() for error in errors(path)] == []


def test_the_schema_lists_every_status() -> None:
    listed = SCHEMA["$defs"]["run"]["properties"]["status"]["oneOf"]
    meaning = {status["const"]: status["description"] for status in listed}
    assert meaning == {status.value: meant for status, meant in results.MEANING.items()}


def test_a_result_is_read_as_it_was_written(folder: Path) -> None:
    results.save(RELEASE, FAILED)
    assert results.load_all() == {RELEASE: (FAILED,)}
    assert errors(folder / "2.1.35.json") == []


def test_each_python_keeps_its_own_last_result(folder: Path) -> None:
    for run in (FAILED, replace(RUN, python="3.10"), RUN):
        results.save(RELEASE, run)
    assert results.load(RELEASE) == (RUN, replace(RUN, python="3.10"))


def test_that_no_variant_served_it_is_forgotten_once_one_does(folder: Path) -> None:
    results.save(RELEASE, replace(RUN, python="", status=Status.NOT_RUN))
    results.save(RELEASE, RUN)
    assert results.load(RELEASE) == (RUN,)


@pytest.mark.parametrize(
    ("status", "explained", "wrong"),
    [
        (Status.PASS, {}, None),
        (Status.FAIL, {"fail": "it is slow"}, None),
        (Status.FAIL, {}, "2.1.35 on Python 3.7 ended with fail, and no note says why (test_a1: "),
        (Status.FAIL, {"no-start": "…"}, "no note says why"),
        (Status.PASS, {"fail": "it is slow"}, "2.1.35 on Python 3.7 passes, but a note says"),
    ],
)
def test_what_does_not_pass_has_a_note_and_what_passes_has_none(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: Status,
    explained: dict[str, str],
    wrong: str | None,
) -> None:
    monkeypatch.setattr(notes, "known_failures", lambda release: explained)
    results.save(RELEASE, replace(FAILED, status=status))
    if not wrong:
        results.check()
        return
    with pytest.raises(UserError) as raised:
        results.check()
    assert wrong in str(raised.value)


HELP = Help("one more package", "no-start", "it imports what it does not require", add=("six",))
HELPED = replace(RUN, status=Status.HELPED, tested={**TESTED, "help": "d" * 12})


@pytest.mark.parametrize(
    ("run", "help_", "wrong"),
    [
        (HELPED, HELP, None),
        (replace(RUN, status=Status.NO_START), HELP, None),  # from before the help was known
        (replace(RUN, status=Status.FAIL), HELP, "ended with fail, and no note says why"),
        (replace(HELPED, status=Status.NO_START), HELP, "ended with no-start, and no note says"),
        (RUN, HELP, "passes, but a note says that it fails"),
        (HELPED, None, "passes with help, and no note says which"),
        (replace(RUN, status=Status.HELPED), HELP, "passes with help, and no note says which"),
    ],
)
def test_a_pass_with_help_has_a_note_and_is_never_a_plain_pass(
    folder: Path, monkeypatch: pytest.MonkeyPatch, run: Run, help_: Help | None, wrong: str | None
) -> None:
    monkeypatch.setattr(notes, "known_failures", lambda release: {})
    monkeypatch.setattr(notes, "help_for", lambda release: help_)
    said = list(results.unexplained({RELEASE: [run]}))
    assert len(said) == (1 if wrong else 0)
    assert wrong is None or wrong in said[0]


def test_all_results_are_explained() -> None:
    results.check()
