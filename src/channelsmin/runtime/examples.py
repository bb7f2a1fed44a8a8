"""The worked examples of docs/adapting.md: a variant with some of its files replaced."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from channelsmin.errors import UserError
from channelsmin.matrix import variants
from channelsmin.paths import ROOT
from channelsmin.report import markdown
from channelsmin.runtime import export
from channelsmin.runtime.export import Export

EXAMPLES = ROOT / "examples"
DOCUMENT = ROOT / "docs" / "adapting.md"

PARTS = {
    "otree-2.0": ("channels", "otree-2.0"),
    "otree-2.3": ("channels", "otree-2.3"),
    "otree-2.6": ("channels", "otree-2.3"),
    "otree-5.0": ("otree-5.0",),
}
"""Which folders of an example hold what a variant's app is to have instead, the last one first."""

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
"""What the document shows: of which example, beside which variant, which file."""


def write(name: str, chosen: Export, folder: Path) -> None:
    """Write a project with an example in place of the variant's app.

    Raises UserError if the example is not written for this variant. The variant's bot is left out,
    as it plays another app.
    """
    parts = PARTS.get(chosen.variant.name)
    if parts is None:
        raise UserError(f"the examples are written for {', '.join(PARTS)}")
    export.write(chosen, folder)
    app = folder / export.TEMPLATES.parts[0]
    (app / "tests.py").unlink()
    for part in parts:
        shutil.copytree(EXAMPLES / name / part, app, dirs_exist_ok=True)
    shutil.copytree(EXAMPLES / name / "templates", folder / export.TEMPLATES, dirs_exist_ok=True)


def blocks() -> Mapping[str, Callable[[], str]]:
    """Return how each block of the document is made, by its name."""
    return {", ".join(shown): partial(_difference, *shown) for shown in SHOWN} | {
        f"{example}, script.html": partial(_script, example)
        for example in dict.fromkeys(example for example, _, _ in SHOWN)
    }


def _difference(example: str, variant: str, file: str) -> str:
    own = (EXAMPLES / example / part / file for part in reversed(PARTS[variant]))
    return markdown.block(
        variants.VARIANTS / variant / "channelsmin" / file, next(filter(Path.exists, own))
    )


def _script(example: str) -> str:
    text = (EXAMPLES / example / "templates" / "script.html").read_text(encoding="utf-8")
    return f"```html\n{text}```\n"
