"""What differs between systems: commands to type, paths on other drives, line ends."""

import ast
import errno
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from tempfile import NamedTemporaryFile
from typing import IO

import pytest

from channelsmin import console, errors, maintainer_cli, paths
from channelsmin.errors import UserError
from channelsmin.matrix import releases
from channelsmin.paths import ROOT
from channelsmin.project import pick, requirements
from channelsmin.runtime import environment, programs
from channelsmin.runtime.environment import Environment
from channelsmin.testing import fingerprints


@pytest.mark.parametrize(
    ("system", "typed"),
    [
        ("linux", "python3 'my clone/run.py' add '../my project'"),
        ("win32", 'py "my clone/run.py" add "../my project"'),
    ],
)
def test_a_command_is_shown_as_the_systems_shell_takes_it(
    system: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    command = console.typed(*console.python(), "my clone/run.py", "add", "../my project")
    assert command == typed


def test_without_the_launcher_it_is_python_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python3` would open the Store there."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert console.python() == ("python",)


def other_drive(path: Path, start: Path) -> str:
    raise ValueError("path is on mount 'C:', start on mount 'Z:'")


def test_a_path_on_another_drive_is_given_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "relpath", other_drive)
    assert paths.relative(tmp_path) == str(tmp_path)


def test_a_requirement_on_another_drive_is_named_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared.txt").write_text("otree==3.4.0\n")
    own = tmp_path / "own"
    own.mkdir()
    (own / "requirements.txt").write_text(f"-r {tmp_path / 'shared.txt'}\n")
    monkeypatch.setattr(os.path, "relpath", other_drive)
    assert [line.place for line in requirements.lines(own)] == [str(tmp_path / "shared.txt")]


def test_what_is_to_be_typed_next_names_another_drive_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings.py").touch()
    monkeypatch.setattr(os.path, "relpath", other_drive)
    add = pick.pick(tmp_path, "3.4.0").next()[0]
    run = console.typed(*console.python(), ROOT / "run.py")
    assert add == f"{run} add {console.typed(tmp_path)} --otree 3.4.0"


def test_every_command_is_named_as_it_starts_on_this_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "python", lambda: ("py",))
    monkeypatch.setattr(maintainer_cli, "IN_CHECKOUT", False)
    assert all(line.startswith("py ") for line in pick.pick(tmp_path, "3.4.0").next())
    with pytest.raises(UserError, match=r"run `py run\.py releases`"):
        releases.find("99.9")
    with pytest.raises(UserError, match=r"run `py run\.py lock` there"):
        maintainer_cli.COMMANDS["lock"].main([], standalone_mode=False)


@pytest.mark.parametrize(
    ("system", "programs"),
    [
        ("linux", ["bin", "bin/python", "bin/otree"]),
        ("win32", ["Scripts", "Scripts/python.exe", "Scripts/otree.exe"]),
    ],
)
def test_an_environments_programs_are_where_each_system_has_them(
    system: str, programs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    there = runpy.run_path(str(environment.__file__))["Environment"](tmp_path)
    found = [there.scripts, there.python, there.otree]
    assert [path.relative_to(tmp_path).as_posix() for path in found] == programs


def test_on_windows_otree_prints_in_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would end at a letter that the code page does not have."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    assert Environment(tmp_path).variables()["PYTHONIOENCODING"] == "utf-8"


ASKED = {
    "an interpreter": "interpreters.says([python, '-c', PRINT])",
    "an environment": "Environment(Path(sys.argv[1]))._output('-c', PRINT)",
}

ASK = r"""
import sys
from pathlib import Path
from channelsmin.runtime import interpreters
from channelsmin.runtime.environment import Environment
PRINT, python = "print('\\u6f22')", sys.executable
print(ascii({}))
"""

ASCII_ONLY = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
"""What gives a Python on Linux an encoding with few letters, as Windows has its code pages."""


@pytest.mark.parametrize("who", ASKED)
@pytest.mark.skipif(sys.platform == "win32", reason="its interpreter is a link")
def test_a_python_tells_letters_that_the_system_does_not_have(who: str, tmp_path: Path) -> None:
    """A path may have them."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    told = subprocess.check_output(
        [sys.executable, "-c", ASK.format(ASKED[who]), tmp_path],
        env={**os.environ, **ASCII_ONLY, "PYTHONPATH": str(ROOT / "src")},
    )
    assert told.decode().strip() == ascii("漢")


def test_a_file_is_written_with_the_same_bytes_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_on_windows(path: Path, text: str, encoding: str = "cp1252") -> None:
        path.write_bytes(text.replace("\n", "\r\n").encode(encoding))

    monkeypatch.setattr(Path, "write_text", as_on_windows)
    paths.write_atomically(tmp_path / "new" / "file", "Übung\nzwei\n")
    assert (tmp_path / "new" / "file").read_bytes() == "Übung\nzwei\n".encode()


def test_nobody_is_root_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(os, "geteuid", raising=False)
    assert not programs.is_root()


def test_a_path_that_pip_is_told_stays_one_of_linux_under_wine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the current folder is on drive C, it would become one there."""
    for name, value in {"PIP_FIND_LINKS": "/srv/wheels", "PIP_TIMEOUT": "9", "HOME": "/a"}.items():
        monkeypatch.setenv(name, value)
    script = runpy.run_path(str(ROOT / "scripts" / "set_up_wine.py"))
    told = script["environment"](Path("prefix"))
    assert told["PIP_FIND_LINKS"] == "Z:/srv/wheels"
    assert (told["PIP_TIMEOUT"], told["HOME"]) == ("9", "/a")


ONLY_POSIX = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")

IMPORT_ALL = f"""
import importlib, os, pkgutil, sys
import channelsmin

def import_all():
    for module in pkgutil.walk_packages(channelsmin.__path__, "channelsmin."):
        importlib.import_module(module.name)

import_all()  # what they import from elsewhere is there now
for name in [name for name in sys.modules if name.startswith("channelsmin.")]:
    del sys.modules[name]
sys.modules.update(dict.fromkeys({ONLY_POSIX}))
del os.geteuid, os.killpg
import_all()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="its other packages are those of this system")
def test_no_module_needs_what_windows_lacks_to_be_imported() -> None:
    subprocess.run(
        [sys.executable, "-c", IMPORT_ALL],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=True,
    )


def test_a_file_is_closed_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows renames no open file."""
    opened: list[IO[bytes]] = []
    real_open, real_replace = NamedTemporaryFile, Path.replace

    def noted(dir: Path, delete: bool) -> IO[bytes]:
        opened.append(real_open(dir=dir, delete=delete))
        return opened[-1]

    def replace(path: Path, target: Path) -> Path:
        assert [file.closed for file in opened] == [True]
        return real_replace(path, target)

    monkeypatch.setattr(paths, "NamedTemporaryFile", noted)
    monkeypatch.setattr(Path, "replace", replace)
    paths.write_atomically(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"


def test_a_file_that_cannot_be_replaced_leaves_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file that is open in another program on Windows."""

    def is_open(path: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "in use", str(path))

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(Path, "replace", is_open)
    with pytest.raises(PermissionError):
        paths.write_atomically(tmp_path / "file", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_a_file_that_is_open_in_another_program_is_named() -> None:
    error = OSError(errno.EACCES, "in use", "results.xlsx")
    error.winerror = errors.OPEN_ELSEWHERE  # type: ignore[attr-defined, unused-ignore]
    assert errors.in_one_line(error) == (
        "results.xlsx: it is open in another program: close it there and run this again"
    )


TEXT_OF = {"read_text", "write_text"}

WITH_MODE = {"r", "w", "a", "x", "r+", "w+", "a+"}


def opens_text(call: ast.Call) -> bool:
    """Return whether a call opens a file as text, as far as its words tell."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    return name in TEXT_OF or (name in {"open", "fdopen"} and bool(WITH_MODE.intersection(words)))


def test_every_text_file_is_opened_with_an_encoding() -> None:
    """Windows would take its code page."""
    without = [
        f"{file.relative_to(ROOT)}:{call.lineno}"
        for file in (ROOT / "run.py", *(ROOT / "src").rglob("*.py"))
        for call in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(call, ast.Call) and opens_text(call)
        if "encoding" not in {keyword.arg for keyword in call.keywords}
    ]
    assert without == []


@pytest.mark.skipif(not ((ROOT / ".git").exists() and shutil.which("git")), reason="it asks git")
def test_a_clone_has_the_same_line_ends_whatever_git_is_set_to(tmp_path: Path) -> None:
    git = ["git", "-c", "core.autocrlf=true", "-c", "advice.detachedHead=false"]
    subprocess.run([*git, "clone", "--quiet", ROOT, tmp_path / "clone"], check=True)
    for name in ("variants", "shared_templates", ".ci"):
        for file in (tmp_path / "clone" / name).rglob("*"):
            assert not file.is_file() or b"\r\n" not in file.read_bytes(), file


@pytest.mark.parametrize("system", [PurePosixPath, PureWindowsPath])
def test_fingerprints_do_not_depend_on_the_systems_order_or_slashes(system: type[PurePath]) -> None:
    root = system("C:/clone")
    named = fingerprints.named(root, [root / name for name in ("b.py", "A.py", "a/c.py", "B.py")])
    assert list(named) == ["A.py", "B.py", "a/c.py", "b.py"]
