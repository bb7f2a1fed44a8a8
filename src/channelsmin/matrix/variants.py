"""Which variant serves a release: `variants/*/variant.toml`, found by listing the folder."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.paths import ROOT, read_toml

VARIANTS = ROOT / "variants"


class Api(str, Enum):
    """The real-time API that an oTree release offers to apps."""

    CHANNELS_0_17 = "channels-0.17"
    CHANNELS_2 = "channels-2"
    LIVE_PAGES = "live-pages"

    @property
    def in_words(self) -> str:
        """Its name in a sentence."""
        return self.value.replace("channels-", "Channels ").replace("-", " ")


@dataclass(frozen=True)
class ProductionServers:
    """oTree's production commands.

    `first` starts everything, `further` one more server process next to it that serves pages only.
    `needs` are packages that oTree starts and does not require, `before_resetdb` oTree commands
    that have to run first.
    """

    first: str
    further: str
    needs: tuple[str, ...]
    before_resetdb: tuple[str, ...]


@dataclass(frozen=True)
class ExpectedFailure:
    """A test that the variant can't pass, with the reason; `clause` is "" where it has none."""

    test: str
    reason: str
    clause: str


@dataclass(frozen=True)
class Variant:
    """One variant, as its `variant.toml` describes it.

    `first` and `last` are the ends of its range; a variant without a `last` serves every later
    release. `facts` is the whole file; the methods below read single facts.
    """

    name: str
    folder: Path
    first: Version
    last: Version | None
    facts: Mapping[str, Any]

    def serves(self, release: Version) -> bool:
        """Return whether this variant is the one for `release`."""
        return self.first <= release and (self.last is None or release <= self.last)

    @property
    def range(self) -> str:
        """The releases that it serves: `2.0.0b1 to 2.2.4`, `5.0.0a27 and later`."""
        return f"{self.first} to {self.last}" if self.last else f"{self.first} and later"

    @property
    def api(self) -> Api:
        """The real-time API that it is written for."""
        return Api(self.facts["api"])

    @property
    def how_it_works(self) -> str:
        """The API in a few words, for a table."""
        return str(self.facts["how_it_works"])

    @property
    def document_revision(self) -> str:
        """What the 2020 document calls the releases that this variant serves."""
        return str(self.facts["document"])

    @property
    def same_app_as(self) -> str:
        """The variant whose app this one's is a copy of; "" if it has an app of its own."""
        return str(self.facts.get("same_app_as", ""))

    @property
    def postgresql_needs(self) -> tuple[str, ...]:
        """The packages that oTree needs for PostgreSQL and does not require."""
        return tuple(self.facts["postgresql_needs"])

    @property
    def bots_need(self) -> tuple[str, ...]:
        """The packages that `otree test` needs and oTree does not require."""
        return tuple(self.facts.get("bots_need", ()))

    @property
    def beyond_otree_api(self) -> Mapping[str, str]:
        """What it imports besides `otree.api`, each with the reason (clause V2)."""
        reasons: Mapping[str, str] = self.facts["beyond_otree_api"]
        return reasons

    @property
    def taps(self) -> Mapping[str, str]:
        """The functions at which the suite may hold the server up, by label."""
        functions: Mapping[str, str] = self.facts["taps"]
        return functions

    @property
    def all_pythons(self) -> list[str]:
        """All Python versions that run any of its releases, the oldest first."""
        return sorted({use for rule in self.facts["python"] for use in rule["use"]}, key=Version)

    def pythons(self, release: Version) -> list[str]:
        """Return the Python versions that run `release`, the preferred one first."""
        versions: list[str] = self._rule("python", release)["use"]
        return versions

    def development_server(self, release: Version) -> str:
        """Return oTree's command for the development server."""
        return str(self._rule("development_server", release)["command"])

    def durable_server(self, release: Version) -> str:
        """Return oTree's command for a server that keeps its database in a file."""
        return str(self._rule("durable_server", release)["command"])

    def production_servers(self, release: Version) -> ProductionServers:
        """Return oTree's production commands."""
        rule = self._rule("production_server", release)
        return ProductionServers(
            rule["first"],
            rule["further"],
            tuple(rule.get("needs", ())),
            tuple(rule.get("before_resetdb", ())),
        )

    def needs_extension_apps(self, release: Version) -> bool:
        """Return whether a project has to name the app in EXTENSION_APPS."""
        return bool(self.rules("extension_apps", release))

    def reads_channel_routing(self, release: Version) -> bool:
        """Return whether a project's CHANNEL_ROUTING replaces oTree's own list of routes."""
        return bool(self.rules("channel_routing", release))

    def layer_in_memory(self, release: Version) -> str:
        """Return why a project has to set CHANNEL_LAYERS to do without Redis; "" if it need not."""
        rules = self.rules("layer_in_memory", release)
        return str(rules[0]["reason"]) if rules else ""

    def has_zip(self, release: Version) -> bool:
        """Return whether the release has `otree zip`."""
        return not self.rules("no_zip", release)

    def live_page(self, release: Version) -> str | None:
        """Return the folder of the live page to compare with in benchmarks, if there is one."""
        rules = self.rules("live_page", release)
        return str(rules[0]["app"]) if rules else None

    def expected_failures(self, release: Version) -> tuple[ExpectedFailure, ...]:
        """Return the tests that can't pass on `release`."""
        return tuple(
            ExpectedFailure(rule["test"], rule["reason"], rule.get("clause", ""))
            for rule in self.rules("expected_failure", release)
        )

    def ignored_tracebacks(self, release: Version) -> tuple[str, ...]:
        """Return texts of tracebacks that oTree itself logs and no app can prevent."""
        return tuple(rule["text"] for rule in self.rules("ignored_traceback", release))

    def _rule(self, name: str, release: Version) -> Mapping[str, Any]:
        """Return the first of the `[[name]]` tables that applies to `release`."""
        return self.rules(name, release)[0]

    def rules(self, name: str, release: Version) -> list[Mapping[str, Any]]:
        """Return all `[[name]]` tables that apply to `release`: their `releases` contain it."""
        return [
            table
            for table in self.facts.get(name, ())
            if SpecifierSet(table.get("releases", "")).contains(release, prereleases=True)
        ]

    def facts_for(self, release: Version) -> dict[str, Any]:
        """Return the facts; of the `[[name]]` tables only those that apply to `release`.

        The tables come without their `releases`.
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
    """Read one variant's `variant.toml`."""
    facts = read_toml(folder / "variant.toml")
    last = Version(facts["last"]) if "last" in facts else None
    return Variant(folder.name, folder, Version(facts["first"]), last, facts)


@functools.cache
def load_all() -> tuple[Variant, ...]:
    """Return all variants, the one for the oldest releases first."""
    found = (load(path.parent) for path in VARIANTS.glob("*/variant.toml"))
    return tuple(sorted(found, key=lambda variant: variant.first))


def named(name: str) -> Variant:
    """Return the variant of this name; raises UserError if there is none."""
    for variant in load_all():
        if variant.name == name:
            return variant
    known = ", ".join(variant.name for variant in load_all())
    raise UserError(f"there is no variant {name!r}; the variants are {known}")


def find(release: Version) -> Variant | None:
    """Return the variant for `release`, or None if there is none."""
    return next((variant for variant in load_all() if variant.serves(release)), None)


def pythons(release: Version) -> list[str]:
    """Return the Pythons that run `release`, the preferred one first; none without a variant."""
    variant = find(release)
    return variant.pythons(release) if variant else []


def serving(release: Version) -> Variant:
    """Return the variant for `release`; raises UserError if there is none."""
    variant = find(release)
    if variant:
        return variant
    ranges = "; ".join(f"{variant.name}: {variant.range}" for variant in load_all())
    raise UserError(f"no variant serves oTree {release} ({ranges})")
