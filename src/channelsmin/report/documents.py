"""Everything that is generated from results and variants: blocks of documents, and the page.

`channelsmin generate` writes it, and `generate --check` tells what is stale.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from channelsmin.errors import UserError
from channelsmin.paths import ROOT
from channelsmin.report import (
    adapting,
    deploy,
    history,
    migrating,
    page,
    performance,
    readme,
    reliability,
    spec,
    troubleshooting,
)

DOCS = ROOT / "docs"


@dataclass(frozen=True)
class Block:
    """A part of a document between two comments, `<!-- name: … -->` and `<!-- end of name -->`."""

    document: Path
    name: str
    make: Callable[[], str]

    def fresh(self) -> str:
        """Return the document as it should be."""
        pattern = rf"(<!-- {self.name}: .*?-->\n).*?(<!-- end of {self.name} -->)"
        text = self.document.read_text(encoding="utf-8")
        if not re.search(pattern, text, re.DOTALL):
            raise UserError(f"{self.document.name} has no block named {self.name!r}")
        made = self.make()
        return re.sub(pattern, lambda block: f"{block[1]}{made}{block[2]}", text, flags=re.DOTALL)


BLOCKS = (
    Block(ROOT / "README.md", "variants", readme.variants_table),
    Block(ROOT / "README.md", "matrix", readme.matrix_table),
    Block(DOCS / "history.md", "boundaries", history.boundaries_table),
    Block(DOCS / "deploy.md", "servers", deploy.servers_table),
    Block(DOCS / "deploy.md", "drivers", deploy.drivers_table),
    Block(DOCS / "deploy.md", "procfile", deploy.procfile_table),
    Block(DOCS / "spec.md", "clauses", spec.clauses_table),
    Block(DOCS / "reliability.md", "trials", reliability.trial_tables),
    Block(DOCS / "reliability.md", "soak", reliability.soak_table),
    Block(DOCS / "reliability.md", "mutants", reliability.mutants_table),
    Block(DOCS / "troubleshooting.md", "messages", troubleshooting.messages_tables),
    Block(DOCS / "performance.md", "felt", performance.felt_table),
    Block(DOCS / "performance.md", "felt-circumstances", performance.felt_circumstances_table),
    Block(DOCS / "performance.md", "times", performance.times_table),
    Block(DOCS / "performance.md", "costs", performance.costs_tables),
    Block(DOCS / "performance.md", "circumstances", performance.circumstances_table),
    *(Block(DOCS / "migrating.md", name, make) for name, make in migrating.blocks().items()),
    *(Block(DOCS / "adapting.md", name, make) for name, make in adapting.blocks().items()),
)


def update() -> None:
    """Write everything that is generated, except the plot (`channelsmin plot`)."""
    page.update()
    for block in BLOCKS:
        block.document.write_text(block.fresh(), encoding="utf-8")


def check() -> None:
    """Raise UserError if something generated, or the plot, is stale."""
    performance.check()
    page.check()
    for block in BLOCKS:
        if block.document.read_text(encoding="utf-8") != block.fresh():
            raise UserError(f"{block.document.name} is stale: run `python3 run.py generate`")
