#!/usr/bin/env python3
"""Do this project's set-up, once, and run one of its commands.

    python3 run.py demo        run the newest oTree that this machine can run
    python3 run.py test        test the default releases (env_list in tox.ini)
    python3 run.py --help      list the other commands

On Windows: `py run.py demo`. Needs Python 3.10 or newer with venv and pip. Everything is installed
into .venv, next to this file: for the commands for your project a few packages, for the commands
for maintainers also what tests need.
"""

import sys

try:
    import os
    import signal
    import subprocess
    import time
    from collections.abc import Iterator, Sequence
    from contextlib import contextmanager, suppress
    from hashlib import sha256
    from importlib.util import find_spec
    from pathlib import Path
    from types import FrameType
    from typing import BinaryIO
except KeyboardInterrupt:
    sys.exit(130)

if sys.version_info < (3, 10):  # before anything that an older one does not understand
    sys.exit(
        f"run.py: needs Python 3.10 or newer; this is {sys.version.split()[0]}: "
        "install a newer one, for example from https://www.python.org/downloads/"
    )

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
ON_WINDOWS = sys.platform == "win32"
PYTHON = VENV / ("Scripts/python.exe" if ON_WINDOWS else "bin/python")
COMMAND = VENV / ("Scripts/channelsmin.exe" if ON_WINDOWS else "bin/channelsmin")
"""Not `python -m channelsmin`, which would run the app of this name in somebody's project."""

FOR_PROJECTS = {"add", "demo", "doctor", "export", "pick", "rebuild"}
"""The commands that need no extras; so does a command line without a command."""

EXTRAS = "test,lint,bench"
"""What the other commands need, those for maintainers."""

WAIT_SECONDS = 0.5
"""On Windows, nothing interrupts a wait: after so long, Ctrl-C is looked for."""

END_SECONDS = 5
"""How long pip may take to remove its temporary folders."""


def extras_for(arguments: Sequence[str]) -> str:
    """Return the extras that a command needs, "" for none."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    return "" if not command or command in FOR_PROJECTS else EXTRAS


def marker(extras: str) -> Path:
    """Return the file that says for what these extras were installed."""
    return VENV / ("installed-all" if extras else "installed")


def wanted() -> str:
    """Return what a marker has to contain: it names pyproject.toml's content, and this folder.

    A clone that was copied or moved would otherwise run the code of the old folder, or nothing.
    """
    return sha256((ROOT / "pyproject.toml").read_bytes() + os.fsencode(ROOT)).hexdigest()


def is_set_up(extras: str) -> bool:
    """Return whether .venv works here and contains these extras, or more."""
    markers = {marker(extras), marker(EXTRAS)}
    if not PYTHON.exists():
        return False
    return any(file.exists() and file.read_text(encoding="utf-8") == wanted() for file in markers)


def set_up(extras: str) -> None:
    """Make .venv and install the project into it, unless that was done."""
    if is_set_up(extras):
        return
    with one_at_a_time():
        if not is_set_up(extras):  # another run.py may have done it meanwhile
            install(extras)


def install(extras: str) -> None:
    """Make .venv, or take the sound one that has other extras, and install the project into it."""
    if VENV.is_symlink():  # venv would delete what somebody keeps there
        sys.exit(f"run.py: {VENV} is a link: remove it, since what it leads to would be deleted")
    sys.stderr.write("Setting up .venv (once) ...\n")
    make = [sys.executable, "-I", "-m", "venv", "--clear", str(VENV)]
    if not is_set_up("") and run_alone(make):
        sys.exit("run.py: .venv could not be made: see above")
    project = ["--editable", f"{ROOT}[{extras}]" if extras else str(ROOT)]
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *project]
    if run_alone(pip):
        sys.exit("run.py: the packages could not be installed: see above, and run this again")
    name_relatively()
    marker(extras).write_text(wanted(), encoding="utf-8")


def name_relatively() -> None:
    """Name this project's folders in .venv by their way from there, and so in ASCII.

    pip has written their paths in UTF-8. Before 3.13, Python reads that in the code page of
    Windows: with an ö in them nothing is found, with some other letters Python does not even start.
    """
    for pattern in ("Lib", "lib/python*"):
        for file in VENV.glob(f"{pattern}/site-packages/_channelsmin.pth"):
            paths = file.read_text(encoding="utf-8").splitlines()
            ways = [os.path.relpath(file.parent / path, file.parent) for path in paths]
            file.write_text("\n".join(ways), encoding="ascii")


def run_alone(command: Sequence[str]) -> int:
    """Run a program and return its exit status; nothing that it started outlives this one.

    Where this one is ended, it ends as at Ctrl-C: pip then removes its temporary folders.
    """
    # A user's pip.conf or PIP_USER would let pip refuse to install into an environment.
    variables = {**os.environ, "PIP_USER": "0"}
    process = subprocess.Popen(command, env=variables, start_new_session=True)
    try:
        return wait(process)
    except BaseException:
        if sys.platform == "win32":  # where Ctrl-C has reached it, too
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
            process.kill()
        else:
            for number in (signal.SIGINT, signal.SIGKILL):
                with suppress(OSError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, number)
                    process.wait(END_SECONDS)
        raise


def wait(process: "subprocess.Popen[bytes]") -> int:
    """Wait in steps until a program ends; return its exit status."""
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(WAIT_SECONDS)


def leave(number: int, frame: FrameType | None) -> None:
    """End this program at a signal, with the status that a shell tells."""
    sys.exit(128 + number)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let only one run.py of this clone install, while the block runs; the others wait."""
    try:
        file = (ROOT / ".venv.lock").open("ab")
    except OSError as error:
        sys.exit(f"run.py: {ROOT} cannot be written to ({error}): clone to another folder")
    with file:
        while not locked(file):
            time.sleep(WAIT_SECONDS)
        yield


def locked(file: BinaryIO) -> bool:
    """Lock an open file if no other program has; return whether it is locked."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def run_and_wait(command: Sequence[str]) -> int:
    """Run a program on this terminal and return its exit status. Ctrl-C reaches it, too."""
    process = subprocess.Popen(command)
    while True:
        with suppress(KeyboardInterrupt):
            return wait(process)


def lacks(arguments: Sequence[str]) -> str:
    """Return what this machine lacks for certain and how to get it, "" if nothing.

    In the first second, since the set-up for tests takes minutes.
    """
    if is_set_up(extras_for(arguments)):
        return ""  # the command itself looks
    lacking = [] if find_spec("venv") and find_spec("ensurepip") else [how_to_get_venv()]
    if arguments[:1] == ["test"]:
        sys.path.insert(0, str(ROOT / "src"))
        from channelsmin.runtime import programs  # it needs no package

        lacking.append(programs.lack_for_certain())
    return "; ".join(filter(None, lacking))


def how_to_get_venv() -> str:
    """Return how to get venv and pip for this Python. Debian has them in a package of their own."""
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    install = f"`sudo apt-get install {python}-venv` installs them on Debian and Ubuntu"
    return f"{sys.executable} lacks venv or pip: {install}"


def main() -> None:
    """Set up, then become the project's own command line."""
    arguments = sys.argv[1:]
    if missing := lacks(arguments):
        sys.exit(f"run.py: {missing}")
    set_up(extras_for(arguments))
    command = [str(COMMAND), *arguments]
    if ON_WINDOWS:  # os.execv would end this process at once there, and split words at spaces
        sys.exit(run_and_wait(command))
    # Python's start would end in a traceback at Ctrl-C; __main__.py lets it through again.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.execv(COMMAND, command)


if __name__ == "__main__":
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) == signal.SIG_DFL:  # not under nohup
            signal.signal(number, leave)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
