"""tox's plugin for this project: an environment for every release that is known.

What differs between the environments comes from where it is written: the releases from
matrix/releases.toml, their Python and what is held back from the variants.
"""

from collections.abc import Iterable

from tox.config.loader.memory import MemoryLoader
from tox.config.sets import EnvConfigSet
from tox.plugin import impl
from tox.session.state import State
from tox.tox_env.python.pip.req_file import PythonDeps

from channelsmin import environment, releases, suite, variants
from channelsmin.files import ROOT

OLD_PYTHONS = {"3.6", "3.7", "3.8"}
"""What a current virtualenv makes no environments for; 20.21 is the last one that does for all.

tox would see to that by itself, if the interpreters were on PATH and not in pyenv's folder:
https://virtualenv.pypa.io/en/latest/reference/compatibility.html
"""


@impl
def tox_extend_envs() -> Iterable[str]:
    """Let `tox -e otree<release>` work for each release that a variant serves."""
    return [f"otree{release}" for release in releases.known() if variants.find(release)]


@impl
def tox_add_env_config(env_conf: EnvConfigSet, state: State) -> None:
    """Give such an environment its interpreter and its one package."""
    release = suite.release_of(env_conf.env_name or "")
    if release is None:
        return
    variant = variants.serving(release)
    pythons = variant.pythons(release)
    found = environment.interpreter(variant, release)
    packages = "\n".join(environment.requirements(variant, release)).replace("-c\n", "-c ")
    settings: dict[str, object] = {
        "base_python": [str(found)] if found else [f"python{version}" for version in pythons],
        "deps": PythonDeps(packages, ROOT),
    }
    if all(python in OLD_PYTHONS for python in pythons):
        settings["virtualenv_spec"] = "virtualenv<20.22"
    env_conf.loaders.insert(0, MemoryLoader(**settings))
