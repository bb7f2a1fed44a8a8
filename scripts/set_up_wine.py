"""Set up a CPython for Windows under wine, to run the tool's tests with it.

    .venv/bin/python scripts/set_up_wine.py ../wine
    .venv/bin/python scripts/set_up_wine.py ../wine --python 3.7   # another Python, next to it
    .venv/bin/python scripts/set_up_wine.py ../wine --run run.py pick --otree 3.4.0
    .venv/bin/python scripts/set_up_wine.py ../wine --test         # the tests of the tool

Needs Debian's packages wine, wine64 and gcc-mingw-w64-x86-64, and a Linux CPython of the same minor
version, whose standard library is copied. The interpreter itself comes from a wheel of panda3d for
Windows, which contains one in order to build games.

It is no proof of Windows: wine 8 has its own file system, console and sockets, and what psutil
needs is missing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from channelsmin.runtime import interpreters

SOURCES = Path(__file__).resolve().parent / "windows"

COMPILER = "x86_64-w64-mingw32-gcc"

WHEEL = "panda3d==1.10.16"
"""A package whose wheels for Windows each contain an interpreter."""

OPTIONS = (
    *("-p", "no:cacheprovider", "--confcutdir", "tests/tool"),
    *("--ignore", "tests/tool/runtime/test_demo.py"),
)
"""Nothing of the suite: psutil, which it measures with, does not load under wine."""

OF_LINUX = {"VIRTUAL_ENV", "PYENV_ROOT", "PYTHONPATH"}
"""Variables that mean folders of Linux."""

TESTS = (
    *(
        "tests/tool/runtime",
        "tests/tool/matrix",
        "tests/tool/test_run_py.py",
        "tests/tool/test_systems.py",
    ),
    *("tests/tool/project/test_pick.py", "tests/tool/project/test_add_writing.py"),
)
"""The tests that can run under wine: not those that start browsers, terminals or shells."""

PYTHONS = ("3.7", "3.11")
"""The Pythons that were tried: 3.11 for the tool and for oTree 5 and 6, 3.7 for oTree 2 and 3."""


def compile_to(source: str, target: Path, *options: str) -> None:
    """Compile one of the C files next to this script for Windows."""
    command = [COMPILER, *options, "-O1", str(SOURCES / source), "-o", str(target)]
    subprocess.run(command, check=True)


def interpreter(version: str, folder: Path) -> None:
    """Put a Python for Windows into `folder`."""
    nodot = version.replace(".", "")
    with tempfile.TemporaryDirectory() as name:
        platform = ["--platform", "win_amd64", "--python-version", version, "--no-deps"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", name, *platform]
        subprocess.run([*command, "--only-binary", ":all:", WHEEL], check=True)
        (wheel,) = Path(name).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            members = [m for m in archive.namelist() if m.startswith("deploy_libs/")]
            archive.extractall(name, members)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "DLLs").mkdir(exist_ok=True)
        for file in Path(name, "deploy_libs").iterdir():
            is_module = file.suffix == ".pyd" or file.name.startswith(("lib", "sqlite"))
            shutil.copy(file, folder / "DLLs" if is_module else folder)
    linux = interpreters.first(version)
    if linux is None:
        sys.exit(f"Python {version} not found: `uv python install {version}` installs it")
    ask = [str(linux), "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"]
    library = subprocess.run(ask, check=True, capture_output=True, text=True).stdout
    unwanted = shutil.ignore_patterns(
        "site-packages", "__pycache__", "test", "config-*", "lib-dynload", "_sysconfigdata*"
    )
    shutil.copytree(library.strip(), folder / "Lib", ignore=unwanted, dirs_exist_ok=True)
    (folder / "Lib" / "site-packages").mkdir(exist_ok=True)
    compile_to("stub.c", folder / "python.exe", f'-DPYTHON=L"python{nodot}.dll"', "-municode")
    # venv copies these launchers into each environment.
    scripts = folder / "Lib" / "venv" / "scripts" / "nt"
    scripts.mkdir(parents=True, exist_ok=True)
    for launcher in ("python.exe", "pythonw.exe", "venvlauncher.exe"):
        compile_to("launcher.c", scripts / launcher, "-municode")


def run(prefix: Path, python: Path, *arguments: str) -> int:
    """Run a Python for Windows in this folder, and return its exit status.

    Its streams are pipes: wine gives a program that was started from a script no others.
    """
    variables = {**environment(prefix), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        ["wine", str(python), *arguments],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.close()
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
    return process.returncode


def environment(prefix: Path) -> dict[str, str]:
    """Return the variables with which wine uses this prefix, and no window.

    A path of Linux is on drive Z; without the drive, it would be on that of the current folder.
    """
    kept = {name: value for name, value in os.environ.items() if name not in OF_LINUX}
    of_pip = {
        name: f"Z:{value}"
        for name, value in kept.items()
        if name.startswith("PIP_") and value.startswith("/")
    }
    return {**kept, **of_pip, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "DISPLAY": ""}


def test(prefix: Path, base: Path) -> int:
    """Run the tests of the tool that can run under wine; return pytest's exit status."""
    place = prefix / "drive_c" / "tests"
    python = place / "Scripts" / "python.exe"
    if not python.exists():
        run(prefix, base, "-m", "venv", r"C:\tests")
        run(prefix, python, "-m", "pip", "install", "--quiet", "--editable", ".[test]")
    return run(prefix, python, "-m", "pytest", "-q", *OPTIONS, *TESTS)


def main() -> None:
    """Set up the prefix and the interpreter, or use them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to set it up")
    parser.add_argument("--python", choices=PYTHONS, default="3.11")
    parser.add_argument("--test", action="store_true", help="then run the tests of the tool")
    parser.add_argument("--run", nargs=argparse.REMAINDER, help="then run it with these arguments")
    arguments = parser.parse_args()
    prefix = arguments.folder.resolve()
    place = prefix / "drive_c" / f"Python{arguments.python.replace('.', '')}"
    if not (place / "python.exe").exists():
        set_up(prefix, place, arguments.python)
    if arguments.run:
        sys.exit(run(prefix, place / "python.exe", *arguments.run))
    if arguments.test:
        sys.exit(test(prefix, place / "python.exe"))


def set_up(prefix: Path, place: Path, version: str) -> None:
    """Create the prefix of wine, and put an interpreter into it."""
    if missing := [name for name in ("wine", COMPILER) if not shutil.which(name)]:
        sys.exit(
            f"{' and '.join(missing)} not found: "
            "`apt-get install wine wine64 gcc-mingw-w64-x86-64` installs them"
        )
    boot = ["wineboot", "--init"]
    subprocess.run(boot, env=environment(prefix), check=True, stderr=subprocess.DEVNULL)
    interpreter(version, place)
    compile_to("prng.c", prefix / "drive_c/windows/system32/bcryptprimitives.dll", "-shared")
    run(prefix, place / "python.exe", "-c", "import ssl, sqlite3, sys; print(sys.version)")


if __name__ == "__main__":
    main()
