#!/usr/bin/env python3
"""Do this project's set-up, once, and run one of its commands.

    python3 run.py demo        show the newest oTree that this machine runs
    python3 run.py test        test the eras set
    python3 run.py --help      the rest

Needs Linux or macOS and a Python >= 3.10 with venv and pip. Everything is put into .venv,
beside this file.
"""

import os
import subprocess
import sys
import venv
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
COMMAND = VENV / "bin" / "channelsmin"


def set_up() -> None:
    """Make .venv and install the project into it, unless that was done for this pyproject."""
    wanted = sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    done = VENV / "installed"
    if done.exists() and done.read_text() == wanted:
        return
    print("Setting up .venv (once) ...", flush=True)  # noqa: T201
    try:
        venv.create(VENV, clear=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(
            f"run.py: .venv could not be made ({error}); on Debian and Ubuntu, "
            "`apt install python3-venv` adds what is missing"
        )
    project = ["--editable", f"{ROOT}[test,lint,bench]"]
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", *project]
    if subprocess.run(pip, check=False).returncode:
        sys.exit("run.py: the packages could not be installed: see above, and run this again")
    done.write_text(wanted)


def main() -> None:
    """Set up, then become the project's own command line, so that Ctrl-C is its alone."""
    if sys.version_info < (3, 10):
        sys.exit("run.py: needs Python 3.10 or newer; this is " + sys.version.split()[0])
    if sys.platform == "win32":
        sys.exit("run.py: does not run on Windows itself: use the Windows Subsystem for Linux")
    try:
        set_up()
    except KeyboardInterrupt:
        sys.exit(130)
    os.execv(COMMAND, [str(COMMAND), *sys.argv[1:]])


if __name__ == "__main__":
    main()
