"""One run of the sweep's: what is made of how the suite ends, and that nothing is left behind."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import locks, notes
from channelsmin.matrix.help import Help
from channelsmin.matrix.results import Run, Status
from channelsmin.runtime import environment, processes
from channelsmin.runtime.environment import Environment
from channelsmin.testing import run_suite

RELEASE = Version("6.0.15")


class StandIn(Environment):
    """An environment with nothing in it."""

    def installed(self) -> dict[str, str]:
        return {"otree": "6.0.15"}


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The endings of successive runs of the suite: failures by test, an exit status, or a crash."""
    endings: list[Any] = []

    def create(release: Version, folder: Path, *more: object) -> Environment:
        return StandIn(folder)

    def ended(command: list[str], *more: object) -> int | None:
        ending = endings.pop(0)
        if isinstance(ending, Exception):
            raise ending
        if not isinstance(ending, dict):
            return ending  # type: ignore[no-any-return]
        file = Path(command[command.index("--results") + 1])
        failures = {
            test: dict(zip(("type", "message"), why.split(": ", 1), strict=True))
            for test, why in ending.items()
        }
        file.write_text(json.dumps({"clauses": {"A1": {}}, "failures": failures}))
        return int(bool(ending))

    monkeypatch.setattr(environment, "create", create)
    monkeypatch.setattr(processes, "run_with_limit", ended)
    return endings


def run_in(folder: Path) -> Run:
    return run_suite.run_release(RELEASE, "3.12", folder / "run", threading.Event())


def test_a_pass_with_help_says_so_and_which(
    suite: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    help_ = Help("one more package", "no-start", "it does not require it", add=("six",))
    locks.wanted()  # is cached, so that the next test does not get the answer with this help
    monkeypatch.setattr(notes, "help_for", lambda release: help_)
    suite += [{"a.py::test_b": "AssertionError: it stayed"}, {}]
    run = run_in(tmp_path)
    assert (run.status, run.reason) == (Status.HELPED, "one more package")
    assert run.earlier == ("test_b: AssertionError: it stayed",)
    assert run.tested["help"] == help_.digest


def test_a_pass_is_a_pass_at_once(suite: list[Any], tmp_path: Path) -> None:
    suite.append({})
    run = run_in(tmp_path)
    assert (run.status, run.reason, run.earlier) == (Status.PASS, "", ())
    assert run.installed == {"otree": "6.0.15"}
    assert set(run.tested) == {"variant", "suite", "lock"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ending", "status", "reason"),
    [
        (
            {"a.py::test_b": "AssertionError: it stayed", "a.py::test_c": "KeyError: x"},
            Status.FAIL,
            "test_b: AssertionError: it stayed (and 1 more)",
        ),
        ({"a.py::test_b": "ServerDidNotStart: it printed that"}, Status.NO_START, "printed"),
        ({"a.py::test_b": "Timeout: Timeout (>300.0s) from pytest-timeout."}, Status.ERROR, "300"),
        (None, Status.ERROR, "did not end within"),
        (3, Status.ERROR, "pytest printed nothing"),
    ],
)
def test_what_does_not_pass_is_run_once_more_and_says_why(
    suite: list[Any], tmp_path: Path, ending: Any, status: Status, reason: str
) -> None:
    suite += [{"a.py::test_first": "AssertionError: by chance"}, ending]
    run = run_in(tmp_path)
    assert run.status is status
    assert reason in run.reason
    assert run.earlier == ("test_first: AssertionError: by chance",)


def test_a_crash_is_a_result(suite: list[Any], tmp_path: Path) -> None:
    suite.append(OSError("no space left"))
    run = run_in(tmp_path)
    assert (run.status, run.reason) == (Status.ERROR, "OSError: no space left")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Collecting otree\nERROR: no such thing\nnotice: a new pip", "ERROR: no such thing"),
        ("  NameError: x\n  [end of output]\n× Encountered error\nnote: above", "NameError: x"),
        ("Killed", "Killed"),
    ],
)
def test_what_cannot_be_installed_is_a_result(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, reason: str
) -> None:
    def create(*arguments: Any) -> Environment:
        arguments[-1].write_bytes(said.encode())
        raise UserError("see above")

    monkeypatch.setattr(environment, "create", create)
    run = run_in(tmp_path)
    assert (run.status, run.reason) == (Status.NO_INSTALL, reason)
