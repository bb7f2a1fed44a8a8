"""The generated parts of the documents, from the variants' variant.toml and the results."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from channelsmin.errors import UserError
from channelsmin.matrix import lines, variants
from channelsmin.paths import ROOT
from channelsmin.report import migrating, page, performance, reliability, spec
from channelsmin.runtime import examples
from channelsmin.testing import boundaries


@dataclass(frozen=True)
class Block:
    """A part of a document between two comments, `<!-- name: … -->` and `<!-- end of name -->`."""

    document: Path
    name: str
    rows: Callable[[], str]

    def fresh(self) -> str:
        """Return the document as it should be."""
        pattern = rf"(<!-- {self.name}: .*?-->\n).*?(<!-- end of {self.name} -->)"
        text = self.document.read_text(encoding="utf-8")
        if not re.search(pattern, text, re.DOTALL):
            raise UserError(f"{self.document.name} has no block named {self.name!r}")
        rows = self.rows()
        return re.sub(pattern, lambda block: f"{block[1]}{rows}{block[2]}", text, flags=re.DOTALL)


def variant_rows() -> str:
    """Return the table of variants, in Markdown."""
    lines = [
        "| your oTree | take | how it works | Python | the 2020 document says |",
        "| --- | --- | --- | --- | --- |",
    ]
    for variant in variants.load_all():
        pythons = sorted(
            {python for rule in variant.facts["python"] for python in rule["use"]},
            key=lambda python: int(python.split(".")[1]),
        )
        lines.append(
            f"| {variant.range} | [`{variant.name}`](variants/{variant.name}) "
            f"| {variant.facts['scheme']} | {', '.join(pythons)} | {variant.facts['document']} |"
        )
    return "\n".join(lines) + "\n"


BLOCKS = (
    Block(ROOT / "README.md", "variants", variant_rows),
    Block(lines.DOCUMENT, "matrix", lines.rows),
    Block(boundaries.DOCUMENT, "boundaries", boundaries.rows),
    Block(spec.SPEC, "clauses", spec.rows),
    Block(reliability.DOCUMENT, "trials", reliability.trial_rows),
    Block(reliability.DOCUMENT, "soak", reliability.soak_rows),
    Block(performance.DOCUMENT, "times", performance.time_rows),
    Block(performance.DOCUMENT, "costs", performance.use_rows),
    Block(performance.DOCUMENT, "circumstances", performance.circumstance_rows),
    *(Block(migrating.DOCUMENT, name, rows) for name, rows in migrating.blocks().items()),
    *(Block(examples.DOCUMENT, name, rows) for name, rows in examples.blocks().items()),
)


def update() -> None:
    """Write all tables into their documents, and the page of the matrix."""
    page.update()
    for block in BLOCKS:
        block.document.write_text(block.fresh(), encoding="utf-8")


def check() -> None:
    """Raise UserError if a table, the plot or the page is not what it is made from."""
    performance.check()
    page.check()
    for block in BLOCKS:
        if block.document.read_text(encoding="utf-8") != block.fresh():
            raise UserError(f"{block.document.name} is stale: run `python3 run.py table`")
