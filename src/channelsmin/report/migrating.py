"""The generated blocks of docs/migrating.md: how neighbouring variants differ."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from channelsmin.matrix.variants import VARIANTS
from channelsmin.report import markdown

SHOWN = {
    ("otree-1.4", "otree-2.0"): ("channelsmin/models.py", "settings.py"),
    ("otree-2.0", "otree-2.3"): (
        "channelsmin/otree_extensions/routing.py",
        "channelsmin/consumers.py",
        "settings.py",
    ),
    ("otree-2.3", "otree-2.6"): ("settings.py",),
    ("otree-2.6", "otree-5.0"): ("settings.py", "channelsmin/tests.py"),
}
"""The files of neighbouring variants that the document compares. Of 2.6, 5.0 has hardly a file."""


def blocks() -> dict[str, Callable[[], str]]:
    """Return the function that makes each block, by the block's name: `2.0 to 2.3, settings.py`."""
    return {
        f"{old.removeprefix('otree-')} to {new.removeprefix('otree-')}, {Path(file).name}": partial(
            markdown.diff, VARIANTS / old / file, VARIANTS / new / file
        )
        for (old, new), files in SHOWN.items()
        for file in files
    }
