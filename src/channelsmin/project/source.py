"""What a project's files and environments say about its oTree and its Python: single statements."""

import re
from dataclasses import dataclass
from enum import IntEnum
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from channelsmin.errors import UserError
from channelsmin.matrix import releases

NAMES = ("otree", "otree-core")
"""oTree's names on the package index: `otree-core` before 2.0."""

EMPTY = (
    SpecifierSet("<0.0.1", prereleases=True),
    releases.EMPTY,
)
"""The empty packages called `otree-core`.

otree 2.0 to 3.2 requires 0.0.0b1 (matrix/requires), and the later ones refuse to be installed.
"""

UPSTREAM = "otree-org"
"""The owner of oTree's own repositories on GitHub; every other one is a fork."""

ARCHIVE = re.compile(
    r"github\.com/([\w.-]+)/(otree(?:-core)?)/"
    r"(?:archive|zipball|tarball|zip|tar\.gz)/(?:refs/tags/)?"
    r"(v?\d[\w.]*?)(?:\.zip|\.tar\.gz)?$",
    re.IGNORECASE,
)
"""The address at which GitHub has a tag of oTree, or of a fork, as an archive."""

LOOSE = re.compile(
    r"(?:pip3? install )?['\"]?(otree(?:-core)?)\s*(?:={1,3}|\()?\s*(\d[\w.]*)['\"]?(?:\)|=\w+)?",
    re.IGNORECASE | re.ASCII,
)
"""A pin that pip refuses, and whose meaning is plain."""

KNOWN_PYTHONS = tuple(f"3.{minor}" for minor in range(4, 16))


class Weight(IntEnum):
    """How much a source counts: if two disagree, the heavier one is followed."""

    ON_PATH = 1
    TOLD = 2
    TRACE = 3
    BUILD = 4
    INSTALLED = 5
    DECLARED = 6
    LOCKED = 7

    @property
    def in_words(self) -> str:
        """What kind of source this is."""
        return {
            Weight.ON_PATH: "the otree on PATH",
            Weight.TOLD: "a text for readers",
            Weight.TRACE: "a file that oTree wrote",
            Weight.BUILD: "a build file",
            Weight.INSTALLED: "an environment",
            Weight.DECLARED: "a requirement",
            Weight.LOCKED: "a lock file",
        }[self]


@dataclass(frozen=True)
class Source:
    """A statement about the project's oTree: a line of a file, or what an environment contains.

    What an environment contains is stated as a pin. `python` is the environment's Python, None for
    a file. `line` is the line in the file, None if it has none. `note` is what to mind about it.
    """

    place: str
    requirement: Requirement
    python: str | None = None
    line: int | None = None
    weight: Weight = Weight.DECLARED
    note: str = ""

    def __str__(self) -> str:
        """What it says, in words."""
        return f"{self.place} {'has' if self.python else 'says'} {self.requirement}"

    @property
    def where(self) -> str:
        """The place with the line, such as `requirements.txt:3`."""
        return f"{self.place}:{self.line}" if self.line else self.place

    @property
    def pin(self) -> Version | None:
        """The only release that it allows, or None if it allows several."""
        for one in self.requirement.specifier:
            if one.operator in ("==", "===") and "*" not in one.version:
                return Version(one.version)
        return None

    @property
    def is_empty_package(self) -> bool:
        """Whether it names one of the empty packages called `otree-core`, which contain nothing."""
        pin = self.pin
        if self.requirement.name != "otree-core" or pin is None:
            return False
        return any(pin in packages for packages in EMPTY)


@dataclass(frozen=True)
class PythonHint:
    """A statement about the project's Python: a version such as `3.7`, or a specifier `>=3.8`."""

    place: str
    python: str
    line: int | None = None

    @property
    def where(self) -> str:
        """The place with the line."""
        return f"{self.place}:{self.line}" if self.line else self.place

    def pythons(self) -> list[str]:
        """Return the Python versions that it allows, such as `3.7`, oldest first."""
        if re.fullmatch(r"\d+\.\d+", self.python):
            return [self.python]
        try:
            allowed = SpecifierSet(self.python)
        except InvalidSpecifier:
            return list(KNOWN_PYTHONS)
        # 3.7 stands for all of its patch releases: >=3.7.3 allows it, and so does <3.7.9.
        return [
            minor
            for minor in KNOWN_PYTHONS
            if any(allowed.contains(f"{minor}.{patch}") for patch in (0, 5, 10, 15, 20))
        ]


def from_text(
    place: str, text: str, line: int | None = None, weight: Weight = Weight.DECLARED
) -> Source | None:
    """Return what a requirement says about oTree, None if it is about another package.

    Raises UserError if it is about oTree and cannot be read.
    """
    text = text.strip()
    try:
        if source := _from_url(place, text, line, weight):
            return source
    except ValueError:  # not a URL that can be split
        return None
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        if meant := _loosely_spelled(text):
            note = f"pip refuses {text!r}: write {meant}"
            return _named(place, meant, line, weight, note)
        if re.match(rf"({'|'.join(NAMES)})\b(?!-)", text, re.IGNORECASE):
            raise UserError(
                f"{place} says {text!r}, which is not a requirement: fix it, or name the release "
                "with --otree"
            ) from error
        return None
    if requirement.url:
        return _from_url(place, requirement.url, line, weight, requirement.name)
    name = canonicalize_name(requirement.name)
    if name not in NAMES:
        return None
    requirement.name = name
    return Source(place, requirement, line=line, weight=weight)


def _loosely_spelled(text: str) -> str | None:
    """Return the pin that `otree 2.3.7` or `otree=2.3.7` means, None for anything else.

    `pip list` writes `otree (2.1.9)` or `otree 5.4.0`, `conda list -e` writes `otree=5.4.0=pypi_0`,
    and some write down the command, `pip install otree==5.4.0`.
    """
    spelled = LOOSE.fullmatch(text)
    try:
        return f"{spelled[1]}=={Version(spelled[2])}" if spelled else None
    except InvalidVersion:
        return None


def _named(place: str, text: str, line: int | None, weight: Weight, note: str) -> Source:
    requirement = Requirement(text)
    requirement.name = canonicalize_name(requirement.name)
    return Source(place, requirement, line=line, weight=weight, note=note)


def _from_url(
    place: str, text: str, line: int | None, weight: Weight, name: str = ""
) -> Source | None:
    """Return what a URL or a path says about oTree: `-e git+https://…@v2.0.4#egg=otree`."""
    url = re.sub(r"^(-e|--editable)[\s=]*", "", text)
    named = re.match(r"([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*@\s*(\S+)", url)
    if named and "://" in named[2]:
        name, url = name or named[1], named[2]
    url = url.split(";")[0].strip()
    if url.startswith("git+") or re.search(r"\.git(@|#|$)", url):
        return _from_git(place, url, line, weight, name)
    if archive := ARCHIVE.search(url):
        return from_git(place, archive[1], archive[2], archive[3], line, weight)
    file = unquote(urlsplit(url).path).rpartition("/")[2]
    if not file.endswith((".whl", ".tar.gz", ".zip")) or not file.lower().startswith("otree"):
        return None
    try:
        found = (
            parse_wheel_filename(file)[:2] if file.endswith("whl") else parse_sdist_filename(file)
        )
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
    if found[0] not in NAMES:
        return None
    return _named(place, f"{found[0]}=={found[1]}", line, weight, f"from the file {file}")


def _from_git(place: str, url: str, line: int | None, weight: Weight, name: str) -> Source | None:
    address, _, fragment = url.removeprefix("git+").partition("#")
    egg = re.search(r"egg=([A-Za-z0-9._-]+)", fragment)
    parts = urlsplit(address)
    path, _, tag = parts.path.partition("@")
    owner, _, repository = path.strip("/").removesuffix(".git").rpartition("/")
    package = canonicalize_name(name or (egg[1] if egg else repository))
    if package not in NAMES:
        return None
    return from_git(place, owner, repository, tag, line, weight)


def from_git(
    place: str, owner: str, repository: str, tag: str, line: int | None, weight: Weight
) -> Source:
    """Return what a tag or branch of a repository says: a pin if the tag is a version."""
    fork = owner.rpartition("/")[2].rpartition(":")[2].lower() != UPSTREAM
    what = f"a fork of oTree, {owner}/{repository}" if fork else f"{owner}/{repository}"
    try:
        version = Version(tag.removeprefix("refs/tags/").removeprefix("v"))
    except InvalidVersion:
        at = f"at {tag}" if tag else "at its newest commit"
        return _named(place, "otree", line, weight, f"it comes from {what}, {at}")
    package = "otree-core" if version < Version("1.5") else "otree"
    return _named(place, f"{package}=={version}", line, weight, f"it comes from {what}")


def python_from(place: str, text: str, line: int | None = None) -> PythonHint | None:
    """Return what a version or a specifier says about Python, None if it names none."""
    text = text.strip().strip("'\"")
    if match := re.match(r"(?:c?python[- @]?)?v?(\d+\.\d+)(?:\.\d+)?(?!\d|\.\*|,)", text):
        return PythonHint(place, match[1], line)
    spelled = poetry_specifier(text)
    if minor := re.fullmatch(r"==(\d+\.\d+)\.\*", spelled):
        return PythonHint(place, minor[1], line)
    try:
        allowed = SpecifierSet(spelled)
    except InvalidSpecifier:
        return None
    return PythonHint(place, str(allowed), line) if spelled else None


def poetry_specifier(text: str) -> str:
    """Translate Poetry's caret and tilde constraints, and conda's `=`, to PEP 440.

    Of alternatives, `^5 || ^6`, the last one counts: installers take the newest.
    """
    parts = text.rpartition("|")[2].split(",")
    return ",".join(filter(None, (_one_constraint(part.strip()) for part in parts)))


def _one_constraint(text: str) -> str:
    text = text.replace(" ", "")
    if text in ("", "*", "any"):
        return ""
    if caret := re.fullmatch(r"\^((\d+)(?:\.(\d+))?\S*)", text):
        if caret[2] == "0" and caret[3]:
            return f">={caret[1]},<0.{int(caret[3]) + 1}"
        return f">={caret[1]},<{int(caret[2]) + 1}"
    if tilde := re.fullmatch(r"~((\d+\.\d+)\S*)", text):
        return f">={tilde[1]},=={tilde[2]}.*"
    if major := re.fullmatch(r"~(\d+)", text):
        return f">={major[1]},<{int(major[1]) + 1}"
    if conda := re.fullmatch(r"=(\d[\w.]*)", text):
        return f"=={conda[1]}" if conda[1].count(".") > 1 else f"=={conda[1]}.*"
    return f"=={text}" if text[:1].isascii() and text[:1].isdigit() else text
