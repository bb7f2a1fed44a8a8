"""The documents, as a Markdown parser reads them: their links, their headings, their commands."""

import re
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from channelsmin.paths import ROOT

GUIDES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "variants").glob("*/README.md")),
]
"""What tells somebody what to type."""

ALL = [*GUIDES, ROOT / "CHANGELOG.md"]

PROGRAMS = {"channelsmin", "git", "otree", "pip", "pipx", "tox", "uv", "uvx"}
"""What a line that is a command begins with; `python3 run.py` and what is in .venv do, too."""

PARSER = MarkdownIt("commonmark").enable("table")


def tokens(document: Path) -> Iterator[Token]:
    """Yield all that a document consists of, also what is within a line."""
    for token in PARSER.parse(document.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def links(document: Path) -> list[str]:
    """Return where a document's links and pictures lead."""
    found = (token.attrGet("href") or token.attrGet("src") for token in tokens(document))
    return [str(target) for target in found if target]


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    found: set[str] = set()
    parsed = list(tokens(document))
    for place, token in enumerate(parsed):
        if token.type == "heading_open":
            words = "".join(its.content for its in parsed[place + 1].children or ())
            plain = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            taken = sum(re.fullmatch(rf"{plain}(-\d+)?", other) is not None for other in found)
            found.add(f"{plain}-{taken}" if taken else plain)
    return found


def plain_text(document: Path) -> list[str]:
    """Return what is neither code nor a link: what the parser takes for words."""
    return [token.content for token in tokens(document) if token.type == "text"]


def code(document: Path) -> Iterator[str]:
    """Yield the lines of a document's blocks of code, without comments, and its code in lines."""
    for token in tokens(document):
        if token.type == "code_inline":
            yield token.content
        elif token.type in {"code_block", "fence"}:
            yield from (re.split(r"\s#|^#", line)[0].strip() for line in token.content.splitlines())


def is_command(text: str) -> bool:
    """Say whether a line of code is to be typed into a shell."""
    words = text.split()
    return len(words) > 1 and (
        words[0] in PROGRAMS
        or words[0].startswith(".venv/bin/")
        or words[:2] == ["python3", "run.py"]
    )


def commands(document: Path) -> set[str]:
    """Return a document's commands. A Procfile's lines name one after a colon."""
    lines = (re.sub(r"^(web|worker): ", "", line) for line in code(document))
    return set(filter(is_command, lines))


def all_commands() -> set[str]:
    """Return what all guides tell somebody to type."""
    return set().union(*map(commands, GUIDES))
