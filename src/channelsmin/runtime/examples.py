"""Write a project with one of the worked examples: a variant with some of its files replaced."""

import shutil
from pathlib import Path

from channelsmin.errors import UserError
from channelsmin.paths import ROOT
from channelsmin.runtime import export
from channelsmin.runtime.export import Export

EXAMPLES = ROOT / "examples"

PARTS = {
    "otree-2.0": ("channels", "otree-2.0"),
    "otree-2.3": ("channels", "otree-2.3"),
    "otree-2.6": ("channels", "otree-2.3"),
    "otree-5.0": ("otree-5.0",),
}
"""The folders of an example whose files replace those of a variant's app; the last one wins."""


def write(name: str, chosen: Export, folder: Path) -> None:
    """Write a project with an example in place of the variant's app.

    Raises UserError if the example is not written for this variant. The variant's bot is left out,
    since it plays another app.
    """
    parts = PARTS.get(chosen.variant.name)
    if parts is None:
        raise UserError(f"the examples are written for {', '.join(PARTS)}")
    export.write(chosen, folder)
    app = folder / export.APP
    (app / "tests.py").unlink()
    for part in parts:
        shutil.copytree(EXAMPLES / name / part, app, dirs_exist_ok=True)
    shutil.copytree(EXAMPLES / name / "templates", folder / export.TEMPLATES, dirs_exist_ok=True)
