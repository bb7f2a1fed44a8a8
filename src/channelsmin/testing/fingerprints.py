"""Fingerprints of what a result was produced with: short SHA-256 hashes of each part."""

import functools
import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from packaging.version import Version

from channelsmin.matrix import locks, variants
from channelsmin.matrix.variants import Variant
from channelsmin.paths import ROOT
from channelsmin.runtime import export

DIGITS = 12
"""How many hexadecimal digits of a SHA-256 are kept: enough to tell versions of a file apart."""


def of(release: Version, python: str) -> dict[str, str]:
    """Return the fingerprints of the variant with its templates, of the suite and of the lock file.

    A release without a lock, as it is new, has no fingerprint of one: what is installed may differ
    from day to day. Raises UserError if no variant serves the release.
    """
    lock = locks.find(release, python)
    return {
        "variant": of_variant(variants.serving(release), release),
        "suite": of_suite(),
        **({"lock": _digits([locks.requirements(release, lock).encode()])} if lock else {}),
    }


@functools.cache
def of_suite() -> str:
    """Return the fingerprint of the contract suite and its harness."""
    return _of_folders(ROOT / "tests" / "contract", ROOT / "tests" / "harness")


def of_variant(variant: Variant, release: Version) -> str:
    """Return the fingerprint of everything that an export contains, except its README.

    Of `variant.toml`, only the facts that apply to this release: facts about other releases do not
    invalidate results. The list of Pythons is left out, too.
    """
    apart = (variant.folder / "README.md", variant.folder / "variant.toml")
    files = _of_folders(variant.folder, export.SHARED_TEMPLATES, leaving_out=apart)
    facts = {name: fact for name, fact in variant.facts_for(release).items() if name != "python"}
    check = export.CHECK_TEMPLATE.read_bytes()
    return _digits([files.encode(), check, json.dumps(facts, sort_keys=True).encode()])


@functools.cache
def _of_folders(*folders: Path, leaving_out: tuple[Path, ...] = ()) -> str:
    parts: list[bytes] = []
    for folder in folders:
        # By their parts, with case: the order of paths differs between systems.
        for file in sorted(folder.rglob("*"), key=lambda path: path.parts):
            ignored = "__pycache__" in file.parts or {file, *file.parents} & {*leaving_out}
            if file.is_file() and not ignored:
                parts += [file.relative_to(folder).as_posix().encode(), file.read_bytes()]
    return _digits(parts)


def _digits(parts: Iterable[bytes]) -> str:
    digest = sha256()
    for part in parts:
        digest.update(f"{len(part)}\n".encode() + part)
    return digest.hexdigest()[:DIGITS]
