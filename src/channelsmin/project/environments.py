"""The environments in which a project may run: one search order for all commands."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement

from channelsmin.project.source import NAMES, Source, Weight
from channelsmin.runtime import interpreters

OWN = (".venv", "venv", "env", ".env")
"""The folders in which a project keeps an environment of its own."""

ASK_PYTHON = "import sys; print('%d.%d' % sys.version_info[:2], *sys.path, sep='\\n')"


@dataclass(frozen=True)
class Place:
    """A folder with an environment: what to call it, and how much it counts."""

    folder: Path
    name: str
    weight: Weight


def search(folder: Path) -> list[Place]:
    """Return where a project's environment may be: its own, the active one, the one on PATH."""
    places = [Place(folder / name, name, Weight.INSTALLED) for name in OWN]
    places = [place for place in places if place.folder.is_dir()]
    if active := os.environ.get("VIRTUAL_ENV"):
        name = f"the active environment {active}"
        places.append(Place(Path(active), name, Weight.INSTALLED))
    if command := shutil.which("otree"):
        places.append(Place(Path(command).parent.parent, command, Weight.ON_PATH))
    unique = {place.folder.resolve(): place for place in reversed(places)}
    return [place for place in places if unique[place.folder.resolve()] is place]


def sources(folder: Path) -> Iterator[Source]:
    """Yield the oTree in the project's own environments and in the active one.

    If none of them has oTree: the `otree` on PATH. The interpreters are asked where they look for
    packages; nothing of the project or of oTree is imported.
    """
    found = False
    for place in search(folder):
        if place.weight is Weight.INSTALLED:
            for scripts in ("bin", "Scripts"):
                for source in _installed(place.folder / scripts / "python", place):
                    found = True
                    yield source
        elif not found:
            yield from _installed(interpreters.of_script(Path(place.name)), place)


def _installed(python: Path, place: Place) -> Iterator[Source]:
    """Yield the oTree that an interpreter finds, if it starts and finds one."""
    if not (answer := interpreters.says([python, "-c", ASK_PYTHON])):
        return
    version, *folders = answer.splitlines()
    for name in NAMES:
        for found in distributions(name=name, path=list(filter(None, folders))):
            requirement = Requirement(f"{name}=={found.version}")
            yield Source(place.name, requirement, version, weight=place.weight)
            return
