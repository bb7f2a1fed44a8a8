"""Start a new variant: a copy of another one, with its own range of releases."""

import shutil

import tomlkit
from packaging.version import InvalidVersion, Version

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.matrix import variants
from channelsmin.matrix.variants import Variant
from channelsmin.paths import write_atomically


def run(like: str, first: str, last: str | None) -> None:
    """Write `variants/otree-<line>`, a copy of the variant `like` for the releases first to last.

    The line is that of `first`: 1.4 for 1.4.0b1. A variant without a `last` serves every later
    release. Raises UserError if there is no such variant to copy, if the new one exists already, or
    if an argument is not a version.
    """
    begins, ends = _version(first), _version(last) if last else None
    model = variants.named(like)
    folder = variants.VARIANTS / f"otree-{begins.major}.{begins.minor}"
    if folder.exists():
        raise UserError(f"{folder} exists already: change that one, or remove it first")
    shutil.copytree(model.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    made = Variant(folder.name, folder, begins, ends, model.facts)
    _set_range(made)
    console.say(f"{folder}: copied from {like}, for oTree {made.range}")
    console.say("Write its README.md and its variant.toml, and add its releases to tox.ini.")


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion as error:
        raise UserError(f"{text!r} is not a release: name one such as 1.4.0b1") from error


def _set_range(made: Variant) -> None:
    file = made.folder / "variant.toml"
    facts = tomlkit.parse(file.read_text(encoding="utf-8"))
    facts["first"] = str(made.first)
    if made.last:
        facts["last"] = str(made.last)
    else:
        facts.pop("last", None)
    write_atomically(file, tomlkit.dumps(facts))
