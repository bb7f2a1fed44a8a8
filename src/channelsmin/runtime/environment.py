"""Create virtual environments that contain one release of oTree, from its lock file."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from packaging.version import InvalidVersion, Version

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.matrix import locks, notes, releases, variants
from channelsmin.paths import last_lines, write_atomically
from channelsmin.runtime import changed_sdist, interpreters, mutex, processes

SCRIPTS, EXE = ("Scripts", ".exe") if sys.platform == "win32" else ("bin", "")
"""The folder of an environment's programs, and how their names end."""

NOT_PASSED_ON = {
    *("DATABASE_URL", "REDIS_URL", "PORT", "VIRTUAL_ENV"),
    *("PIP_PREFIX", "PIP_ROOT", "PIP_TARGET", "PIP_USER"),
}
"""Variables that would change where packages are installed, or what a server does."""

FULL_DISK_BYTES = 5_000_000
"""On a disk with less free space, pip fails, and may have no space left to say why."""

ISOLATED = "-I"
"""Python's option for programs that must not import what the current folder has, such as an app
called `signal`."""

FIRST = "requirements-first.txt"
"""The file of the packages to install before all others, of a release that needs some."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with one release of oTree in it."""

    folder: Path

    @property
    def scripts(self) -> Path:
        """The folder of its programs."""
        return self.folder / SCRIPTS

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.scripts / f"python{EXE}"

    @property
    def otree(self) -> Path:
        """oTree's command."""
        return self.scripts / f"otree{EXE}"

    def variables(self) -> dict[str, str]:
        """Return the environment variables to run its programs with.

        oTree's servers start `otree` and `python` by name, so its programs come first on
        PATH. What else the caller's environment says about oTree or Python is left out.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTREE_", "PYTHON", "DJANGO_")) and name not in NOT_PASSED_ON
        }
        path = os.pathsep.join([str(self.scripts), kept.get("PATH", os.defpath)])
        own = {
            "PATH": path,
            "PYTHONUNBUFFERED": "1",
            "PIP_USER": "0",  # or `user = yes` in somebody's pip.conf would let pip refuse
            **({"PYTHONIOENCODING": "utf-8"} if sys.platform == "win32" else {}),
        }
        return {**kept, **locks.BUILD_VARIABLES, **own}

    def has(self, release: Version) -> bool:
        """Return whether it can run this release: nothing of it is missing, and it can be started.

        It may have been damaged since it was created: a file deleted, its interpreter removed.
        """
        try:
            return self._starts_otree() and self.release() == release
        except (OSError, InvalidVersion, subprocess.SubprocessError):
            return False

    def _starts_otree(self) -> bool:
        if not os.access(self.otree, os.X_OK):
            return False
        if sys.platform == "win32":
            return True  # it is a program, and no script
        with self.otree.open("rb") as script:
            first = script.readline(1000)
        words = first[2:].split() if first.startswith(b"#!") else []
        return bool(words) and Path(os.fsdecode(words[0])).exists()

    def release(self) -> Version:
        """Return the release of oTree that is installed, as the installation itself says."""
        code = "import otree; print(otree.__version__)"
        return Version(self._output("-c", code))

    def install_beside(self, folder: Path, packages: Sequence[str]) -> None:
        """Install packages into a folder of their own, for a PYTHONPATH: not into this one."""
        if packages:
            target = ["-m", "pip", "install", "--quiet", "--target", str(folder)]
            self._output(*target, *packages)

    def installed(self) -> dict[str, str]:
        """Return the version of each package that is installed."""
        listed = self._output(
            "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"
        )
        return {package["name"]: package["version"] for package in json.loads(listed)}

    def _output(self, *arguments: str) -> str:
        command = [str(self.python), ISOLATED, *arguments]
        return subprocess.run(
            command, env=self.variables(), capture_output=True, encoding="utf-8", check=True
        ).stdout.strip()


def cache() -> Path:
    """Return the folder in which environments are kept from one command to the next.

    Raises UserError where there is no home folder to keep them in.
    """
    try:
        home = Path.home()
    except RuntimeError:
        home = Path()
    if not home.is_absolute() or not home.is_dir():
        raise UserError(
            f"the home folder {home} does not exist: set the variable "
            f"{'USERPROFILE' if sys.platform == 'win32' else 'HOME'} to a folder that can be "
            "written to"
        )
    return home / ".cache" / "channelsmin"


def cached(release: Version, consent: bool = False) -> Environment:
    """Return the cached environment of a release; it is created if there is none.

    A damaged one is created again. Of several commands at once, one creates it and the others
    wait. With `consent`, a missing Python is installed without a question. Raises UserError where
    it can't be installed.
    """
    if why := notes.not_installable(release):
        raise UserError(f"oTree {release} is not installable: {why}")
    folder = cache() / f"otree{release}"
    with mutex.hold(folder.with_name(f"{folder.name}.lock"), f"that installs {release}"):
        return create(release, folder, consent=consent)


def requirements(release: Version, python: str) -> str:
    """Return the requirements file to install: everything, as locked.

    A release without a lock, as it is new, is installed with whatever the index has.
    """
    lock = locks.find(release, python)
    if lock:
        return locks.requirements(release, lock)
    return f"{releases.rows()[release].package}=={release}\n"


def create(
    release: Version,
    folder: Path,
    python: str | None = None,
    log: Path | None = None,
    consent: bool = False,
) -> Environment:
    """Create an environment with just `release` in `folder`, or return a sound one that is there.

    It gets this Python version (default: the best one for the release that this machine has).
    pip's output goes to `log` (default: next to the folder). An interrupted or failed installation
    leaves nothing behind that would pass for a finished one. Raises UserError, with the end of
    that log, if it fails.
    """
    environment = Environment(folder)
    help_, finished = notes.help_for(release), folder / "installed"
    installed_with = help_.digest if help_ else ""
    is_finished = finished.exists() and finished.read_text(encoding="utf-8") == installed_with
    if is_finished and environment.has(release):
        return environment
    pythons = [python] if python else variants.pythons(release)
    python = python or interpreters.best_version(release)
    interpreter = interpreters.first(python)
    if interpreter is None and (interpreter := interpreters.obtain(pythons, consent)):
        python = next(version for version in pythons if interpreters.first(version))
    if interpreter is None:
        raise UserError(
            f"oTree {release} needs Python {' or '.join(pythons)}, which this machine does not "
            f"have: {interpreters.how_to_install(pythons)}, or name another release"
        )
    if folder.is_dir() and any(folder.iterdir()):  # an empty one is claimed by `rebuild`
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    log = log or folder.with_name(f"{folder.name}.log")
    try:
        _install(environment, release, python, interpreter, log)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    write_atomically(finished, installed_with)
    return environment


def rebuild(release: Version, folder: Path, python: str | None = None) -> Environment:
    """Create an environment in a new folder; of several commands at once, the first one does.

    Raises UserError if something has this name already, if there is no lock file for this Python,
    and like `create`.
    """
    if python and python not in (tested := variants.pythons(release)):
        raise UserError(
            f"oTree {release} has no lock file for Python {python}: take {' or '.join(tested)}"
        )
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise UserError(f"{folder} exists already: name a new folder") from error
    try:
        return create(release, folder, python)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _install(
    environment: Environment, release: Version, python: str, interpreter: Path, log: Path
) -> None:
    """Create the environment in its folder, and install the release into it."""
    if help_ := notes.help_for(release):
        console.note(f"oTree {release} needs help: {help_.line}")
    with log.open("wb") as output:
        with console.step(f"Creating an environment with Python {python}"):
            command = [str(interpreter), ISOLATED, "-m", "venv", str(environment.folder)]
            # What an interrupted ensurepip leaves behind disappears with the environment.
            temporary = environment.folder / "tmp"
            temporary.mkdir()
            places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
            variables = {**environment.variables(), **places}
            status = processes.run(command, output=output, variables=variables)
            shutil.rmtree(temporary)
        if not status:
            with console.step(f"Installing oTree {release} and what it requires"):
                status = install(environment, release, python, environment.folder, output)
    if status:
        raise UserError(_why_not_installed(release, log))


def install(
    environment: Environment, release: Version, python: str, folder: Path, output: IO[bytes] | int
) -> int:
    """Install a release and what it requires, with the help that it needs; return pip's status.

    What pip reads is written into `folder`: requirements files, a changed source distribution.
    """
    for file in _prepared(environment, release, python, folder):
        pip = [str(environment.python), ISOLATED, "-m", "pip"]
        command = [*pip, "install", "--requirement", str(file)]
        command += ["--no-deps"] if file.name == FIRST else []
        status = processes.run(command, output=output, variables=environment.variables())
        if status:
            return status
    return 0


def _prepared(
    environment: Environment, release: Version, python: str, folder: Path
) -> Iterator[Path]:
    """Write the requirements files of a release; yield them in the order to install them."""
    lock, help_ = locks.find(release, python), notes.help_for(release)
    if lock and (before := locks.first(release, lock)):
        write_atomically(folder / FIRST, before)
        yield folder / FIRST
    text = requirements(release, python)
    if lock and help_ and help_.edits:
        sdist = changed_sdist.write(release, help_.edits, folder, str(environment.python))
        digest = sha256(sdist.read_bytes()).hexdigest()
        text = locks.requirements(release, lock, sdist.absolute().as_uri(), digest)
    about = f"# This release needs help: {help_.line}.\n" if help_ else ""
    write_atomically(folder / "requirements.txt", f"{text}{about}")
    yield folder / "requirements.txt"


def _why_not_installed(release: Version, log: Path) -> str:
    if why := notes.not_installable(release):
        return f"oTree {release} is not installable: {why}"
    if shutil.disk_usage(log.parent).free < FULL_DISK_BYTES:
        return f"oTree {release} could not be installed: the disk of {log.parent} is full"
    return (
        f"oTree {release} could not be installed; check the network connection and run this "
        f"again. All that pip printed is in {log}; it ends with:\n{last_lines(log, 10)}"
    )
