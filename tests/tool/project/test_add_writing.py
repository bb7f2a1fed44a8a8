"""What `add` writes: nothing of the user's is lost, whatever happens in the meantime."""

import errno
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from channelsmin.errors import UserError
from channelsmin.matrix import releases
from channelsmin.project import add

SETTINGS = "SESSION_CONFIGS = []\n"

RELEASE = releases.find("3.4.0")


def project(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "settings.py").write_text(SETTINGS)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_what_was_saved_while_it_asked_is_not_overwritten(tmp_path: Path) -> None:
    planned = add.plan(project(tmp_path), add.APP, RELEASE)
    (tmp_path / "settings.py").write_text(f"{SETTINGS}PRECIOUS = 1\n")
    before = contents(tmp_path)
    with pytest.raises(UserError, match=r"settings\.py was changed meanwhile"):
        planned.write()
    assert contents(tmp_path) == before


def test_an_app_that_has_come_into_being_meanwhile_is_left_alone(tmp_path: Path) -> None:
    planned = add.plan(project(tmp_path), add.APP, RELEASE)
    (tmp_path / add.APP).mkdir()
    (tmp_path / add.APP / "mine.py").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(UserError, match="has come into being meanwhile"):
        planned.write()
    assert contents(tmp_path) == before


def test_an_older_backup_is_kept(tmp_path: Path) -> None:
    backup = project(tmp_path) / "settings.py.before-channelsmin"
    backup.write_text("PRECIOUS")
    planned = add.plan(tmp_path, add.APP, RELEASE)
    assert planned.lines()[-1] == "new: settings.py.before-channelsmin-2"
    planned.write()
    assert backup.read_text() == "PRECIOUS"
    assert (tmp_path / "settings.py.before-channelsmin-2").read_text() == SETTINGS


def test_the_settings_are_replaced_in_one_step_on_windows_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, a rename replaces no file: shutil.move would copy, and may stop half-way."""
    rename = os.rename

    def as_on_windows(old: Path, new: Path) -> None:
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, "Cannot create a file that exists", str(new))
        rename(old, new)

    def copy(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    planned = add.plan(project(tmp_path), add.APP, RELEASE)
    monkeypatch.setattr(os, "rename", as_on_windows)
    monkeypatch.setattr(shutil, "copyfile", copy)
    planned.write()
    assert "app_sequence=['channelsmin']" in (tmp_path / "settings.py").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="a link needs rights there")
def test_a_link_to_a_full_disk_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = project(tmp_path / "disk")
    own = tmp_path / "own"
    own.mkdir()
    (own / "settings.py").symlink_to(disk / "settings.py")
    written = os.fsync

    def full(handle: int) -> None:
        written(handle)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"disk or .*own cannot be written to: the disk is full"):
        add.plan(own, add.APP, RELEASE).write()
    assert contents(disk) == {"settings.py": SETTINGS.encode()}
    assert [path.name for path in own.iterdir()] == ["settings.py"]


@pytest.mark.skipif(not shutil.which("mount"), reason="it mounts a small disk")
def test_a_link_to_a_disk_that_is_really_full_stays_whole(tmp_path: Path) -> None:
    disk, own = tmp_path / "disk", tmp_path / "own"
    disk.mkdir()
    own.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("only root may mount a disk")
    try:
        long = SETTINGS + "# precious\n" * 340
        (disk / "settings.py").write_text(long)
        (own / "settings.py").symlink_to(disk / "settings.py")
        with pytest.raises(UserError, match="cannot be written to"):
            add.plan(own, add.APP, RELEASE).write()
        assert contents(disk) == {"settings.py": long.encode()}
        assert [path.name for path in own.iterdir()] == ["settings.py"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_several_at_once_lose_nobodys_config(tmp_path: Path) -> None:
    """Each is added, or says that it was not."""
    project(tmp_path)
    code = "from channelsmin.cli import main; main()"
    commands = [
        [sys.executable, "-c", code, "add", str(tmp_path), "--app", f"app{number}", "--yes"]
        for number in range(4)
    ]
    started = [
        subprocess.Popen([*command, "--otree", "3.4.0"], stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    said = [process.communicate(timeout=120)[1] for process in started]
    settings = (tmp_path / "settings.py").read_text()
    for number, process in enumerate(started):
        is_there = f"app_sequence=['app{number}']" in settings
        assert is_there == (process.returncode == 0), said
        assert is_there == (tmp_path / f"app{number}").is_dir()
        assert is_there or "was changed meanwhile" in said[number]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("aux", "Windows has no files of that name"),
        ("CON", "Windows has no files of that name"),
        ("nul", "Windows has no files of that name"),
        ("com1", "Windows has no files of that name"),
        ("a" * 51, "is too long"),
        ("a" * 240, "is too long"),
        ("__init__", "Python or oTree uses it already"),
        ("django", "Python or oTree uses it already"),
        ("starlette", "Python or oTree uses it already"),
    ],
)
def test_a_name_that_would_not_work_is_refused(name: str, why: str, tmp_path: Path) -> None:
    release = releases.find("6.0.15") if name == "starlette" else RELEASE
    with pytest.raises(UserError, match=why) as refused:
        add.plan(project(tmp_path), name, release)
    assert len(str(refused.value)) < 200


def test_a_terminal_that_ends_at_once_is_told_of_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NUL on Windows."""

    class Nul(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Nul())
    before = contents(project(tmp_path))
    with pytest.raises(UserError, match="no terminal to ask on; pass --yes"):
        add.run(tmp_path, add.APP, "3.4.0", sure=False)
    assert contents(tmp_path) == before


def test_what_a_killed_add_has_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    planned = add.plan(project(tmp_path), add.APP, RELEASE)
    left = tmp_path / f"{add.UNFINISHED}killed"
    (left / add.APP).mkdir(parents=True)
    (left / add.APP / "models.py").write_text("half")
    (tmp_path / f"{add.UNFINISHED}settings").write_text("half")
    (tmp_path / ".add-mine").mkdir()
    planned.write()
    hidden = {path.name for path in tmp_path.iterdir() if path.name.startswith(".")}
    assert hidden == {".add-mine"}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_an_add_that_is_killed_while_it_writes_leaves_nothing_after_the_next(
    tmp_path: Path,
) -> None:
    project(tmp_path)
    code = f"""
import os, signal
from pathlib import Path
from channelsmin.matrix import releases
from channelsmin.project import add
add.Addition._put_in_place = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
add.plan(Path({str(tmp_path)!r}), add.APP, releases.find("3.4.0")).write()
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode < 0
    assert any(path.name.startswith(add.UNFINISHED) for path in tmp_path.iterdir())
    assert (tmp_path / "settings.py").read_text() == SETTINGS
    add.plan(tmp_path, add.APP, RELEASE).write()
    assert not any(path.name.startswith(".") for path in tmp_path.iterdir())
    assert (tmp_path / add.APP / "models.py").is_file()
