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


@impl
def tox_extend_envs() -> Iterable[str]:
    """Let `tox -e otree<release>` work for each release that a variant serves."""
    served = variants.load_all()
    return [
        f"otree{release}"
        for release in releases.known()
        if any(variant.serves(release) for variant in served)
    ]


@impl
def tox_add_env_config(env_conf: EnvConfigSet, state: State) -> None:
    """Give such an environment its interpreter and its one package."""
    release = suite.release_of(env_conf.env_name or "")
    if release is None:
        return
    variant = variants.serving(release)
    python = environment.interpreter(variant, release)
    wanted = [f"python{version}" for version in variant.pythons(release)]
    packages = "\n".join(environment.requirements(variant, release)).replace("-c\n", "-c ")
    env_conf.loaders.insert(
        0,
        MemoryLoader(
            base_python=[str(python)] if python else wanted,
            deps=PythonDeps(packages, ROOT),
        ),
    )
