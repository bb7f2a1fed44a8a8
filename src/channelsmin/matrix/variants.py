"""Which variant serves a release: `variants/*/variant.toml`, found by listing the folder."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.paths import ROOT, read_toml

VARIANTS = ROOT / "variants"


@dataclass(frozen=True)
class Variant:
    """One variant, as its `variant.toml` describes it.

    `first` and `last` are the releases between which it works; without a `last` it serves
    whatever comes. `facts` is the whole file, for those who need more than the range.
    """

    name: str
    folder: Path
    first: Version
    last: Version | None
    facts: Mapping[str, Any]

    def serves(self, release: Version) -> bool:
        """Say whether this variant is the one for `release`."""
        return self.first <= release and (self.last is None or release <= self.last)

    @property
    def range(self) -> str:
        """The releases it serves, in words: `2.0.0b1 to 2.2.4`, `5.0.0a27 and later`."""
        return f"{self.first} to {self.last}" if self.last else f"{self.first} and later"

    def pythons(self, release: Version) -> list[str]:
        """Return the Python versions that run `release`, the preferred one first."""
        rule: list[str] = self.rule("python", release)["use"]
        return rule

    def rule(self, name: str, release: Version) -> Mapping[str, Any]:
        """Return the first of the `[[name]]` tables whose `releases` hold `release`."""
        return self.rules(name, release)[0]

    def rules(self, name: str, release: Version) -> list[Mapping[str, Any]]:
        """Return all `[[name]]` tables whose `releases` hold `release`."""
        return [
            table
            for table in self.facts.get(name, ())
            if SpecifierSet(table.get("releases", "")).contains(release, prereleases=True)
        ]

    def facts_for(self, release: Version) -> dict[str, Any]:
        """Return the facts, of the `[[name]]` tables only those whose `releases` hold `release`.

        What the tables say of their own `releases` is left out.
        """
        return {
            name: [
                {key: value for key, value in table.items() if key != "releases"}
                for table in self.rules(name, release)
            ]
            if _is_tables(fact)
            else fact
            for name, fact in self.facts.items()
        }


def _is_tables(fact: object) -> bool:
    return isinstance(fact, list) and all(isinstance(entry, dict) for entry in fact)


def load(folder: Path) -> Variant:
    """Read one variant's own description."""
    facts = read_toml(folder / "variant.toml")
    last = Version(facts["last"]) if "last" in facts else None
    return Variant(folder.name, folder, Version(facts["first"]), last, facts)


@functools.cache
def load_all() -> tuple[Variant, ...]:
    """Return all variants, the one for the oldest releases first."""
    found = (load(path.parent) for path in VARIANTS.glob("*/variant.toml"))
    return tuple(sorted(found, key=lambda variant: variant.first))


def find(release: Version) -> Variant | None:
    """Return the variant for `release`, or None where there is none."""
    return next((variant for variant in load_all() if variant.serves(release)), None)


def pythons(release: Version) -> list[str]:
    """Return the Pythons that run `release`, the preferred one first; none without a variant."""
    variant = find(release)
    return variant.pythons(release) if variant else []


def serving(release: Version) -> Variant:
    """Return the variant for `release`; raises UserError where there is none."""
    variant = find(release)
    if variant:
        return variant
    ranges = "; ".join(f"{variant.name}: {variant.range}" for variant in load_all())
    raise UserError(f"no variant serves oTree {release} ({ranges})")
