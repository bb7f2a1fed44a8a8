"""`channelsmin test`: what it runs, and what it says about what it can't."""

from pathlib import Path

import pytest

from channelsmin.errors import UserError
from channelsmin.runtime import interpreters
from channelsmin.testing import browser, suite

REAL_DEFAULT = suite.default_environments


@pytest.fixture(autouse=True)
def run_by_tox(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for tox and the browser, and for a machine without Python 3.7."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(browser, "ensure", lambda: None)
    monkeypatch.setattr(suite, "default_environments", lambda: ["lint", "tool", "otree2.2.4"])
    monkeypatch.setattr(interpreters, "first", lambda version: None)

    def tox(*arguments: str) -> int:
        said.append(arguments[-1])
        return 0

    monkeypatch.setattr(suite, "_tox", tox)


def test_what_cannot_be_tested_is_said_and_the_rest_is_run(said: list[str]) -> None:
    suite.run([])
    assert said == ["lint,tool", "NOT TESTED: otree2.2.4 (no Python 3.7 on this machine)"]


def test_in_ci_everything_must_be_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(UserError, match="not tested: 1 of 3"):
        suite.run([])


def test_what_was_asked_for_must_be_tested(said: list[str]) -> None:
    with pytest.raises(UserError, match="not tested: 1 of 1"):
        suite.run(["2.2.4"])
    assert said == ["NOT TESTED: otree2.2.4 (no Python 3.7 on this machine)"]


def test_a_release_that_has_the_machine_to_itself_is_tested_by_two_at_once(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "first", lambda version: Path("python"))
    asked: list[str] = []
    monkeypatch.setattr(suite, "_tox", lambda *arguments: asked.extend(arguments))
    suite.run(["2.2.4"])
    assert asked[-5:] == ["-e", "otree2.2.4", "--", "--numprocesses", "2"]


def test_a_failed_test_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "_tox", lambda *arguments: 1)
    with pytest.raises(UserError, match="some tests failed"):
        suite.run([])


def test_the_default_set_is_tox_s_own() -> None:
    names = REAL_DEFAULT()
    assert {"lint", "tool", "otree2.0.0", "otree6.0.15"} <= set(names)


def test_trials_are_run_on_the_newest_of_each_variant_and_recorded(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [
        "otree1.4.49",
        "otree2.2.4",
        "otree2.5.8",
        "otree2.4.5",
        "otree3.4.0",
        "otree5.0.0a26",
        "otree6.0.15",
        "lint",
    ]
    monkeypatch.setattr(suite, "default_environments", lambda: names)
    suite.run_trials([], 200)
    assert [Path(record).name for record in said] == [
        "1.4.49.jsonl",
        "2.2.4.jsonl",
        "2.5.8.jsonl",
        "3.4.0.jsonl",
        "5.0.0a26.jsonl",
        "6.0.15.jsonl",
    ]


def test_a_soak_that_fails_names_its_release(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "_tox", lambda *arguments: 1)
    with pytest.raises(UserError, match=r"on 2\.2\.4"):
        suite.run_soak(["2.2.4"], minutes=1)
