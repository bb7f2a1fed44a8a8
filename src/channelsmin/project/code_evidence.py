"""Read from a project's code which releases of oTree it was written for."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.version import Version

from channelsmin.matrix import code_signs, variants
from channelsmin.matrix.code_signs import Sign, Strength
from channelsmin.project.requirements import text_of

SUFFIXES = (".py", ".html")
NAMES = ("Procfile",)
SKIPPED = frozenset({"venv", "env", "node_modules", "site-packages", "__pycache__", "tests"})

LARGEST = 400_000
"""Bytes; larger files are data rather than code."""


@dataclass(frozen=True)
class Evidence:
    """A sign that the project's code has: the sign, the first place, and how many files have it."""

    sign: Sign
    where: str
    files: int

    def __str__(self) -> str:
        """The evidence in words."""
        return f"{self.where} {self.sign.says}"


def find(folder: Path) -> list[Evidence]:
    """Return the signs that a project has: those that only certain releases run come first.

    Each file is read once. Nothing is imported.
    """
    signs = code_signs.load()
    places: dict[int, list[str]] = {}
    for path in _files(folder):
        text = None
        place = PurePosixPath(path.relative_to(folder).as_posix())
        for number, sign in enumerate(signs):
            if not sign.concerns(place):
                continue
            text = text_of(path) if text is None else text
            if sign.word in text and (match := sign.pattern.search(text)):
                start = match.end() - len(match[0].lstrip())
                line = text.count("\n", 0, start) + 1
                places.setdefault(number, []).append(f"{place}:{line}")
    found = [Evidence(signs[number], where[0], len(where)) for number, where in places.items()]
    order = list(Strength)
    return sorted(found, key=lambda one: (order.index(one.sign.strength), -one.files, one.where))


def _files(folder: Path) -> Iterator[Path]:
    """Yield the code and the templates of a project, but none of an environment or of tests."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith((".", "__")) and name not in SKIPPED
        )
        for name in sorted(names):
            path = Path(place, name)
            is_code = name.endswith(SUFFIXES) or name in NAMES
            if is_code and not name.startswith("test") and path.stat().st_size < LARGEST:
                yield path


@dataclass(frozen=True)
class Narrowed:
    """Releases after the evidence was applied: what is left, and which evidence counted."""

    releases: tuple[Version, ...]
    used: tuple[Evidence, ...]
    unused: tuple[Evidence, ...]


def _variants(releases: Iterable[Version]) -> set[str]:
    found = (variants.find(release) for release in releases)
    return {variant.name if variant else "" for variant in found}


def narrow(releases: Iterable[Version], evidence: Iterable[Evidence]) -> Narrowed:
    """Leave the releases for which the code was written, until all that are left have one variant.

    Evidence that would leave none is not used: the code contradicts itself or the requirements.
    """
    left = tuple(releases)
    used, unused = [], []
    for one in evidence:
        fitting = tuple(release for release in left if one.sign.allows(release))
        if not fitting:
            unused.append(one)
        elif _variants(fitting) < _variants(left):
            left = fitting
            used.append(one)
    return Narrowed(left, tuple(used), tuple(unused))
