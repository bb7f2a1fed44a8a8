"""`channelsmin test`: what it runs, and what it reports about what it can't run."""

import re
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from channelsmin.console import Tasks
from channelsmin.errors import UserError
from channelsmin.runtime import interpreters, programs
from channelsmin.testing import browser, suite
from channelsmin.testing.suite import Outcome

REAL_DEFAULT = suite.default_environments
REAL_RUN = suite._run_one


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stand in for tox and the browser, on a machine without Python 3.7."""
    here = {python: Path("python") for python in ("3.6", "3.8", "3.12")}
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(browser, "ensure", lambda: None)
    monkeypatch.setattr(programs, "ensure", lambda releases: None)
    monkeypatch.setattr(suite, "LOGS", tmp_path)
    names = ["lint", "tool", "otree1.4.49", "otree2.2.4", "otree2.5.8", "otree2.4.5", "otree3.4.0"]
    names += ["otree5.0.0a26", "otree6.0.15"]
    monkeypatch.setattr(suite, "default_environments", lambda: names)
    monkeypatch.setattr(interpreters, "first", here.get)
    monkeypatch.setattr(suite, "_run_one", passing)


def passing(name: str, share: Sequence[str], tasks: Tasks, stop: threading.Event) -> Outcome:
    return Outcome(name, 0, 61 + len(share))


def failing(name: str, share: Sequence[str], tasks: Tasks, stop: threading.Event) -> Outcome:
    suite._log(name).touch()
    return Outcome(name, int(name == "otree6.0.15"), 1)


def failing_next_to_others(
    name: str, share: Sequence[str], tasks: Tasks, stop: threading.Event
) -> Outcome:
    suite._log(name).touch()
    return Outcome(name, int(name == "otree6.0.15" and not share), 1)


def test_by_default_it_tests_the_tool_and_the_newest_release_of_each_variant(
    said: list[str],
) -> None:
    suite.run([])
    assert said[0].startswith("Testing tool, otree1.4.49, otree3.4.0, otree6.0.15. On this machine")
    assert [line.split() for line in said[2:]] == [
        ["environment", "variant", "result", "seconds"],
        ["tool", "passed", "61"],
        ["otree1.4.49", "otree-1.4", "passed", "61"],
        ["otree3.4.0", "otree-2.6", "passed", "61"],
        ["otree6.0.15", "otree-5.0", "passed", "61"],
    ]


def test_how_long_it_takes_is_said_for_this_machine(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for at_once in (1, 6):
        monkeypatch.setattr(suite, "AT_ONCE", at_once)
        suite.run(["all"])
    told = [
        int(found[1]) for found in map(re.compile(r"about (\d+) minutes").search, said) if found
    ]
    assert told[0] == pytest.approx(6 * told[1], rel=0.2)


def test_what_is_tested_in_more_browsers_is_not_left_for_the_end(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def noting(name: str, share: Sequence[str], tasks: Tasks, stop: threading.Event) -> Outcome:
        started.append(name)
        return passing(name, share, tasks, stop)

    monkeypatch.setattr(suite, "AT_ONCE", 1)
    monkeypatch.setattr(suite, "_run_one", noting)
    suite.run(["all"])
    assert started == ["lint", "tool", "otree1.4.49", "otree3.4.0", "otree6.0.15"]
    monkeypatch.setattr(interpreters, "first", lambda python: Path("python"))
    suite.run(["all"])
    assert started[-2:] == ["otree6.0.15", "otree2.4.5"]
    assert [line.split()[0] for line in said[-9:]] == suite.default_environments()


def test_all_is_the_set_of_tox_ini_and_names_what_was_not_tested(said: list[str]) -> None:
    suite.run(["all"])
    assert said[0].startswith("Testing lint, tool, otree1.4.49, otree3.4.0, otree6.0.15.")
    assert said[-1] == "NOT TESTED: otree5.0.0a26 (no Python 3.7 on this machine)"
    assert sum(line.startswith("NOT TESTED") for line in said) == 4


def test_in_ci_everything_must_be_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(UserError, match="not tested: 4 of 9"):
        suite.run(["all"])


def test_what_was_asked_for_must_be_tested(said: list[str]) -> None:
    with pytest.raises(UserError, match="not tested: 1 of 1"):
        suite.run(["2.2.4"])
    assert said[-1] == "NOT TESTED: otree2.2.4 (no Python 3.7 on this machine)"


def test_a_release_that_has_the_machine_to_itself_is_tested_by_several_processes(
    said: list[str],
) -> None:
    suite.run(["6.0.15"])
    assert said[-1].split() == ["otree6.0.15", "otree-5.0", "passed", "63"]


def test_a_failed_test_is_an_error(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "_run_one", failing)
    with pytest.raises(UserError, match=r"some tests failed; the whole output is in .*otree6"):
        suite.run([])
    assert said[-1].split() == ["otree6.0.15", "otree-5.0", "FAILED,", "twice", "run", "1"]


def test_what_fails_next_to_others_is_run_again_alone_and_the_table_says_so(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "_run_one", failing_next_to_others)
    suite.run([])
    assert "otree6.0.15 failed next to others; running it again, alone" in said
    assert said[-1].split() == ["otree6.0.15", "otree-5.0", "passed,", "twice", "run", "1"]
    assert suite._log("otree6.0.15-first").exists()


def test_the_default_set_is_tox_s_own() -> None:
    names = REAL_DEFAULT()
    assert {"lint", "tool", "otree2.0.0", "otree6.0.15"} <= set(names)


class Drawn:
    """Notes what is drawn of a task."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def start(self, name: str) -> None:
        self.lines.append(f"{name} starts")

    def update(self, name: str, percent: int, what: str) -> None:
        if percent:
            self.lines.append(f"{name} {percent} {what}")

    def end(self, name: str, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def tox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let a script play tox."""
    modules = tmp_path / "modules"
    modules.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(modules))
    return modules / "tox.py"


def test_progress_is_drawn_and_the_end_of_a_failure_shown(tox: Path) -> None:
    tox.write_text(
        "import time\n"
        "print('tests/contract/test_page.py::test_p1_x PASSED      [ 12%]', flush=True)\n"
        "time.sleep(2)\n"
        "raise SystemExit('the reason')\n"
    )
    outcome = REAL_RUN("otree6.0.15", [], drawn := Drawn(), threading.Event())
    assert outcome.status == 1
    assert drawn.lines[:2] == ["otree6.0.15 starts", "otree6.0.15 12 P1"]
    assert drawn.lines[-1].startswith("otree6.0.15: FAILED in ")
    assert "the reason" in drawn.lines[-1]


def test_what_runs_is_ended_when_the_run_is_stopped(tox: Path) -> None:
    tox.write_text("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    stop = threading.Event()
    stop.set()
    start = time.monotonic()
    outcome = REAL_RUN("lint", [], Drawn(), stop)
    assert outcome.status
    assert time.monotonic() - start < 30
    running = [child.cmdline() for child in psutil.Process().children(recursive=True)]
    assert [sys.executable, "-m", "tox", "run", "-e", "lint"] not in running


@pytest.mark.parametrize(
    ("printed", "percent", "what"),
    [
        ("tests/contract/test_page.py::test_p1_one_sentence PASSED     [  3%]", 3, "P1"),
        ("[gw1] [ 51%] PASSED tests/contract/test_advancing.py::test_a5_x", 51, "A5"),
        ("tests/tool/test_cli.py::test_help PASSED [100%]\n\n== 9 passed ==", 100, "test_help"),
        ("collecting ...", 0, ""),
    ],
)
def test_progress_is_read_from_pytest_s_output(printed: str, percent: int, what: str) -> None:
    assert suite.progress(printed) == (percent, what)


def test_trials_are_run_on_the_newest_of_each_variant_and_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded: list[str] = []
    monkeypatch.setattr(suite, "_tox", lambda *arguments: recorded.append(arguments[-1]))
    suite.run_trials([], 200, "firefox")
    assert ["/".join(Path(record).parts[-2:]) for record in recorded] == [
        "firefox/1.4.49.jsonl",
        "firefox/2.2.4.jsonl",
        "firefox/2.5.8.jsonl",
        "firefox/3.4.0.jsonl",
        "firefox/5.0.0a26.jsonl",
        "firefox/6.0.15.jsonl",
    ]


def test_a_soak_that_fails_names_its_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "_tox", lambda *arguments: 1)
    with pytest.raises(UserError, match=r"on 2\.2\.4"):
        suite.run_soak(["2.2.4"], minutes=1)
