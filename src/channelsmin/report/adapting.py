"""The generated blocks of docs/adapting.md: how each worked example differs from its variant."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from channelsmin.matrix import variants
from channelsmin.report import markdown
from channelsmin.runtime.examples import EXAMPLES, PARTS
from channelsmin.runtime.export import APP

SHOWN = (
    ("counter", "otree-2.3", "models.py"),
    ("counter", "otree-2.3", "consumers.py"),
    ("counter", "otree-2.3", "pages.py"),
    ("counter", "otree-5.0", "__init__.py"),
    ("first_come", "otree-2.3", "models.py"),
    ("first_come", "otree-2.3", "consumers.py"),
    ("first_come", "otree-5.0", "__init__.py"),
    ("chat", "otree-2.3", "models.py"),
    ("chat", "otree-2.3", "consumers.py"),
    ("chat", "otree-2.0", "consumers.py"),
    ("chat", "otree-2.3", "pages.py"),
    ("chat", "otree-5.0", "__init__.py"),
)
"""The files that the document shows: of which example, compared with which variant."""


def blocks() -> Mapping[str, Callable[[], str]]:
    """Return the function that makes each block, by the block's name."""
    return {", ".join(shown): partial(_difference, *shown) for shown in SHOWN} | {
        f"{example}, script.html": partial(_script, example)
        for example in dict.fromkeys(example for example, _, _ in SHOWN)
    }


def _difference(example: str, variant: str, file: str) -> str:
    own = (EXAMPLES / example / part / file for part in reversed(PARTS[variant]))
    original = variants.VARIANTS / variant / APP / file
    return markdown.diff(original, next(filter(Path.exists, own)))


def _script(example: str) -> str:
    text = (EXAMPLES / example / "templates" / "script.html").read_text(encoding="utf-8")
    return markdown.code("html", text)
