"""The matrix as a page that needs nothing but a browser: `site/index.html`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import lines, notes, releases, variants
from channelsmin.matrix.lines import ReleaseLine
from channelsmin.matrix.results import MEANING, Run, Status
from channelsmin.matrix.variants import ExpectedFailure
from channelsmin.paths import ROOT, write_atomically

PAGE = ROOT / "site" / "index.html"
TEMPLATE = Path(__file__).with_name("page.html")

SIGNS = {Status.PASS: "✓", Status.NOT_RUN: "·"}
"""The sign before a status, for readers who can't tell the colours; other statuses get a cross."""

UNKNOWN = "unknown", "? not yet"
"""Class and text of a cell for a Python on which a release was not run."""


def page() -> str:
    """Return the page as it should be."""
    found = lines.load_all()[::-1]
    jinja = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return jinja.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        summary=lines.summary(found),
        lines=[
            {"name": line.name, "pythons": line.pythons, "rows": list(_rows(line))}
            for line in found
        ],
        legend={_label(status): meaning for status, meaning in MEANING.items()},
        details={str(r): _details(r, runs) for line in found for r, runs in line.runs.items()},
    )


def update() -> None:
    """Write the page."""
    write_atomically(PAGE, page())


def check() -> None:
    """Raise UserError if the page is stale."""
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        raise UserError("site/index.html is stale: run `python3 run.py generate`")


def _rows(line: ReleaseLine) -> Iterator[dict[str, Any]]:
    for release in list(line.runs)[::-1]:
        variant, row = variants.find(release), releases.rows()[release]
        yield {
            "release": str(release),
            "uploaded": f"{row.uploaded:%Y-%m-%d}" if row.uploaded else "",
            "variant": variant.name if variant else "none",
            "cells": [_cell(release, python, line.runs[release]) for python in line.pythons],
        }


def _cell(release: Version, python: str, runs: tuple[Run, ...]) -> dict[str, str]:
    """Return a cell's class, text and accessible name; nothing for a Python that can't be used."""
    run = next((run for run in runs if run.python == python), None)
    if run is None and python not in variants.pythons(release):
        return {}
    status, text = (run.status.value, _label(run.status)) if run else UNKNOWN
    return {"class": status, "text": text, "name": f"oTree {release} on Python {python}: {status}"}


def _label(status: Status) -> str:
    return f"{SIGNS.get(status, '✗')} {status.value}"


def _details(release: Version, runs: tuple[Run, ...]) -> dict[str, Any]:
    """Return the page's details of a release: lines of text, and commands to copy."""
    variant, row = variants.find(release), releases.rows()[release]
    summary = [f"Yanked from the package index: {row.yanked}"] if row.yanked else []
    if variant:
        best = " or ".join(variants.pythons(release))
        summary.append(f"Take variants/{variant.name}, with Python {best}.")
    summary += [f"{status}: {why}" for status, why in notes.known_failures(release).items()]
    expected = map(_expected, variant.expected_failures(release) if variant else ())
    commands = f"python3 run.py demo {release}\npython3 run.py export {release} my_project"
    return {
        "summary": summary,
        "commands": commands if variant and not notes.not_installable(release) else "",
        "runs": [*(map(_in_words, runs) if runs else ["Not tested yet."]), *expected],
    }


def _expected(failure: ExpectedFailure) -> str:
    clause = f" ({failure.clause})" if failure.clause else ""
    return f"Expected failure{clause}: {failure.reason}"


def _in_words(run: Run) -> str:
    where = f"Python {run.python}: " if run.python else ""
    took = f", {run.seconds} s" if run.seconds else ""
    why = f". {run.reason}" if run.reason else ""
    before = "".join(f" Before that: {reason}" for reason in run.earlier)
    return f"{where}{_label(run.status)}, tested on {run.date} ({run.machine}{took}){why}{before}"
