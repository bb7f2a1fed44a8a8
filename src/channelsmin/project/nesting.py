"""Refuse Python files that are nested so deep that a parser written in C or Rust would crash."""

import ast
from collections import deque

from channelsmin.errors import UserError

DEEPEST = 200
"""Levels of nesting; Python itself allows 200 brackets, and people write ten."""


def check(source: bytes, name: str) -> None:
    """Raise UserError for a file that must not be given to LibCST: it would end this program.

    Nothing is said of other faults, such as the syntax of another Python.
    """
    try:
        tree = ast.parse(source)
    except (RecursionError, MemoryError):
        raise UserError(f"{name} is nested too deep to be read: make it simpler") from None
    except (SyntaxError, ValueError) as error:
        if "too many nested" in str(error):
            raise UserError(f"{name} is nested too deep to be read: make it simpler") from None
        return
    level = deque(ast.iter_child_nodes(tree))
    for _ in range(DEEPEST):
        if not level:
            return
        level = deque(child for node in level for child in ast.iter_child_nodes(node))
    raise UserError(f"{name} is nested too deep to be read: make it simpler")
