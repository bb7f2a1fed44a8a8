"""Read requirements files, as pip does: includes, continued lines, hashes, encodings."""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from channelsmin.paths import relative
from channelsmin.project.source import Source, from_text

INCLUDES = re.compile(r"(?:-r|--requirement|-c|--constraint)[\s=]*(\S.*)")
"""The lines that name another requirements file. A constraint limits the release, too."""

FILES = (
    *("requirement*.txt", "requirement*.in", "*requirements.txt"),
    *("Requirement*.txt", "*Requirements.txt", "reqs*.txt"),
    *("requirements/*.txt", "requirements/*.in", "requirements*.lock"),
)
"""What requirements files are called: a name such as Requirements.txt works on Windows."""


@dataclass(frozen=True)
class Line:
    """A line of a requirements file that names a package, without its comment and its hashes."""

    place: str
    number: int
    text: str


MAIN = "requirements.txt"
"""The file that a server installs from."""

PINS_OTREE = re.compile(r"otree(-core)?\s*(\[[^\]]*\])?\s*===?", re.IGNORECASE)


def sources(folder: Path) -> Iterator[Source]:
    """Yield what a project's requirements files say about oTree.

    Raises UserError if a line about oTree cannot be read.
    """
    yield from _about_otree(lines(folder))


def of_file(folder: Path, file: Path) -> Iterator[Source]:
    """Yield what one requirements file of a project says, and the files that it includes."""
    yield from _about_otree(lines_of(folder, file))


def _about_otree(found: Iterable[Line]) -> Iterator[Source]:
    yield from filter(None, (from_text(line.place, line.text, line.number) for line in found))


def lines(folder: Path) -> list[Line]:
    """Return the lines of a project's requirements files, and of the files that they include.

    If requirements.txt includes a file that pins oTree, the files that it does not include are left
    out: they are for something else, or older.
    """
    main = list(lines_of(folder, folder / MAIN))
    if any(PINS_OTREE.match(line.text) and line.place != MAIN for line in main):
        return main
    files = dict.fromkeys(path for name in FILES for path in sorted(folder.glob(name)))
    return list(lines_of(folder, *files))


def lines_of(folder: Path, *named: Path) -> Iterator[Line]:
    """Yield the lines of requirements files of a project, and of the files that they include."""
    seen, files = set[Path](), [*named]
    while files:
        file = files.pop(0)
        if file.resolve() in seen or not file.is_file():
            continue
        seen.add(file.resolve())
        for number, line in _numbered(file):
            if included := INCLUDES.fullmatch(line):
                files.append(file.parent / included[1].strip())
            elif line:
                yield Line(relative(file, folder), number, line)


def _numbered(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a requirements file, numbered, without comments and without hashes."""
    number = 1
    for line in re.split(r"(?<!\\)\n", re.sub(r"\r\n?", "\n", text_of(file))):
        unbroken = line.replace("\\\n", " ")
        yield number, re.split(r"(?:^|\s)#|\s--hash", unbroken)[0].strip()
        number += 1 + line.count("\n")


def text_of(file: Path) -> str:
    """Return a text file's text; what PowerShell redirects to a file is UTF-16."""
    written = file.read_bytes()
    if written.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return written.decode("utf-16", errors="replace")
    if b"\0" in written[:2]:  # UTF-16 without its mark
        order = "be" if written[:1] == b"\0" else "le"
        return written.decode(f"utf-16-{order}", errors="replace")
    return written.decode("utf-8-sig", errors="replace")
