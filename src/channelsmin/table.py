"""The README's table of variants, from the variants' own variant.toml."""

import re

from channelsmin import variants
from channelsmin.files import ROOT
from channelsmin.problem import Problem

README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- variants: .*?-->\n).*?(<!-- end of variants -->)", re.DOTALL)


def rows() -> str:
    """Return the table, in Markdown."""
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


def fresh() -> str:
    """Return the README as it should be."""
    text = README.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise Problem(f"{README.name} has no block for the variants' table")
    return BLOCK.sub(lambda block: f"{block[1]}{rows()}{block[2]}", text)


def update() -> None:
    """Write the table into the README."""
    README.write_text(fresh(), encoding="utf-8")


def check() -> None:
    """Raise Problem if the README's table is not what the variants say."""
    if README.read_text(encoding="utf-8") != fresh():
        raise Problem("the README's table is stale: run `python3 run.py table`")
