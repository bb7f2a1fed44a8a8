"""run.py: what it installs for which command, and when it does so again."""

import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from channelsmin import cli, maintainer_cli
from channelsmin.paths import ROOT
from channelsmin.runtime import programs

sys.path.insert(0, str(ROOT))
import run as run_py

RunPy = Callable[..., "subprocess.CompletedProcess[str]"]


def test_the_commands_that_need_no_extras_are_those_for_projects() -> None:
    assert set(cli.cli.commands) - set(maintainer_cli.COMMANDS) == run_py.FOR_PROJECTS


@pytest.mark.parametrize(
    ("arguments", "extras"),
    [
        ([], ""),
        (["--help"], ""),
        (["pick", "--project", "test"], ""),
        (["-h", "demo"], ""),
        (["test"], run_py.EXTRAS),
        (["no-such-command"], run_py.EXTRAS),
    ],
)
def test_a_command_gets_the_extras_that_it_needs(arguments: list[str], extras: str) -> None:
    assert run_py.extras_for(arguments) == extras


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone in which nothing is installed, and a pip that only notes what it is told."""
    folder = tmp_path / "clone"
    folder.mkdir()
    shutil.copy(ROOT / "pyproject.toml", folder)
    move_to(folder, monkeypatch)
    return folder


def move_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_py, "ROOT", folder)
    monkeypatch.setattr(run_py, "VENV", folder / ".venv")
    monkeypatch.setattr(run_py, "PYTHON", folder / ".venv" / "python")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was made, and what pip was told to install."""
    done: list[str] = []

    def run(command: Sequence[str]) -> int:
        if "venv" in command:
            shutil.rmtree(run_py.VENV, ignore_errors=True)
            run_py.VENV.mkdir()
            run_py.PYTHON.touch()
            done.append("venv")
        else:
            done.append(command[-1].replace(str(run_py.ROOT), "."))
        return 0

    monkeypatch.setattr(run_py, "run_alone", run)
    return done


def test_what_is_installed_is_not_installed_again(clone: Path, told: list[str]) -> None:
    run_py.set_up("")
    run_py.set_up("")
    assert told == ["venv", "."]


def test_extras_are_added_to_what_is_there_and_contain_the_rest(
    clone: Path, told: list[str]
) -> None:
    run_py.set_up("")
    run_py.set_up(run_py.EXTRAS)
    run_py.set_up("")
    assert told == ["venv", ".", f".[{run_py.EXTRAS}]"]


def test_a_changed_pyproject_is_installed(clone: Path, told: list[str]) -> None:
    run_py.set_up(run_py.EXTRAS)
    with (clone / "pyproject.toml").open("a") as file:
        file.write("\n")
    run_py.set_up("")
    assert told == ["venv", f".[{run_py.EXTRAS}]", "venv", "."]


def test_a_moved_clone_is_set_up_again(
    clone: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_py.set_up("")
    move_to(clone.rename(clone.with_name("moved")), monkeypatch)
    run_py.set_up("")
    assert told == ["venv", ".", "venv", "."]


def test_an_environment_without_its_interpreter_is_made_again(clone: Path, told: list[str]) -> None:
    run_py.set_up("")
    run_py.PYTHON.unlink()
    run_py.set_up("")
    assert told == ["venv", ".", "venv", "."]


def test_a_file_in_the_environments_place_is_named(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clone / ".venv").touch()
    with pytest.raises(SystemExit, match=r"\.venv could not be made"):
        run_py.set_up("")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_an_environment_that_is_a_link_to_somebodys_own_is_left_alone(
    clone: Path, told: list[str]
) -> None:
    own = clone.parent / "own"
    own.mkdir()
    (own / "precious").touch()
    (clone / ".venv").symlink_to(own)
    with pytest.raises(SystemExit, match="is a link: remove it"):
        run_py.set_up("")
    assert told == []
    assert (own / "precious").exists()


def test_the_project_is_found_below_a_folder_of_any_letters(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip names the folder in UTF-8, which older Pythons read in the code page of Windows."""
    move_to(clone.rename(clone.with_name("Łódź 漢")), monkeypatch)
    make = [sys.executable, "-m", "venv", "--without-pip", str(run_py.VENV)]
    subprocess.run(make, check=True)
    (packages,) = run_py.VENV.glob("[Ll]ib/**/site-packages")
    (run_py.ROOT / "src/channelsmin").mkdir(parents=True)
    (run_py.ROOT / "tests/harness").mkdir(parents=True)
    paths = f"{run_py.ROOT / 'src'}\n{run_py.ROOT / 'tests'}"

    def pip(command: Sequence[str]) -> int:
        if "pip" in command:
            (packages / "_channelsmin.pth").write_text(paths, encoding="utf-8")
        return 0

    monkeypatch.setattr(run_py, "run_alone", pip)
    run_py.set_up("")
    program = "python.exe" if sys.platform == "win32" else "python"
    (python,) = run_py.VENV.glob(f"*/{program}")
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONPATH": ""}
    command = [str(python), "-c", "import channelsmin, harness"]
    subprocess.run(command, env={**os.environ, **ascii_only}, check=True)


def test_an_older_python_is_refused_in_one_line() -> None:
    code = (
        "import runpy, sys; sys.version_info = (3, 9, 6); sys.version = '3.9.6 (x)'\n"
        f"runpy.run_path({str(ROOT / 'run.py')!r})"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("run.py: needs Python 3.10 or newer; this is 3.9.6: install")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("started", "imported"),
    [
        (["run.py"], "hashlib"),
        (["-m", "channelsmin"], "click"),
        (["-c", "from channelsmin.__main__ import main; main()"], "click"),
    ],
)
def test_ctrl_c_while_python_still_imports_ends_quietly(
    started: list[str], imported: str, tmp_path: Path
) -> None:
    (tmp_path / f"{imported}.py").write_text("raise KeyboardInterrupt")
    shutil.copy(ROOT / "run.py", tmp_path)
    places = os.pathsep.join([str(tmp_path), str(ROOT / "src")])
    ended = subprocess.run(
        [sys.executable, *started],
        env={**os.environ, "PYTHONPATH": places},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


INTERRUPTED = f"""#!{sys.executable}
import os, signal
os.kill(os.getpid(), signal.SIGINT)
from channelsmin.__main__ import main
main()
"""
"""The command `channelsmin`, and Ctrl-C before it has come to the project's own code."""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_ctrl_c_while_python_starts_the_tool_ends_quietly(tmp_path: Path) -> None:
    set_up_in(tmp_path)
    command = tmp_path / ".venv/bin/channelsmin"
    command.write_text(INTERRUPTED)
    command.chmod(0o755)
    ended = subprocess.run(
        [sys.executable, "run.py", "--version"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def set_up_in(folder: Path) -> None:
    """Put run.py there, and an environment that it takes for its own."""
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    shutil.copy(ROOT / "run.py", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    known = (folder / "pyproject.toml").read_bytes() + os.fsencode(folder.resolve())
    (folder / ".venv/installed").write_text(sha256(known).hexdigest())


PIP = """
import os, pathlib, subprocess, sys, time
assert os.environ["PIP_USER"] == "0"
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path("child").write_text(str(child.pid))
try:
    time.sleep(60)
finally:
    pathlib.Path("child").rename("cleaned")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_pip_ends_with_the_program(name: str, tmp_path: Path) -> None:
    """It would go on to install while the next run.py does."""
    number = signal.Signals[name]
    set_up_in(tmp_path)
    (tmp_path / "pip.py").write_text(PIP)
    process = subprocess.Popen([sys.executable, "run.py", "generate"], cwd=tmp_path)
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(20) == 128 + number
    import psutil  # not at the top: it does not load under wine

    child = int((tmp_path / "cleaned").read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("run", [run_py.run_and_wait, run_py.run_alone])
def test_a_program_is_waited_for_and_its_status_returned(run: Callable[[list[str]], int]) -> None:
    code = "import sys, time; time.sleep(1.2); sys.exit(len(sys.argv[1]))"
    assert run([sys.executable, "-c", code, "with spaces"]) == 11


class Program:
    """A program on Windows, where nothing interrupts a wait without a limit.

    Each answer is what one wait ends with.
    """

    def __init__(self, *answers: int | BaseException) -> None:
        self.answers = list(answers)
        self.is_killed = False

    def wait(self, seconds: float | None = None) -> int:
        assert seconds, "nothing would interrupt this"
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def kill(self) -> None:
        self.is_killed = True


IS_RUNNING = subprocess.TimeoutExpired("program", 0.5)


def play(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: program)


def test_on_windows_ctrl_c_is_left_to_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    play(program := Program(IS_RUNNING, KeyboardInterrupt(), IS_RUNNING, 7), monkeypatch)
    assert run_py.run_and_wait(["program"]) == 7
    assert program.answers == []


@pytest.mark.parametrize("then", [1, IS_RUNNING])
def test_on_windows_pip_ends_with_the_program(
    then: int | BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C reaches it by itself; it is waited for, and then killed if it still runs."""
    play(program := Program(IS_RUNNING, KeyboardInterrupt(), then), monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run_py.run_alone(["pip"])
    assert program.answers == []
    assert program.is_killed


@pytest.mark.parametrize(
    ("system", "programs"),
    [
        ("linux", {"PYTHON": "bin/python", "COMMAND": "bin/channelsmin"}),
        ("win32", {"PYTHON": "Scripts/python.exe", "COMMAND": "Scripts/channelsmin.exe"}),
    ],
)
def test_its_programs_are_where_each_system_has_them(
    system: str, programs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    there = runpy.run_path(str(ROOT / "run.py"))
    found = {name: there[name].relative_to(ROOT / ".venv").as_posix() for name in programs}
    assert found == programs


def test_the_tool_is_run_and_no_app_of_its_name_in_the_current_folder(
    clone: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m channelsmin` would run the app of a project, with which it shares the name."""
    run: list[str] = []

    def noted(command: Sequence[str]) -> int:
        run.extend(command)
        return 7

    monkeypatch.setattr(run_py, "ON_WINDOWS", True)
    monkeypatch.setattr(run_py, "run_and_wait", noted)
    monkeypatch.setattr(sys, "argv", ["run.py", "pick", "--project", "a b"])
    with pytest.raises(SystemExit) as ended:
        run_py.main()
    assert ended.value.code == 7
    assert run == [str(run_py.COMMAND), "pick", "--project", "a b"]
    assert run_py.COMMAND.stem == "channelsmin"


def test_a_python_without_venv_is_told_of_it_before_anything_is_made(
    clone: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Debian's, which has ensurepip in a package of its own."""
    monkeypatch.setattr(run_py, "find_spec", lambda name: None if name == "ensurepip" else name)
    monkeypatch.setattr(programs, "lack_for_certain", lambda: "tests need nginx")
    monkeypatch.setattr(sys, "path", [str(ROOT / "src"), *sys.path])
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    told_of_it = f"lacks venv or pip: `sudo apt-get install python{version}-venv` installs them"
    for command, also in {"pick": "", "test": "; tests need nginx"}.items():
        monkeypatch.setattr(sys, "argv", ["run.py", command])
        with pytest.raises(SystemExit) as ended:
            run_py.main()
        assert told_of_it in str(ended.value)
        assert str(ended.value).endswith(f"on Debian and Ubuntu{also}")
    assert told == []
    assert [path.name for path in clone.iterdir()] == ["pyproject.toml"]


def test_what_tests_lack_is_said_before_the_set_up(
    clone: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "lack_for_certain", lambda: "tests need PostgreSQL")
    monkeypatch.setattr(sys, "path", [str(ROOT / "src"), *sys.path])
    assert run_py.lacks(["demo"]) == ""
    monkeypatch.setattr(sys, "argv", ["run.py", "test"])
    with pytest.raises(SystemExit, match="tests need PostgreSQL"):
        run_py.main()
    assert told == []
