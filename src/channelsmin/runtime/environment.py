"""Create virtual environments that contain one release of oTree, from its lock file."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.matrix import locks, notes, releases, variants
from channelsmin.paths import last_lines, write_atomically
from channelsmin.runtime import interpreters


@dataclass(frozen=True)
class Environment:
    """A virtual environment with one release of oTree in it."""

    folder: Path

    @property
    def scripts(self) -> Path:
        """The folder of its programs."""
        return self.folder / "bin"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.scripts / "python"

    @property
    def otree(self) -> Path:
        """oTree's command."""
        return self.scripts / "otree"

    def variables(self) -> dict[str, str]:
        """Return the environment variables to run its programs with.

        oTree's servers start `otree` and `python` by name, so its programs come first on
        PATH. What else the caller's environment says about oTree or Python is left out.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTREE_", "PYTHON", "DJANGO_"))
            and name not in {"DATABASE_URL", "REDIS_URL", "PORT", "VIRTUAL_ENV"}
        }
        path = os.pathsep.join([str(self.scripts), kept.get("PATH", os.defpath)])
        return {**kept, **locks.BUILD_VARIABLES, "PATH": path, "PYTHONUNBUFFERED": "1"}

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
        command = [str(self.python), *arguments]
        return subprocess.run(
            command, env=self.variables(), capture_output=True, text=True, check=True
        ).stdout.strip()


def cache() -> Path:
    """Return the folder in which environments are kept from one command to the next."""
    return Path("~/.cache/channelsmin").expanduser()


def cached(release: Version) -> Environment:
    """Return the cached environment of a release; it is created if there is none.

    Raises UserError where it can't be installed.
    """
    return create(release, cache() / f"otree{release}")


def requirements(release: Version, python: str) -> str:
    """Return the requirements file to install: everything, as locked.

    A release without a lock, as it is new, is installed with whatever the index has.
    """
    lock = locks.find(release, python)
    if lock:
        return locks.requirements(release, lock)
    return f"{releases.rows()[release].package}=={release}\n"


def create(
    release: Version, folder: Path, python: str | None = None, log: Path | None = None
) -> Environment:
    """Create an environment with just `release` in `folder`, or return the one that is there.

    It gets this Python version (default: the best one for the release that this machine has).
    pip's output goes to `log` (default: next to the folder). An interrupted or failed installation
    leaves nothing behind that would pass for a finished one. Raises UserError, with the end of
    that log, if it fails.
    """
    environment = Environment(folder)
    finished = folder / "installed"
    if finished.exists():
        return environment
    python = python or interpreters.best_version(release)
    interpreter = interpreters.first(python)
    if interpreter is None:
        pythons = variants.pythons(release)
        raise UserError(
            f"oTree {release} needs Python {' or '.join(pythons)}, which this machine does not "
            f"have: install it (for example with `uv python install {pythons[0]}`) or name another "
            "release"
        )
    shutil.rmtree(folder, ignore_errors=True)
    wanted = folder / "requirements.txt"
    write_atomically(wanted, requirements(release, python))
    steps = {
        f"Creating an environment with Python {python}": [
            *(str(interpreter), "-m", "venv", str(folder))
        ],
        f"Installing oTree {release} and what it requires": [
            *(str(environment.python), "-m", "pip", "install", "--requirement", str(wanted))
        ],
    }
    log = log or folder.with_name(f"{folder.name}.log")
    with log.open("wb") as output:
        for title, command in steps.items():
            with console.step(title):
                ended = subprocess.run(
                    command,
                    env=environment.variables(),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=False,
                )
            if ended.returncode:
                shutil.rmtree(folder, ignore_errors=True)
                raise UserError(_why_not_installed(release, log))
    finished.touch()
    return environment


def _why_not_installed(release: Version, log: Path) -> str:
    if why := notes.not_installable(release):
        return f"oTree {release} is not installable: {why}"
    return (
        f"oTree {release} could not be installed; check the network connection and run this "
        f"again. All that pip printed is in {log}; it ends with:\n{last_lines(log, 10)}"
    )
