"""Read the links, headings and commands of the documents, with a Markdown parser."""

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
"""The documents with commands to type."""

ALL = [*GUIDES, ROOT / "CHANGELOG.md"]

PROGRAMS = {"channelsmin", "git", "otree", "pip", "pipx", "tox", "uv", "uvx"}
"""Programs with which a command begins, in addition to `python3 run.py` and those in .venv."""

PARSER = MarkdownIt("commonmark").enable("table")


def tokens(document: Path) -> Iterator[Token]:
    """Yield all tokens of a document, also those within a line."""
    for token in PARSER.parse(document.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def links(document: Path) -> list[str]:
    """Return the targets of a document's links and pictures."""
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
    """Return the plain text: neither code nor links."""
    return [token.content for token in tokens(document) if token.type == "text"]


def code(document: Path) -> Iterator[str]:
    """Yield the lines of a document's blocks of code, without comments, and its code in lines."""
    for token in tokens(document):
        if token.type == "code_inline":
            yield token.content
        elif token.type in {"code_block", "fence"}:
            yield from (re.split(r"\s#|^#", line)[0].strip() for line in token.content.splitlines())


def is_command(text: str) -> bool:
    """Return whether a line of code is a shell command."""
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
    """Return the commands in all documents."""
    return set().union(*map(commands, GUIDES))
