"""The app of a variant that is a copy of another variant's: `same_app_as` in variant.toml.

Such a variant exists for what differs around the app, such as its settings.py. Its copy is
generated, so that a reader finds the whole variant in one folder, and never edited.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from channelsmin.errors import UserError
from channelsmin.matrix import variants
from channelsmin.matrix.variants import Variant
from channelsmin.runtime.export import APP


def copies() -> Iterator[tuple[Variant, Variant]]:
    """Yield each variant with a copied app, and the variant that it is copied from."""
    for variant in variants.load_all():
        if original := variant.same_app_as:
            yield variant, variants.named(original)


def update() -> None:
    """Copy the apps."""
    for variant, original in copies():
        if _files(variant) != _files(original):
            shutil.rmtree(variant.folder / APP)
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(original.folder / APP, variant.folder / APP, ignore=ignored)


def check() -> None:
    """Raise UserError if a copy differs from its original."""
    for variant, original in copies():
        if _files(variant) != _files(original):
            raise UserError(
                f"the app in variants/{variant.name} is not that of {original.name}: edit the "
                "original, and run `python3 run.py generate`"
            )


def _files(variant: Variant) -> dict[Path, bytes]:
    app = variant.folder / APP
    return {
        path.relative_to(app): path.read_bytes()
        for path in app.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
