"""What a release was tested with: a few digits for each part, which change when its files do."""

import functools
import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from packaging.version import Version

from channelsmin.matrix import locks
from channelsmin.matrix.variants import Variant
from channelsmin.paths import ROOT
from channelsmin.runtime import export

DIGITS = 12
"""How many hexadecimal digits of a SHA-256 are kept; they tell versions of a file apart."""


def of(variant: Variant, release: Version, python: str) -> dict[str, str]:
    """Return the fingerprints of the variant with its templates, of the suite and of the lock.

    A release that has no lock, as it is new, has no fingerprint of one: what is installed may
    differ from day to day.
    """
    lock = locks.find(release, python)
    return {
        "variant": of_variant(variant, release),
        "suite": of_suite(),
        **({"lock": _digits([locks.requirements(release, lock).encode()])} if lock else {}),
    }


@functools.cache
def of_suite() -> str:
    """Return the fingerprint of the contract suite.

    The tooling's own tests are no part of it, nor are those of the worked examples.
    """
    return _of_folders(ROOT / "tests" / "contract", ROOT / "tests" / "harness")


def of_variant(variant: Variant, release: Version) -> str:
    """Return the fingerprint of all that an export of the variant is made from, but its README.

    Of its `variant.toml`, only what holds for this release: a fact that is found out about
    another one makes no result old. Which Pythons there are to try is no fact about a run.
    """
    apart = (variant.folder / "README.md", variant.folder / "variant.toml")
    files = _of_folders(variant.folder, export.SHARED_TEMPLATES, leaving_out=apart)
    facts = {name: fact for name, fact in variant.facts_for(release).items() if name != "python"}
    return _digits([files.encode(), json.dumps(facts, sort_keys=True).encode()])


@functools.cache
def _of_folders(*folders: Path, leaving_out: tuple[Path, ...] = ()) -> str:
    parts: list[bytes] = []
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            ignored = "__pycache__" in file.parts or {file, *file.parents} & {*leaving_out}
            if file.is_file() and not ignored:
                parts += [str(file.relative_to(folder)).encode(), file.read_bytes()]
    return _digits(parts)


def _digits(parts: Iterable[bytes]) -> str:
    digest = sha256()
    for part in parts:
        digest.update(f"{len(part)}\n".encode() + part)
    return digest.hexdigest()[:DIGITS]
