"""`channelsmin pick`: the variant, what was shown of it, and what to type next."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import notes, releases, results
from channelsmin.matrix.help import Help
from channelsmin.matrix.results import Run, Status
from channelsmin.paths import ROOT
from channelsmin.project import detect_release, pick
from channelsmin.project.source import Weight

Runs = dict[Version, tuple[Run, ...]]


def ended(status: Status, python: str = "3.7", date: str = "2026-11-22") -> Run:
    """Return a run that ended so."""
    return Run(python, status, "", date, 60, "Linux x86_64", {}, {}, {})


@pytest.fixture(autouse=True)
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Runs of the suite, of which those on 2.3.0b5 and 2.4.5 are of one era; nothing is active."""
    made: Runs = {
        Version("2.2.4"): (ended(Status.PASS),),
        Version("2.3.0b5"): (ended(Status.FAIL, date="2026-11-21"),),
        Version("2.4.5"): (ended(Status.PASS),),
    }
    monkeypatch.setattr(results, "load", lambda release: made.get(release, ()))
    monkeypatch.setattr(results, "load_all", lambda: made)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setenv("PATH", os.defpath)
    return made


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A project for 2.3.7, in which somebody works."""
    (tmp_path / "settings.py").touch()
    (tmp_path / "requirements.txt").write_text("otree==2.3.7\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def channelsmin(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command line as a person does, in a project."""
    command = [sys.executable, "-m", "channelsmin", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_it_says_who_told_the_release_and_which_variant_it_is(folder: Path) -> None:
    first, second, *_ = pick.pick(Path()).lines()
    assert first == "oTree 2.3.7 is served by the variant otree-2.3 (2.3.0b1 to 2.5.8)."
    assert second == "Certain: requirements.txt says otree==2.3.7."


def test_a_release_that_is_named_by_hand_settles_it(folder: Path) -> None:
    (folder / "requirements_base.txt").write_text("otree==5.11.5\n")
    with pytest.raises(UserError, match="disagree"):
        pick.pick(folder)
    picked = pick.pick(folder, "2.2.4")
    assert (picked.variant.name, picked.sources) == ("otree-2.0", ())
    assert "Certain:" not in "\n".join(picked.lines())


def test_files_around_a_person_who_only_names_a_release_say_nothing_about_a_project(
    tmp_path: Path,
) -> None:
    """Such as those of this project's own clone."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'a'\nrequires-python = '>=3.10'\n")
    about = "Python >=3.10 (pyproject.toml)"
    assert about not in channelsmin(tmp_path, "pick", "--otree", "2.3.7").stdout
    assert about in channelsmin(tmp_path, "pick", "--otree", "2.3.7", "--project", ".").stdout
    (tmp_path / "settings.py").touch()
    assert about in channelsmin(tmp_path, "pick", "--otree", "2.3.7").stdout


def test_it_says_what_came_of_the_suite_on_the_release_on_which_python_and_when(
    folder: Path, runs: Runs
) -> None:
    runs[Version("5.4.7")] = (
        ended(Status.NO_START, "3.8", "2026-11-20"),
        ended(Status.PASS, "3.9"),
    )
    picked = pick.pick(folder, "5.4.7")
    assert (
        "The suite on 5.4.7: no-start on Python 3.8 (2026-11-20), pass on Python 3.9 (2026-11-22)."
    ) in picked.lines()
    assert picked.as_json()["runs"] == [
        {"python": "3.8", "status": "no-start", "date": "2026-11-20"},
        {"python": "3.9", "status": "pass", "date": "2026-11-22"},
    ]


@pytest.mark.parametrize(
    ("named", "nearest"),
    [
        (
            "2.3.7",
            "on 2.3.0b5: fail on Python 3.7 (2026-11-21); "
            "on 2.4.5: pass on Python 3.7 (2026-11-22)",
        ),
        ("2.5.8", "on 2.4.5: pass on Python 3.7 (2026-11-22)"),
        ("2.3.0b2", "on 2.3.0b5: fail on Python 3.7 (2026-11-21)"),
    ],
)
def test_where_it_was_not_run_the_nearest_releases_are_told(
    folder: Path, named: str, nearest: str
) -> None:
    picked = pick.pick(folder, named)
    assert f"The suite was not run on {named}; nearest to it, {nearest}." in picked.lines()
    assert picked.as_json()["runs"] == []


def test_the_pythons_are_named_the_preferred_one_first(folder: Path) -> None:
    assert "Run it on Python 3.7." in pick.pick(folder).lines()
    assert "Run it on Python 3.9, 3.8 or 3.7." in pick.pick(folder, "5.4.7").lines()


@pytest.mark.parametrize(
    ("python", "caveat"),
    [
        ("3.7.16", None),
        ("3.11.5", "Python 3.11 (runtime.txt) is untested with oTree 2.3.7: use 3.7"),
        ("3.6.15", "Python 3.6 (runtime.txt) is refused by oTree 2.3.7: use 3.7"),
    ],
)
def test_a_python_that_does_not_suit_the_release_is_told(
    folder: Path, python: str, caveat: str | None
) -> None:
    (folder / "runtime.txt").write_text(f"python-{python}\n")
    for picked in (pick.pick(folder), pick.pick(folder, "2.3.7")):
        assert list(picked.caveats()) == ([caveat] if caveat else [])
        (its,) = picked.as_json()["project_pythons"]
        assert its["suits"] == (caveat is None)


def test_the_python_of_the_environment_is_told_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (declared,) = detect_release.sources(folder)
    installed = replace(declared, place=".venv", python="3.8", weight=Weight.INSTALLED)
    said = detect_release.Read(folder, (installed,), ())
    monkeypatch.setattr(detect_release, "read", lambda folder: said)
    caveats = list(pick.pick(folder).caveats())
    assert "Python 3.8 (.venv) is untested with oTree 2.3.7: use 3.7" in caveats
    assert (
        "no file pins the release, so the next installation may bring another: "
        "write otree==2.3.7 into requirements.txt"
    ) in caveats


def test_a_range_is_told_to_be_no_pin(folder: Path) -> None:
    (folder / "requirements.txt").write_text("otree~=2.3.7\n")
    (caveat,) = pick.pick(folder).caveats()
    assert caveat == (
        "no release is pinned, and 2.3.33 is the newest that is allowed; all that are have this "
        "variant: pin yours in requirements.txt"
    )


def test_what_is_known_of_a_bad_release_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    help_ = Help("one more package", "no-start", "it imports it", add=("six",))
    with monkeypatch.context() as noted:
        noted.setattr(notes, "help_for", lambda release: help_)
        (caveat,) = pick.pick(folder, "2.0.18").caveats()
    assert caveat == (
        "oTree 2.0.18 needs more than `pip install`: one more package; `rebuild` and `demo` do it, "
        "and `export` writes how it is done by hand"
    )
    with monkeypatch.context() as noted:
        noted.setattr(notes, "known_failures", lambda release: {"no-install": "a bad setup.py"})
        caveats = list(pick.pick(folder, "2.0.19").caveats())
    assert "pip can't install the release: a bad setup.py" in caveats
    rows, release = releases.rows(), Version("2.3.7")
    withdrawn = {**rows, release: replace(rows[release], yanked="removed due to bug")}
    monkeypatch.setattr(releases, "rows", lambda: withdrawn)
    (caveat,) = pick.pick(folder).caveats()
    assert caveat == "oTree 2.3.7 was yanked from the package index: removed due to bug"


def test_a_release_newer_than_the_list_is_served_and_said_to_be_new(folder: Path) -> None:
    picked = pick.pick(folder, "99.1")
    assert picked.variant.name == "otree-5.0"
    (caveat,) = picked.caveats()
    assert caveat == (
        f"oTree 99.1 is newer than the newest release known here ({releases.known()[-1]})"
    )
    assert picked.next()[1].endswith(" export otree-5.0 DIR")


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("two", "'two' is not a known release"),
        ("2.3.99", "'2.3.99' is not a known release"),
        ("1.6.1", "otree-core 1.6.1 is an empty package"),
        ("1.3.9", "oTree 1.3.9 is older than any variant, which begin with 1.4.0b1"),
    ],
)
def test_a_release_that_cannot_be_served_is_refused(folder: Path, named: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        pick.pick(folder, named)
    assert str(raised.value).startswith(message)


@pytest.mark.skipif(os.name == "nt", reason="cmd takes other commands")
def test_the_next_commands_can_be_typed_where_one_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = f"python3 {os.path.relpath(ROOT / 'run.py')}"
    assert pick.pick(Path()).next() == [f"{run} add", f"{run} export 2.3.7 DIR"]
    assert pick.pick(Path(), "2.2.4").next()[0] == f"{run} add --otree 2.2.4"
    app = folder / "an app"
    app.mkdir()
    monkeypatch.chdir(app)
    assert pick.pick(Path()).next()[0].endswith("run.py add ..")
    empty = tmp_path / "an app" / "empty"
    empty.mkdir()
    (folder / "settings.py").unlink()
    assert pick.pick(empty, "2.2.4").next()[0].endswith("run.py add DIR --otree 2.2.4")
    (empty.parent / "settings.py").touch()
    monkeypatch.chdir(folder)
    assert pick.pick(Path("an app"), "2.2.4").next()[0].endswith("add 'an app' --otree 2.2.4")


def test_an_installed_channelsmin_is_called_by_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pick, "IN_CHECKOUT", False)
    assert pick.pick(folder).next() == ["channelsmin add", "channelsmin export 2.3.7 DIR"]


def test_json_has_the_keys_that_the_help_explains(folder: Path) -> None:
    printed = channelsmin(folder, "pick", "--json")
    assert printed.stderr == ""
    told: Mapping[str, Any] = json.loads(printed.stdout)
    assert list(told) == list(pick.KEYS)
    assert told["release"] == "2.3.7"
    assert told["pinned"] is True
    assert told["sources"] == [
        {
            "place": "requirements.txt",
            "line": 1,
            "requirement": "otree==2.3.7",
            "kind": "a requirement",
            "note": "",
        }
    ]
    assert told["variant"] == "otree-2.3"
    assert told["pythons"] == ["3.7"]
    explained = channelsmin(folder, "pick", "--help").stdout
    assert all(f"  {key} " in explained for key in pick.KEYS)


def test_a_disagreement_ends_in_one_line_and_status_1(folder: Path) -> None:
    (folder / "requirements_base.txt").write_text("otree==5.11.5\n")
    for arguments in (["pick"], ["pick", "--json"]):
        refused = channelsmin(folder, *arguments)
        assert refused.returncode == 1
        assert refused.stdout == ""
        assert refused.stderr.startswith("channelsmin: these disagree on the release: ")
        assert refused.stderr.count("\n") == 1
