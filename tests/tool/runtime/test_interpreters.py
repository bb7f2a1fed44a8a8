"""The places in which interpreters are searched for."""

import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from channelsmin.runtime import interpreters

HERE = "{}.{}".format(*sys.version_info[:2])


on_posix = pytest.mark.skipif(sys.platform == "win32", reason="its interpreters are links")


def linked(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True)
    (folder / name).symlink_to(sys.executable)
    return folder / name


@on_posix
def test_a_shim_that_does_not_start_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "shims").mkdir()
    shim = tmp_path / "shims" / f"python{HERE}"
    shim.write_text("#!/bin/sh\necho no version is selected >&2\nexit 127\n")
    shim.chmod(0o755)
    real = linked(tmp_path / "pyenv" / "versions" / f"{HERE}.99" / "bin", f"python{HERE}")
    monkeypatch.setenv("PATH", str(tmp_path / "shims") + os.pathsep + os.environ["PATH"])
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    found = list(interpreters.interpreters(HERE))
    assert shim not in found
    assert real in found


@on_posix
def test_what_uv_has_installed_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = linked(tmp_path / f"cpython-{HERE}.99-linux" / "bin", f"python{HERE}")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path))
    assert real in list(interpreters.interpreters(HERE))


def test_a_python_that_nobody_has_is_not_found() -> None:
    assert list(interpreters.interpreters("3.99")) == []


WINDOWS = {
    "of python.org, for one user": ("LOCALAPPDATA", "Programs/Python/Python37/python.exe"),
    "of python.org, for all": ("PROGRAMFILES", "Python37/python.exe"),
    "of an old installer": ("SYSTEMDRIVE", "Python37/python.exe"),
    "of uv": ("APPDATA", "uv/python/cpython-3.7.9-windows-x86_64-none/python.exe"),
    "of pyenv-win": ("PYENV_ROOT", "versions/3.7.9/python.exe"),
    "of conda": ("PROGRAMDATA", "miniconda3/python.exe"),
    "of a conda environment": ("PROGRAMDATA", "anaconda3/envs/old/python.exe"),
}


@pytest.mark.parametrize("whose", WINDOWS)
def test_on_windows_the_usual_places_are_searched(
    whose: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name, path = WINDOWS[whose]
    python = tmp_path / path
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(interpreters, "says", lambda command: "3.7" * (command[0] == str(python)))
    monkeypatch.setenv(name, str(tmp_path))
    assert list(interpreters.interpreters("3.7")) == [python]


def test_on_windows_the_launcher_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "Übung" / "python.exe"

    def says(command: Sequence[str]) -> str:
        if command[:2] == ["py", "-3.7"]:
            return str(python)
        return "3.7" if command[0] == str(python) else ""

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(shutil, "which", lambda name: name if name == "py" else None)
    monkeypatch.setattr(interpreters, "says", says)
    assert list(interpreters.interpreters("3.7")) == [python]


def test_on_windows_an_environments_python_is_not_taken_for_the_real_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "_base_executable", "base.exe", raising=False)
    monkeypatch.setattr(interpreters, "says", lambda command: HERE)
    assert next(interpreters.interpreters(HERE)) == Path("base.exe")


@on_posix
def test_an_interpreter_in_a_folder_of_other_letters_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = linked(tmp_path / f"cpython-{HERE}.99-漢字" / "bin", f"python{HERE}")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path))
    monkeypatch.setenv("LC_ALL", "C")
    assert real in list(interpreters.interpreters(HERE))


@on_posix
def test_of_homebrews_pythons_the_right_one_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = linked(tmp_path / "opt" / f"python@{HERE}" / "bin", f"python{HERE}")
    monkeypatch.setattr(interpreters, "HOMEBREW", (tmp_path,))
    assert real in list(interpreters.interpreters(HERE))


def test_a_projects_own_modules_are_not_taken_for_pythons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module venv imports `signal`, which may be the name of an app."""
    (tmp_path / "signal").mkdir()
    (tmp_path / "signal" / "__init__.py").write_text("raise SystemExit('an app')\n")
    monkeypatch.chdir(tmp_path)
    assert interpreters.says([sys.executable, "-c", interpreters.ASK]) == HERE


@pytest.mark.parametrize(
    ("system", "machine", "pythons", "advice"),
    [
        ("linux", "x86_64", ["3.12"], "uv python install 3.12"),
        ("linux", "x86_64", ["3.7", "3.8"], "uv python install 3.8"),
        ("linux", "x86_64", ["3.7", "3.6"], "pyenv install 3.7"),
        ("darwin", "arm64", ["3.7"], "no Python 3.7 for Apple processors: with Rosetta"),
        ("darwin", "arm64", ["3.8"], "uv python install 3.8"),
        ("darwin", "x86_64", ["3.7"], "python.org/downloads/macos"),
        ("win32", "AMD64", ["3.7"], "python.org/downloads/windows"),
    ],
)
def test_how_to_install_a_python_depends_on_the_machine(
    system: str, machine: str, pythons: list[str], advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert advice in interpreters.how_to_install(pythons)


def test_where_the_program_that_installs_a_python_comes_from_is_said_if_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    told = "`pyenv install 3.7` (from https://github.com/pyenv/pyenv) installs it"
    assert interpreters.how_to_install(["3.7"]) == told
    monkeypatch.setattr(shutil, "which", lambda name: name)
    assert interpreters.how_to_install(["3.7"]) == "`pyenv install 3.7` installs it"


def test_the_interpreter_of_a_script_is_the_one_that_it_names(tmp_path: Path) -> None:
    script = tmp_path / "otree"
    script.write_text("#!/opt/my env/bin/python3.7\nimport otree\n")
    assert interpreters.of_script(script) == Path("/opt/my env/bin/python3.7")
    script.write_text("#!/bin/sh\n")
    assert interpreters.of_script(script) == tmp_path / "python"


@pytest.mark.parametrize("quote", ["", '"'])
def test_the_interpreter_of_a_windows_script_is_found_in_the_program(
    quote: str, tmp_path: Path
) -> None:
    script = tmp_path / "otree.exe"
    line = f"#!{quote}C:\\Users\\Jürgen M\\python.exe{quote}\r\n".encode()
    script.write_bytes(b"MZ\0\0 #!python \n\0" * 9 + line + b"PK\x03\x04__main__.py")
    assert interpreters.of_script(script) == Path("C:\\Users\\Jürgen M\\python.exe")
    script.write_bytes(b"MZ\0\0")
    assert interpreters.of_script(script) == tmp_path / "python.exe"


UV = """#!/bin/sh
[ "$1 $2" = "python install" ] || exit 1
mkdir -p "$UV_PYTHON_INSTALL_DIR/cpython-$3.99-x/bin"
printf '#!/bin/sh\\necho %s\\n' "$3" > "$UV_PYTHON_INSTALL_DIR/cpython-$3.99-x/bin/python$3"
/bin/chmod +x "$UV_PYTHON_INSTALL_DIR/cpython-$3.99-x/bin/python$3"
"""
"""Plays uv; what it installs says its version, whatever it is asked."""


@pytest.mark.parametrize("consent", ["asked for", "CI", "none"])
@pytest.mark.skipif(sys.platform == "win32", reason="uv is played by a shell script")
def test_uv_installs_what_is_missing_with_consent_only(
    consent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv").write_text(UV)
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "pythons"))
    monkeypatch.delenv("CI", raising=False)
    if consent == "CI":
        monkeypatch.setenv("CI", "true")
    try:
        assert interpreters.first("3.99") is None
        made = interpreters.obtain(["3.6", "3.99"], consent=consent == "asked for")
        assert bool(made) == (consent != "none")
        assert (tmp_path / "pythons").exists() == (consent != "none")
        assert interpreters.obtain(["3.6"], consent=True) is None
    finally:
        interpreters.first.cache_clear()
