"""A tox environment for every known release: toxfile.py loads these hooks.

The differences between the environments come from where they are written: the releases from
matrix/releases.toml, their Pythons from the variants, the packages from matrix/locks.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from packaging.version import Version
from tox.config.loader.memory import MemoryLoader
from tox.config.sets import EnvConfigSet
from tox.config.types import Command
from tox.plugin import impl
from tox.report import HandledError
from tox.session.state import State
from tox.tox_env.python.pip.req_file import PythonDeps

from channelsmin.errors import UserError
from channelsmin.matrix import locks, notes, releases, variants
from channelsmin.paths import ROOT, write_atomically
from channelsmin.runtime import environment, interpreters
from channelsmin.testing import suite

REQUIREMENTS = ROOT / ".tox" / "requirements"
"""Requirements files for tox: pip accepts hashes in a file, never in its arguments."""

OLD_PYTHONS = {"3.6", "3.7", "3.8"}
"""Pythons for which a current virtualenv creates no environments; 20.21 is the last one that does.

tox would choose it itself if the interpreters were on PATH and not in pyenv's folder:
https://virtualenv.pypa.io/en/latest/reference/compatibility.html
"""


@impl
def tox_extend_envs() -> Iterable[str]:
    """Let `tox -e otree<release>` work for each release that a variant serves."""
    return [f"otree{release}" for release in releases.known() if variants.find(release)]


@impl
def tox_add_env_config(env_conf: EnvConfigSet, state: State) -> None:
    """Give such an environment its interpreter and its packages."""
    try:
        release = suite.release_of(env_conf.env_name or "")
        settings = _settings(release) if release else None
    except UserError as error:
        raise HandledError(f"{env_conf.env_name}: {error}") from error
    if settings:
        env_conf.loaders.insert(0, MemoryLoader(**settings))


def _settings(release: Version) -> dict[str, object]:
    pythons = variants.serving(release).pythons(release)
    found = interpreters.best(release)
    settings: dict[str, object] = {
        **({"install_command": _with_help(release)} if notes.help_for(release) else {}),
        "base_python": [str(found)] if found else [f"python{version}" for version in pythons],
        "deps": PythonDeps(f"-r {_written(release)}", ROOT),
        "set_env": {**locks.BUILD_VARIABLES, "PYTHONUNBUFFERED": "1"},
    }
    if all(python in OLD_PYTHONS for python in pythons):
        settings["virtualenv_spec"] = "virtualenv<20.22"
    return settings


def _with_help(release: Version) -> Command:
    """Return the command that installs a release that needs help, in place of a plain pip.

    tox puts pip's arguments in place of `{packages}`; they name the file that `deps` names.
    """
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); "
        "from channelsmin.testing import tox_environments; tox_environments.install(*sys.argv[1:3])"
    )
    python = interpreters.best_version(release)
    return Command([sys.executable, "-c", code, f"{release}", python, "{packages}"])


def install(release: str, python: str) -> None:
    """Install a release into the environment from which tox asks for it, with its help."""
    folder = Path(os.environ["VIRTUAL_ENV"])
    made = environment.Environment(folder)
    sys.exit(environment.install(made, Version(release), python, folder, sys.stdout.fileno()))


def _written(release: Version) -> Path:
    """Write the release's requirements file, and return its path."""
    file = REQUIREMENTS / f"otree{release}.txt"
    text = environment.requirements(release, interpreters.best_version(release))
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        write_atomically(file, text)
    return file
