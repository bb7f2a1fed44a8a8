"""tox's plugin for this project, so that a plain `tox -e otree2.2.4` works in a fresh clone.

The suite runs in the environment of tox itself. So tox requires what the suite requires: where
something is missing, tox installs it into `.tox/.tox` and starts again from there.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from tox.config.loader.memory import MemoryLoader
from tox.config.sets import ConfigSet
from tox.plugin import impl
from tox.session.state import State

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent
EXTRAS = ("test", "lint")

sys.path.insert(0, str(ROOT / "src"))
try:
    from channelsmin.testing.tox_environments import tox_add_env_config, tox_extend_envs
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] == "channelsmin":
        raise
else:
    __all__ = ["tox_add_core_config", "tox_add_env_config", "tox_extend_envs"]


@impl
def tox_add_core_config(core_conf: ConfigSet, state: State) -> None:
    """Let tox require the project's dependencies, as pyproject.toml lists them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {str(requirement): requirement for requirement in _requirements(project)}
    core_conf.loaders.insert(0, MemoryLoader(requires=list(wanted.values())))


def _requirements(project: dict[str, dict[str, list[str]]]) -> Iterator[Requirement]:
    """Yield the requirements of the project and of EXTRAS, also of extras of extras."""
    groups = [project["dependencies"], *map(project["optional-dependencies"].get, EXTRAS)]
    while groups:
        for requirement in map(Requirement, groups.pop() or ()):
            if requirement.name == "channelsmin":
                groups += map(project["optional-dependencies"].get, requirement.extras)
            elif requirement.marker is None or requirement.marker.evaluate():
                yield requirement
