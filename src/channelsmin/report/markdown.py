"""Write tables, diffs and numbered notes in Markdown."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from channelsmin.errors import UserError

CONTEXT = 2
"""How many lines are shown around those that differ."""


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return a table with these column titles; `|` in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(content: object) -> str:
    return str(content).replace("|", "\\|")


def code(language: str, text: str) -> str:
    """Return a code block."""
    return f"```{language}\n{text.rstrip()}\n```\n"


def diff(before: Path, after: Path) -> str:
    """Return a unified diff of two files as a code block, without line numbers.

    Raises UserError if a file does not exist, or if the two are the same: then the document, which
    describes a difference, is wrong.
    """
    for path in (before, after):
        if not path.is_file():
            raise UserError(f"{path} does not exist, but a document shows it")
    old, new = (path.read_text(encoding="utf-8").splitlines() for path in (before, after))
    lines = list(difflib.unified_diff(old, new, n=CONTEXT, lineterm=""))[2:]
    if not lines:
        raise UserError(f"{before} and {after} are the same, but a document shows a difference")
    shown = ("@@" if line.startswith("@@") else line.rstrip() for line in lines)
    return code("diff", "\n".join(shown))
