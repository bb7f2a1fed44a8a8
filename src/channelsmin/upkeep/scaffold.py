"""The beginning of a new variant: a copy of its neighbour, with its own range in it."""

import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from packaging.version import InvalidVersion, Version

from channelsmin.errors import UserError
from channelsmin.matrix import variants
from channelsmin.matrix.variants import Variant
from channelsmin.paths import write

Say = Callable[[str], None]

CHECK = Path("channelsmin", "__init__.py")
"""Where a variant stops on a release that it does not serve, and names the one that does."""

LINES = re.compile(r"(for line in )\([][\d, ]+\)")
BOUNDS = re.compile(r"^if .*LINE.*:$", re.MULTILINE)
RANGE = re.compile(r"(this variant serves oTree ).*(\. ')")


def run(like: str, first: str, last: str | None, say: Say) -> None:
    """Write `variants/otree-<line>`, a copy of the variant `like` for the releases first to last.

    The line is that of `first`: 1.4 of 1.4.0b1. The checks of all variants then name it. Without
    a `last` it serves whatever comes. Raises UserError if there is no such variant to copy, if the
    new one is there, or if what is no version is given as one.
    """
    begins, ends = _version(first), _version(last) if last else None
    name = f"otree-{begins.major}.{begins.minor}"
    model = next((one for one in variants.load_all() if one.name == like), None)
    if model is None:
        known = ", ".join(one.name for one in variants.load_all())
        raise UserError(f"there is no variant {like!r} to copy: name one of {known}")
    folder = variants.VARIANTS / name
    if folder.exists():
        raise UserError(f"{folder} is there already: change that one, or remove it first")
    shutil.copytree(model.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    made = Variant(name, folder, begins, ends, model.facts)
    _set_range(made)
    lines = sorted({_line(one.first) for one in (*variants.load_all(), made)})
    for one in (*variants.load_all(), made):
        _set_lines(one.folder / CHECK, lines)
    say(f"{folder}: copied from {like}, for oTree {made.range}")
    say("Write its README.md and the rest of its variant.toml, and add its releases to tox.ini.")


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion as error:
        raise UserError(f"{text!r} is no release: name one such as 1.4.0b1") from error


def _line(release: Version) -> tuple[int, int]:
    return release.major, release.minor


def _set_range(made: Variant) -> None:
    facts = made.folder / "variant.toml"
    # A table may have a `first` of its own, so look no further than to where the tables begin.
    head, *tables = re.split(r"^(?=\[)", facts.read_text(encoding="utf-8"), flags=re.MULTILINE)
    head = re.sub(r"^(first|last) = .*\n", "", head, flags=re.MULTILINE)
    last = f'last = "{made.last}"\n' if made.last else ""
    head = head.replace("\n\n", f'\n\nfirst = "{made.first}"\n{last}', 1)
    write(facts, head + "".join(tables))
    major, minor = _line(made.first)
    bounds = f"if LINE < [{major}, {minor}]:"
    if made.last:
        below = f"[{made.last.major}, {made.last.minor + 1}]"
        bounds = f"if not [{major}, {minor}] <= LINE < {below}:"
    check = made.folder / CHECK
    text = BOUNDS.sub(bounds, check.read_text(encoding="utf-8"), count=1)
    write(check, RANGE.sub(rf"\g<1>{made.range}\g<2>", text))


def _set_lines(check: Path, lines: Iterable[tuple[int, int]]) -> None:
    listed = ", ".join(f"[{major}, {minor}]" for major, minor in lines)
    text = check.read_text(encoding="utf-8")
    write(check, LINES.sub(rf"\g<1>({listed})", text))
