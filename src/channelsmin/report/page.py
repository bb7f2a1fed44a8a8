"""The matrix as a page that needs nothing but a browser: `site/index.html`."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import lines, notes, releases, variants
from channelsmin.matrix.lines import Line
from channelsmin.matrix.results import MEANING, Run, Status
from channelsmin.paths import ROOT, write

PAGE = ROOT / "site" / "index.html"
TEMPLATE = Path(__file__).with_name("page.html")

SIGNS = {Status.PASS: "✓", Status.NOT_RUN: "·"}
"""What stands before a status, for those who can't tell the colours; a cross before others."""


def page() -> str:
    """Return the page as it should be."""
    all_lines = lines.lines()[::-1]
    details = {str(r): _details(r, runs) for line in all_lines for r, runs in line.runs.items()}
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        summary=escape(lines.summary(all_lines)),
        lines="\n".join(map(_section, all_lines)),
        legend="\n".join(
            f"<dt>{_label(status)}</dt><dd>{escape(meant)}</dd>"
            for status, meant in MEANING.items()
        ),
        data=json.dumps(details, ensure_ascii=False).replace("<", "\\u003c"),
    )


def update() -> None:
    """Write the page."""
    write(PAGE, page())


def check() -> None:
    """Raise UserError if the page is not what it is made from."""
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        raise UserError("site/index.html is stale: run `python3 run.py table`")


def _label(status: Status) -> str:
    return f"{SIGNS.get(status, '✗')} {status.value}"


def _section(line: Line) -> str:
    heads = "".join(f'<th scope="col">{python}</th>' for python in line.pythons)
    rows = "\n".join(_row(line, release) for release in list(line.runs)[::-1])
    return (
        f'<section class="line"><h2>oTree {line.name}</h2><div class="wide"><table>\n'
        '<thead><tr><th scope="col">release</th><th scope="col">of</th>'
        f'<th scope="col">variant</th>{heads}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div></section>"
    )


def _row(line: Line, release: Version) -> str:
    variant, row = variants.find(release), releases.rows()[release]
    uploaded = f"{row.uploaded:%Y-%m-%d}" if row.uploaded else ""
    cells = "".join(_cell(release, python, line.runs[release]) for python in line.pythons)
    return (
        f'<tr data-release="{release}"><th scope="row"><button>{release}</button></th>'
        f'<td class="text">{uploaded}</td>'
        f'<td class="text">{variant.name if variant else "none"}</td>{cells}</tr>'
    )


def _cell(release: Version, python: str, runs: tuple[Run, ...]) -> str:
    its = next((run for run in runs if run.python == python), None)
    if its is None and python not in variants.pythons(release):
        return "<td></td>"
    status, text = (its.status.value, _label(its.status)) if its else ("unknown", "? not yet")
    name = f"oTree {release} on Python {python}: {status}"
    return f'<td class="{status}"><button aria-label="{name}">{text}</button></td>'


def _details(release: Version, runs: tuple[Run, ...]) -> dict[str, Any]:
    """Return what the page says of a release: lines of text, and commands to copy."""
    variant, row = variants.find(release), releases.rows()[release]
    said = [f"Withdrawn from the index: {row.yanked}"] if row.yanked else []
    if variant:
        best = " or ".join(variants.pythons(release))
        said.append(f"Take variants/{variant.name}, with Python {best}.")
    said += [f"{status}: {why}" for status, why in notes.not_passing(release).items()]
    expected = [_expected(its) for its in variant.rules("deviation", release)] if variant else []
    commands = f"python3 run.py demo {release}\npython3 run.py export {release} my_project"
    return {
        "said": said,
        "commands": commands if variant and not notes.broken(release) else "",
        "shown": (list(map(_in_words, runs)) or ["Not measured yet."]) + expected,
    }


def _expected(deviation: Mapping[str, Any]) -> str:
    of = f" ({deviation['clause']})" if "clause" in deviation else ""
    return f"Deviation{of}: {deviation['reason']}"


def _in_words(run: Run) -> str:
    where = f"Python {run.python}: " if run.python else ""
    took = f", {run.seconds} s" if run.seconds else ""
    why = f". {run.reason}" if run.reason else ""
    before = "".join(f" Before that: {reason}" for reason in run.earlier)
    return f"{where}{_label(run.status)}, measured on {run.date} ({run.machine}{took}){why}{before}"
