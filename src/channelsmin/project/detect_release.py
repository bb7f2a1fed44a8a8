"""What a project says of the oTree that it is for, and of its Python.

Its files are read, and the metadata of what is installed in its environment. Nothing of it is
imported; of an environment, the interpreter is asked where it would look for packages.
"""

import codecs
import functools
import json
import operator
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import notes, releases, variants
from channelsmin.paths import read_toml
from channelsmin.runtime import interpreters

NAMES = ("otree", "otree-core")
"""What oTree may be called, the name that decides first: 2.x brings an empty `otree-core`."""

INCLUDES = re.compile(r"(?:-r|--requirement|-c|--constraint)[\s=]*(\S.*)")
"""The lines of a requirements file that name another one. A constraint tells the release too."""

PYTHON = re.compile(r"\s*(?:c?python-)?(\d+\.\d+)")
"""How runtime.txt and .python-version begin, where they name a version."""

ASK_PYTHON = "import sys; print('%d.%d' % sys.version_info[:2], *sys.path, sep='\\n')"


@dataclass(frozen=True)
class Source:
    """A place that says which oTree the project is for: a file, or an environment.

    What is installed in an environment is told as a pin. `python` is the environment's Python,
    None for a file. `line` is the line of a requirements file, None elsewhere.
    """

    place: str
    requirement: Requirement
    python: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """What it says, in words."""
        return f"{self.place} {'has' if self.python else 'says'} {self.requirement}"

    @property
    def pin(self) -> Version | None:
        """The only release that it allows, or None where it allows several."""
        pins = [its for its in self.requirement.specifier if its.operator == "=="]
        return next((Version(its.version) for its in pins if "*" not in its.version), None)


@dataclass(frozen=True)
class Line:
    """A line of a requirements file that names a package, without its comment and its hashes."""

    place: str
    number: int
    text: str


@dataclass(frozen=True)
class Found:
    """The release that a project is for, and who says so.

    `pinned` tells whether a file says so. Where no source names one release, but all that they
    allow have the same variant, it is the newest that they allow.
    """

    release: Version
    pinned: bool
    sources: tuple[Source, ...]


def root(folder: Path) -> Path:
    """Return the project that a folder belongs to: the nearest folder above with settings.py.

    It is the folder itself if there is none. Raises UserError if it is no folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: name the one with your project's settings.py")
    above = (folder, *folder.resolve().parents)
    return next((its for its in above if (its / "settings.py").is_file()), folder)


def release_of(folder: Path) -> Version:
    """Return the release that a project is for; see `find`."""
    return find(folder).release


def find(folder: Path) -> Found:
    """Return the release that the project in a folder is for.

    Raises UserError where nothing tells it, where the sources disagree, and where they allow
    releases that no one variant serves.
    """
    found = tuple(sources(folder))
    told = ", ".join(map(str, found))
    if not found:
        raise UserError(
            f"nothing in {folder.resolve()} says which oTree it is for, nor is there an "
            "environment with oTree: name your release with --otree, such as --otree 2.3.7"
        )
    names = {its.requirement.name for its in found}
    pins = sorted({its.pin for its in found if its.pin})
    allowed = [its.requirement.specifier for its in found]
    if len(names) > 1 or not all(
        its.contains(p, prereleases=True) for its in allowed for p in pins
    ):
        raise UserError(
            f"these disagree on the release: {told}. Mend the one that is wrong, or say with "
            "--otree X which one you use"
        )
    pinned = any(its.pin and its.python is None for its in found)
    return Found(pins[0] if pins else _newest(names, allowed, told), pinned, found)


def _newest(names: set[str], allowed: Iterable[SpecifierSet], told: str) -> Version:
    """Return the newest release that all allow, if one variant serves all of these."""
    rows = (row for row in releases.rows().values() if {row.package} == names and not row.yanked)
    offered = (row.release for row in rows if not notes.not_installable(row.release))
    fitting = list(functools.reduce(operator.and_, allowed).filter(offered))
    if not fitting:
        raise UserError(f"no oTree that is known here is what the project asks for: {told}")
    if not any(all(map(era.serves, fitting)) for era in variants.load_all()):
        raise UserError(
            f"the project leaves its oTree open: {told}. That is {fitting[0]} to {fitting[-1]}, "
            "and no one variant serves them all: say with --otree X which one you use"
        )
    return fitting[-1]


def sources(folder: Path) -> Iterator[Source]:
    """Yield whatever says which oTree the project in a folder is for.

    Raises UserError where a file can't be read.
    """
    yield from _from_requirements(folder)
    for name, tell in FILES.items():
        if (folder / name).is_file():
            try:
                yield from tell(folder / name)
            except (AttributeError, KeyError, TypeError) as error:
                raise UserError(
                    f"{name} is not laid out as its format wants it: mend it, or name the release "
                    "with --otree"
                ) from error
    yield from _from_environments(folder)


def pythons(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what the project's files say of its Python: the file, and a version such as 3.7."""
    for name in ("runtime.txt", ".python-version"):
        if (folder / name).is_file() and (match := PYTHON.match(_text(folder / name))):
            yield name, match[1]


def _source(place: str, text: str, line: int | None = None) -> Source | None:
    """Return what a requirement says of oTree, None if it is another package's.

    Raises UserError where it is meant for oTree and can't be read.
    """
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        if re.match(rf"({'|'.join(NAMES)})\b(?!-)", text, re.IGNORECASE):
            raise UserError(
                f"{place} says {text!r}, which is no requirement: mend it, or name the release "
                "with --otree"
            ) from error
        return None
    requirement.name = canonicalize_name(requirement.name)
    return Source(place, requirement, line=line) if requirement.name in NAMES else None


def _from_requirements(folder: Path) -> Iterator[Source]:
    told = (_source(line.place, line.text, line.number) for line in requirement_lines(folder))
    yield from filter(None, told)


def requirement_lines(folder: Path) -> Iterator[Line]:
    """Yield the lines of a project's requirements files, and of those that they include."""
    files, seen = sorted(folder.glob("requirements*.txt")), set[Path]()
    while files:
        file = files.pop(0)
        if file.resolve() in seen or not file.is_file():
            continue
        seen.add(file.resolve())
        for number, line in _lines(file):
            if included := INCLUDES.fullmatch(line):
                files.append(file.parent / included[1])
            elif line:
                yield Line(os.path.relpath(file, folder), number, line)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a requirements file, numbered, without comments and without hashes."""
    number = 1
    text = re.sub(r"\r\n?", "\n", _text(file))
    for line in re.split(r"(?<!\\)\n", text):
        unbroken = line.replace("\\\n", " ")
        yield number, re.split(r"(?:^|\s)#|\s--hash", unbroken)[0].strip()
        number += 1 + line.count("\n")


def _text(file: Path) -> str:
    """Return a text file's text; PowerShell writes what is redirected to a file as UTF-16."""
    written = file.read_bytes()
    is_utf_16 = written.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return written.decode("utf-16" if is_utf_16 else "utf-8-sig", errors="replace")


def _from_pyproject(file: Path) -> Iterator[Source]:
    table = _read(file)
    project, groups = table.get("project", {}), table.get("dependency-groups", {})
    optional = project.get("optional-dependencies", {})
    wanted = [project.get("dependencies", ()), *optional.values(), *groups.values()]
    lines = [line for line in chain(*wanted) if isinstance(line, str)]
    poetry = table.get("tool", {}).get("poetry", {}).get("dependencies", {})
    lines += [f"{name}{_spelled(its)}" for name, its in poetry.items() if name.lower() in NAMES]
    yield from filter(None, (_source(file.name, line) for line in lines))


def _spelled(wanted: object) -> str:
    """Return the versions that Poetry's notation means, in that of everybody else."""
    text = wanted.get("version") if isinstance(wanted, Mapping) else wanted
    if not isinstance(text, str) or text == "*":
        return ""
    if caret := re.fullmatch(r"\^((\d+)\S*)", text):
        return f">={caret[1]},<{int(caret[2]) + 1}"
    if tilde := re.fullmatch(r"~((\d+\.\d+)\S*)", text):
        return f">={tilde[1]},=={tilde[2]}.*"
    return f"=={text}" if text[:1].isdigit() else text


def _from_lock(file: Path) -> Iterator[Source]:
    for package in _read(file).get("package", ()):
        if source := _source(file.name, f"{package['name']}=={package.get('version', '0')}"):
            yield source


def _from_pipfile_lock(file: Path) -> Iterator[Source]:
    table = _read(file)
    for name, its in {**table.get("develop", {}), **table.get("default", {})}.items():
        if source := _source(file.name, f"{name}{its.get('version', '')}"):
            yield source


FILES: Mapping[str, Callable[[Path], Iterator[Source]]] = {
    "pyproject.toml": _from_pyproject,
    "uv.lock": _from_lock,
    "poetry.lock": _from_lock,
    "Pipfile.lock": _from_pipfile_lock,
}


def _read(file: Path) -> Mapping[str, Any]:
    try:
        table: dict[str, Any] = (
            json.loads(_text(file)) if file.name == "Pipfile.lock" else read_toml(file)
        )
    except ValueError as error:
        raise UserError(
            f"{file.name} can't be read ({error}): mend it, or name the release with --otree"
        ) from error
    return table


def _from_environments(folder: Path) -> Iterator[Source]:
    """Yield what is installed in the active environment, and in the project's own.

    If neither has oTree, it is the `otree` on PATH that somebody would run here.
    """
    places = {(folder / name).resolve(): name for name in (".venv", "venv")}
    if active := os.environ.get("VIRTUAL_ENV"):
        places.setdefault(Path(active).resolve(), f"the active environment {active}")
    pythons = {
        its / scripts / "python": place
        for its, place in places.items()
        for scripts in ("bin", "Scripts")
    }
    found = [source for python, place in pythons.items() for source in _in(python, place)]
    if not found and (command := shutil.which("otree")):
        found = list(_in(interpreters.of_script(Path(command)), command))
    yield from found


def _in(python: Path, place: str) -> Iterator[Source]:
    """Yield the oTree that an interpreter finds, if there is such an interpreter at all."""
    if not (told := interpreters.says([python, "-c", ASK_PYTHON])):
        return
    version, *folders = told.splitlines()
    for name in NAMES:
        for its in distributions(name=name, path=list(filter(None, folders))):
            yield Source(place, Requirement(f"{name}=={its.version}"), version)
            return
