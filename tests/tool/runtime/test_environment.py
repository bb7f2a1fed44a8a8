"""Cached environments: damaged ones are made again, and two commands do not disturb each other."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from channelsmin import cli
from channelsmin.errors import UserError
from channelsmin.matrix import locks, notes, releases
from channelsmin.matrix.help import Edit, Help
from channelsmin.runtime import changed_sdist, environment, interpreters, mutex, processes
from channelsmin.runtime.environment import Environment

RELEASE = releases.find("6.0.15")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its scripts are shell scripts")


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def stand_in(folder: Path) -> Environment:
    """An environment whose programs are shell scripts."""
    made = Environment(folder)
    script(made.python, f"#!/bin/sh\necho {RELEASE}\n")
    script(made.otree, "#!/bin/sh\n")
    (folder / "installed").touch()
    return made


def test_a_sound_environment_is_used_as_it_is(tmp_path: Path) -> None:
    made = stand_in(tmp_path / "environment")
    assert environment.create(RELEASE, made.folder) == made
    assert made.otree.exists()


def folder_instead(made: Environment) -> None:
    made.otree.unlink()
    made.otree.mkdir()


DAMAGE: dict[str, Callable[[Environment], object]] = {
    "no otree": lambda made: made.otree.unlink(),
    "not executable": lambda made: made.otree.chmod(0o644),
    "an empty file": lambda made: made.otree.write_text(""),
    "a bad first line": lambda made: made.otree.write_text("#!/nowhere/python\n"),
    "no interpreter": lambda made: made.python.unlink(),
    "another release": lambda made: script(made.python, "#!/bin/sh\necho 6.0.14\n"),
    "a broken oTree": lambda made: script(made.python, "#!/bin/sh\nexit 1\n"),
    "otree is a folder": folder_instead,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_environment_is_made_again(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stand_in(tmp_path / "environment")
    DAMAGE[damage](made)
    again: list[Environment] = []
    monkeypatch.setattr(environment, "_install", lambda made, *rest: again.append(made))
    monkeypatch.setattr(interpreters, "first", lambda version: Path(sys.executable))
    environment.create(RELEASE, made.folder)
    assert again == [made]


def test_an_interrupted_installation_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "_install", interrupted)
    monkeypatch.setattr(interpreters, "first", lambda version: Path(sys.executable))
    with pytest.raises(KeyboardInterrupt):
        environment.create(RELEASE, tmp_path / "environment")
    assert not (tmp_path / "environment").exists()


def test_of_two_rebuilds_into_one_folder_the_second_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "new"
    command = ["rebuild", str(RELEASE), str(folder)]
    installed: list[Path] = []

    def second(version: str) -> Path:
        monkeypatch.setattr(interpreters, "first", lambda version: Path(sys.executable))
        with pytest.raises(UserError, match="exists already"):
            cli.cli.main(command, standalone_mode=False)
        return Path(sys.executable)

    monkeypatch.setattr(interpreters, "first", second)
    monkeypatch.setattr(interpreters, "best_version", lambda release: "3.12")
    monkeypatch.setattr(environment, "_install", lambda made, *rest: installed.append(made.folder))
    cli.cli.main(command, standalone_mode=False)
    assert installed == [folder]


def test_a_rebuild_that_cannot_begin_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "first", lambda version: None)
    with pytest.raises(UserError, match="needs Python"):
        environment.rebuild(releases.find("2.1.41"), tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_what_is_known_not_to_be_installable_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(notes, "not_installable", lambda release: "nobody has it")
    with pytest.raises(UserError, match=r"oTree 2\.0\.19 is not installable: nobody has it"):
        environment.cached(releases.find("2.0.19"))
    assert list(tmp_path.iterdir()) == []


HELP = Help(
    "Django first, and a changed file",
    "no-install",
    "it imports Django",
    first=("Django",),
    edits=(Edit("setup.py", "a", "b"),),
)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What pip is told, instead of doing it; 2.0.19 needs help, and its index has it."""
    told = list[list[str]]()

    def run(command: list[str], **more: object) -> int:
        told.append(command[command.index("pip") :])
        return 0

    def write(release: object, edits: object, folder: Path, python: str) -> Path:
        (folder / "changed.tar.gz").write_bytes(b"changed")
        return folder / "changed.tar.gz"

    monkeypatch.setattr(processes, "run", run)
    monkeypatch.setattr(changed_sdist, "write", write)
    monkeypatch.setattr(notes, "help_for", lambda release: HELP)
    return told


def test_help_is_carried_out_in_its_order(pip: list[list[str]], tmp_path: Path) -> None:
    status = environment.install(
        Environment(tmp_path), releases.find("2.0.19"), "3.7", tmp_path, subprocess.DEVNULL
    )
    assert status == 0
    first, everything = tmp_path / environment.FIRST, tmp_path / "requirements.txt"
    assert pip == [
        ["pip", "install", "--requirement", str(first), "--no-deps"],
        ["pip", "install", "--requirement", str(everything)],
    ]
    assert first.read_text().startswith("Django==1.11.2 ")
    changed = sha256(b"changed").hexdigest()
    address = (tmp_path / "changed.tar.gz").as_uri()
    assert f"\n{address} \\\n    --hash=sha256:{changed}\n" in everything.read_text()
    assert "\notree==2.0.19 " not in everything.read_text()
    assert everything.read_text().startswith("# oTree 2.0.19 on Python 3.7, ")
    assert everything.read_text().endswith(f"\n# This release needs help: {HELP.line}.\n")


def test_when_one_step_of_help_fails_the_next_is_not_tried(
    pip: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], **more: object) -> int:
        pip.append(command)
        return 3

    monkeypatch.setattr(processes, "run", run)
    release = releases.find("2.0.19")
    assert environment.install(Environment(tmp_path), release, "3.7", tmp_path, 1) == 3
    assert len(pip) == 1


def test_an_environment_that_had_other_help_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stand_in(tmp_path / "environment")
    again = list[Environment]()
    monkeypatch.setattr(environment, "_install", lambda made, *rest: again.append(made))
    monkeypatch.setattr(interpreters, "first", lambda version: Path(sys.executable))
    monkeypatch.setattr(notes, "help_for", lambda release: HELP)
    environment.create(RELEASE, made.folder)
    assert again == [made]
    assert (made.folder / "installed").read_text() == HELP.digest


@pytest.mark.parametrize("home", ["file", "nowhere"])
def test_a_home_that_is_no_folder_is_named(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / home))
    with pytest.raises(UserError, match=r"the home folder .* does not exist: set"):
        environment.cache()


def test_pip_is_not_told_to_install_for_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_USER", "PIP_TARGET", "PIP_PREFIX"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    variables = Environment(Path("environment")).variables()
    assert variables["PIP_USER"] == "0"
    assert "PIP_TARGET" not in variables
    assert "PIP_PREFIX" not in variables
    assert variables["PIP_INDEX_URL"] == "https://example.org/simple"


def test_two_commands_at_once_wait_for_each_other(tmp_path: Path) -> None:
    lock, log = tmp_path / "lock", list[str]()

    def hold(name: str, first: threading.Event) -> None:
        with mutex.hold(lock, "in this test"):
            log.append(f"{name} begins")
            first.set()
            time.sleep(0.3)
            log.append(f"{name} ends")

    begun = threading.Event()
    one = threading.Thread(target=hold, args=("one", begun))
    one.start()
    assert begun.wait(10)
    hold("two", threading.Event())
    one.join()
    assert log == ["one begins", "one ends", "two begins", "two ends"]


def test_the_lock_of_a_killed_command_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    code = (
        "import os, pathlib, sys; from channelsmin.runtime import mutex\n"
        "with mutex.hold(pathlib.Path(sys.argv[1]), ''): os.kill(os.getpid(), 9)"
    )
    source = str(Path(environment.__file__).parents[2])
    variables = {**os.environ, "PYTHONPATH": source}
    subprocess.run([sys.executable, "-c", code, str(lock)], env=variables, check=False)
    with mutex.hold(lock, "in this test"):
        pass


def test_pip_finds_its_constraints_in_a_clone_whose_path_has_a_space(tmp_path: Path) -> None:
    build = tmp_path / "my clone" / "build.txt"
    build.parent.mkdir()
    build.write_text("no-such-package==1\n")
    empty = tmp_path / "requirements.txt"
    empty.touch()
    variables = {**os.environ, **locks.build_variables(build)}
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "-r", str(empty)]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert "Could not open requirements file" not in ended.stderr
    assert ended.returncode == 0


def test_what_an_interrupted_venv_leaves_behind_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(command: list[str], *, output: object, variables: dict[str, str]) -> int:
        assert Path(variables["TMPDIR"]).is_relative_to(tmp_path / "environment")
        (Path(variables["TMPDIR"]) / "left").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(interpreters, "first", lambda version: Path(sys.executable))
    monkeypatch.setattr(processes, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        environment.create(RELEASE, tmp_path / "environment")
    assert not (tmp_path / "environment").exists()


def test_rebuild_takes_the_python_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[tuple[object, ...]] = []

    def create(*given: object) -> Environment:
        made.append(given)
        return Environment(tmp_path)

    monkeypatch.setattr(environment, "create", create)
    arguments = ["rebuild", "2.1.35", str(tmp_path / "new"), "--python"]
    CliRunner().invoke(cli.cli, [*arguments, "3.6"], catch_exceptions=False)
    assert made == [(releases.find("2.1.35"), tmp_path / "new", "3.6")]
    refused = CliRunner().invoke(cli.cli, [*arguments, "3.13"])
    assert "no lock file for Python 3.13: take 3.7 or 3.6" in str(refused.exception)
    assert len(made) == 1
