"""An interpreter of this machine and a release of oTree: an environment that holds just that."""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import locks, notes, releases
from channelsmin.matrix.variants import Variant
from channelsmin.paths import write


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


def interpreters(version: str) -> Iterator[Path]:
    """Yield the interpreters of this machine for a Python version such as `3.7`.

    Looks on PATH, in pyenv's folder of versions and among those that uv has installed. A
    shim of pyenv's that is on PATH but has no version selected does not start; it is passed
    over like any other that doesn't.
    """
    candidates = [shutil.which(f"python{version}")]
    for folder in _folders_of_versions():
        found = sorted(folder.glob(f"*{version}.*/bin/python{version}"), reverse=True)
        candidates.extend(str(path) for path in found)
    for candidate in filter(None, candidates):
        code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
        answer = subprocess.run(
            [candidate, "-c", code], capture_output=True, text=True, check=False
        )
        if answer.stdout.strip() == version:
            yield Path(candidate)


def _folders_of_versions() -> Iterator[Path]:
    # The interpreter that runs this may itself be one of pyenv's or uv's: then the others
    # lie beside it, also where HOME is another user's or empty.
    yield Path(sys.base_prefix).resolve().parent
    yield Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    yield Path(os.environ.get("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python")).expanduser()


@functools.cache
def first_interpreter(version: str) -> Path | None:
    """Return the first of this machine's interpreters for a Python version, or None."""
    return next(interpreters(version), None)


def python_version(variant: Variant, release: Version) -> str:
    """Return the Python version to run `release` on: the best one that this machine has.

    Where it has none, the one that is preferred.
    """
    versions = variant.pythons(release)
    return next(filter(first_interpreter, versions), versions[0])


def interpreter(variant: Variant, release: Version) -> Path | None:
    """Return this machine's best interpreter for `release`, or None."""
    return first_interpreter(python_version(variant, release))


def requirements(release: Version, python: str) -> str:
    """Return the requirements file that pip is to install: everything, as it was locked.

    A release that has no lock, as it is new, is installed with whatever the index has.
    """
    lock = locks.find(release, python)
    if lock:
        return locks.requirements(release, lock)
    return f"{releases.rows()[release].package}=={release}\n"


def create(
    variant: Variant,
    release: Version,
    folder: Path,
    python: str | None = None,
    output: IO[bytes] | None = None,
) -> Environment:
    """Make an environment with just `release` in `folder`, or return the one that is there.

    It has this Python version, or else the best one for the release that this machine has. What
    pip says goes to `output`, or else to standard output, as progress. An interrupted or failed
    installation leaves nothing that would pass for a finished one.
    """
    environment = Environment(folder)
    finished = folder / "installed"
    if finished.exists():
        return environment
    python = python or python_version(variant, release)
    found = first_interpreter(python)
    if found is None:
        versions = " or ".join(variant.pythons(release))
        raise UserError(
            f"oTree {release} needs Python {versions}, which this machine does not have: "
            f"install it (for example with `uv python install {variant.pythons(release)[0]}`) "
            "or name another release"
        )
    shutil.rmtree(folder, ignore_errors=True)
    wanted = folder / "requirements.txt"
    steps = [
        [str(found), "-m", "venv", str(folder)],
        [str(environment.python), "-m", "pip", "install", "--requirement", str(wanted)],
    ]
    write(wanted, requirements(release, python))
    for step in steps:
        ended = subprocess.run(
            step, env=environment.variables(), stdout=output, stderr=output, check=False
        )
        if ended.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            if why := notes.broken(release):
                raise UserError(f"nobody can install oTree {release}: {why}")
            raise UserError(
                f"oTree {release} could not be installed: the lines above say why; "
                "check the network connection and run this again"
            )
    finished.touch()
    return environment
