"""Find this machine's Python interpreters."""

import functools
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from packaging.version import Version

from channelsmin import console
from channelsmin.matrix import variants

ASK = "import sys; del sys.path[0]; import venv; print('%d.%d' % sys.version_info[:2])"
"""Without the current folder: in a project, venv would import an app called `signal`."""

ASK_WHERE = "import sys; print(sys.executable)"

LAUNCHER_BYTES = 200_000
"""Of a Windows script, the interpreter's name stands behind the launcher, before a zip archive."""

SECONDS = 60
"""Seconds that an interpreter may take to answer; a slow disk and a virus scanner take some."""

HOMEBREW = tuple(map(Path, ("/opt/homebrew", "/usr/local", "/home/linuxbrew/.linuxbrew")))
"""Where Homebrew installs: on Apple processors, on Intel's, on Linux."""

UV = "https://docs.astral.sh/uv/"

PYENV = "https://github.com/pyenv/pyenv"

OLDEST_OF_UV = Version("3.8")
"""The oldest Python that a current uv installs (0.13, on every system)."""


def interpreters(version: str) -> Iterator[Path]:
    """Yield the interpreters of this machine for a Python version such as `3.7`.

    Searches PATH, pyenv's versions folder, the folder of uv's interpreters, Homebrew's and conda's;
    on Windows also where python.org's installer, the `py` launcher and pyenv-win have theirs. A
    shim of pyenv does not start unless a version is selected; it is skipped, as is everything that
    does not start.
    """
    seen = set[Path]()
    for candidate in _candidates(version):
        if candidate not in seen and says([str(candidate), "-c", ASK]) == version:
            yield candidate
        seen.add(candidate)


def _candidates(version: str) -> Iterator[Path]:
    if sys.platform == "win32":
        yield from _on_windows(version)
        return
    if found := shutil.which(f"python{version}"):
        yield Path(found)
    for folder in _folders_of_versions():
        yield from sorted(folder.glob(f"*{version}.*/bin/python{version}"), reverse=True)
    for prefix in HOMEBREW:
        yield from prefix.glob(f"opt/python@{version}/bin/python{version}")
    for conda in _folders_of_conda():
        yield from (path for path in _in_conda(conda, f"bin/python{version}") if path.exists())


def _on_windows(version: str) -> Iterator[Path]:
    """Yield what may be an interpreter of this version; the running one comes first.

    An environment's python.exe starts another one: `sys._base_executable` is the real one.
    """
    yield Path(getattr(sys, "_base_executable", sys.executable))
    launcher = shutil.which("py")
    if launcher and (told := says([launcher, f"-{version}", "-c", ASK_WHERE])):
        yield Path(told)
    nodot = version.replace(".", "")
    for name, below in {
        "LOCALAPPDATA": "Programs/Python",
        "PROGRAMFILES": "",
        "SYSTEMDRIVE": "",
    }.items():
        if place := os.environ.get(name):
            # `C:` alone would be the folder that is the current one of that drive.
            yield from Path(f"{place}/", below).glob(f"Python{nodot}*/python.exe")
    for folder in _folders_of_versions():
        yield from sorted(folder.glob(f"*{version}.*/python.exe"), reverse=True)
    for conda in _folders_of_conda():
        yield from _in_conda(conda, "python.exe")


def of_script(script: Path) -> Path:
    """Return the interpreter of an environment's script: what it names, or the one next to it.

    A script begins with `#!` and a path. On Windows it is a program, which contains that line.
    """
    text = script.read_bytes()[-LAUNCHER_BYTES:] if script.suffix == ".exe" else _first_line(script)
    named = re.findall(rb'#!\s*"?([^"\r\n\0]*python[^"\s\0]*)"?\s*$', text, re.MULTILINE)
    if named:
        return Path(os.fsdecode(named[-1]))
    return script.with_name("python.exe" if script.suffix == ".exe" else "python")


def _first_line(script: Path) -> bytes:
    with script.open("rb") as file:
        return file.readline(LAUNCHER_BYTES)


def says(command: Sequence[str | Path]) -> str:
    """Return what an interpreter prints; "" if it does not start.

    In UTF-8: its path may have letters that the system's code page does not have.
    """
    with suppress(OSError, ValueError, subprocess.TimeoutExpired):
        return subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        ).stdout.strip()
    return ""


def _folders_of_versions() -> Iterator[Path]:
    # The interpreter that runs this may itself be one of pyenv's or uv's: then the others
    # are next to it, even if HOME is another user's or empty.
    yield Path(sys.base_prefix).resolve().parent
    pyenv, uv = "~/.pyenv", "~/.local/share/uv/python"
    if sys.platform == "win32":
        pyenv, uv = "~/.pyenv/pyenv-win", f"{os.environ.get('APPDATA', '~')}/uv/python"
    yield _expanded(os.environ.get("PYENV_ROOT", pyenv)) / "versions"
    yield _expanded(os.environ.get("UV_PYTHON_INSTALL_DIR", uv))


def _expanded(path: str) -> Path:
    """Return a path without its `~`; as it is where nobody knows the home folder."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises then


def _folders_of_conda() -> Iterator[Path]:
    for name in ("miniconda3", "anaconda3", "miniforge3", "mambaforge"):
        yield _expanded(f"~/{name}")
        if sys.platform == "win32" and (everybodys := os.environ.get("PROGRAMDATA")):
            yield Path(everybodys, name)


def _in_conda(folder: Path, python: str) -> Iterator[Path]:
    """Yield the interpreters of a conda installation: its own, then those of its environments."""
    yield from folder.glob(python)
    yield from sorted(folder.glob(f"envs/*/{python}"))


def how_to_install(pythons: Sequence[str]) -> str:
    """Return how to get one of these Pythons on this machine, the preferred one first.

    uv installs 3.8 and later. Apple has made no older Python for its own processors, and pyenv
    compiles none there (its documentation); python.org's 3.7 and 3.6 for Intel run under Rosetta.
    """
    by_uv = [python for python in pythons if Version(python) >= OLDEST_OF_UV]
    if by_uv:
        return _installed_by("uv", UV, f"uv python install {by_uv[0]}")
    python = pythons[0]
    if sys.platform == "win32":
        return f"install Python {python} from https://www.python.org/downloads/windows/"
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return (
            f"there is no Python {python} for Apple processors: with Rosetta, python.org's Python "
            f"{python} for Intel runs (https://www.python.org/downloads/macos/)"
        )
    if sys.platform == "darwin":
        return f"install Python {python} from https://www.python.org/downloads/macos/"
    return _installed_by("pyenv", PYENV, f"pyenv install {python}")


def _installed_by(program: str, address: str, command: str) -> str:
    """Return the command that installs a Python, and where its program is to be had if need be."""
    where = "" if shutil.which(program) else f" (from {address})"
    return f"`{command}`{where} installs it"


def obtain(pythons: Sequence[str], consent: bool = False) -> Path | None:
    """Install the most preferred of these Pythons that uv has; return it, or None.

    Only with consent: `consent`, the variable CI, or a person at the terminal who agrees.
    """
    wanted, uv = _of_uv(pythons), _uv()
    if not wanted or not uv:
        return None
    command = [uv, "python", "install", wanted]
    if not (consent or os.environ.get("CI") or _agreed(f"Install Python {wanted} with uv?")):
        return None
    console.note(f"running: {console.typed(*command)}")
    if subprocess.run(command, check=False).returncode:
        return None
    first.cache_clear()
    return first(wanted)


def can_obtain(pythons: Sequence[str]) -> bool:
    """Return whether uv is there and has one of these Pythons."""
    return bool(_of_uv(pythons) and _uv())


def _of_uv(pythons: Sequence[str]) -> str | None:
    return next((python for python in pythons if Version(python) >= OLDEST_OF_UV), None)


def _uv() -> str | None:
    return shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))


def _agreed(question: str) -> bool:
    try:
        return sys.stdin.isatty() and input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


@functools.cache
def first(version: str) -> Path | None:
    """Return the first of this machine's interpreters for a Python version, or None."""
    return next(interpreters(version), None)


def best_version(release: Version) -> str:
    """Return the Python version to run `release` on: the preferred one that this machine has.

    If it has none of them, the preferred one. Raises UserError if no variant serves the release.
    """
    versions = variants.serving(release).pythons(release)
    return next(filter(first, versions), versions[0])


def best(release: Version) -> Path | None:
    """Return this machine's best interpreter for `release`, or None."""
    return first(best_version(release))
