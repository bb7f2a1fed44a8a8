#!/usr/bin/env python3
"""Do this project's set-up, once, and run one of its commands.

    python3 run.py demo        show the newest oTree that this machine runs
    python3 run.py test        test the eras set
    python3 run.py --help      the rest

Needs a Python >= 3.10 with venv and pip. Everything is put into .venv, beside this file.
"""

import subprocess
import sys
import venv
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if sys.platform == "win32" else "bin")


def set_up() -> None:
    """Make .venv and install the project into it, unless that was done for this pyproject."""
    wanted = sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    done = VENV / "installed"
    if done.exists() and done.read_text() == wanted:
        return
    print("Setting up .venv (once) ...", flush=True)  # noqa: T201
    venv.create(VENV, with_pip=True)
    project = ["--editable", f"{ROOT}[test,lint]"]
    pip = [str(BIN / "python"), "-m", "pip", "install", "--quiet", *project]
    if subprocess.run(pip, check=False).returncode:
        sys.exit("run.py: the packages could not be installed: see above, and run this again")
    done.write_text(wanted)


def main() -> int:
    """Set up, then hand over to the command line of the project."""
    if sys.version_info < (3, 10):
        sys.exit("run.py: needs Python 3.10 or newer; this is " + sys.version.split()[0])
    set_up()
    try:
        return subprocess.run([str(BIN / "channelsmin"), *sys.argv[1:]], check=False).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
