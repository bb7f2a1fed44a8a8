"""What differs between systems: commands to type, paths on other drives, line ends."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from channelsmin import console, errors, paths
from channelsmin.paths import ROOT
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


def test_a_path_on_another_drive_is_given_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_drive(path: Path) -> str:
        raise ValueError("path is on mount 'C:', start on mount 'Z:'")

    monkeypatch.setattr(os.path, "relpath", other_drive)
    assert paths.relative(tmp_path) == str(tmp_path)


def test_a_file_is_written_with_the_same_bytes_everywhere(tmp_path: Path) -> None:
    paths.write_atomically(tmp_path / "new" / "file", "Übung\nzwei\n")
    assert (tmp_path / "new" / "file").read_bytes() == "Übung\nzwei\n".encode()


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


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="it asks git")
def test_a_clone_has_the_same_line_ends_whatever_git_is_set_to(tmp_path: Path) -> None:
    git = ["git", "-c", "core.autocrlf=true", "-c", "advice.detachedHead=false"]
    subprocess.run([*git, "clone", "--quiet", ROOT, tmp_path / "clone"], check=True)
    for name in ("variants", "shared_templates", ".ci"):
        for file in (tmp_path / "clone" / name).rglob("*"):
            assert not file.is_file() or b"\r\n" not in file.read_bytes(), file


def test_fingerprints_do_not_depend_on_the_systems_order_or_slashes(tmp_path: Path) -> None:
    for name in ("b.py", "A.py", "a/c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    listed = [line.split()[0] for line in fingerprints._of_export(tmp_path)]
    assert [line for line in listed if line.endswith(".py")] == ["A.py", "a/c.py", "b.py"]
