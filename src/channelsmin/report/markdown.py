"""What is different between two texts, as a block of a document in Markdown."""

import difflib
from pathlib import Path

from channelsmin.errors import UserError

CONTEXT = 2
"""How many lines are shown around those that differ."""


def block(before: Path, after: Path) -> str:
    """Return a block that shows how `after` differs from `before`; a file is named by its path.

    Raises UserError if there is no such file, or if the two are the same: then a document that
    tells of a difference is wrong.
    """
    for path in (before, after):
        if not path.is_file():
            raise UserError(f"{path} is not there, and a document shows it")
    old, new = (path.read_text(encoding="utf-8").splitlines() for path in (before, after))
    lines = list(difflib.unified_diff(old, new, n=CONTEXT, lineterm=""))[2:]
    if not lines:
        raise UserError(f"{before} and {after} are the same, and a document tells of a difference")
    # Where a part begins is of no use to the reader of a document.
    shown = ("@@" if line.startswith("@@") else line.rstrip() for line in lines)
    return "\n".join(["```diff", *shown, "```"]) + "\n"
