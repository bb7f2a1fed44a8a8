"""The matrix as a page that needs nothing but a browser: `site/index.html`.

The text is in page.html, the style in page.css, the script in page.js; the page contains all three.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import lines, locks, notes, releases, variants
from channelsmin.matrix.help import Help
from channelsmin.matrix.lines import ReleaseLine
from channelsmin.matrix.results import MEANING, Run, Status
from channelsmin.matrix.variants import ExpectedFailure
from channelsmin.paths import ROOT, write_atomically
from channelsmin.report import performance, spec

PAGE = ROOT / "site" / "index.html"
PARTS = Path(__file__).parent

SIGNS = {Status.PASS: "✓", Status.HELPED: "+", Status.NOT_RUN: "·"}
"""The sign of a status, for readers who can't tell the colours; other statuses get a cross."""

UNKNOWN = "unknown"
UNKNOWN_SIGN = "?"
UNKNOWN_MEANING = "the suite was not run yet on this release and Python"
"""The state of a release and a Python on which it was not run."""


def page() -> str:
    """Return the page as it should be."""
    found = lines.load_all()[::-1]
    outcomes, clause_notes = spec.by_variant()
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PARTS),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    jinja.filters["code"] = _with_code
    jinja.policies["json.dumps_kwargs"] = {"sort_keys": False}  # the releases stay in order
    return jinja.get_template("page.html").render(
        summary=lines.summary(found),
        age=lines.age(found),
        lines=[
            {"name": line.name, "cells": [_cell(line, release) for release in line.runs]}
            for line in found
        ],
        legend=list(_legend()),
        variants=[
            {"name": one.name, "range": one.range, "how": one.how_it_works}
            for one in variants.load_all()
        ],
        clauses=[(name, text, outcomes[name]) for name, text in spec.clauses().items()],
        clause_notes=clause_notes,
        times=_times(),
        data=data(found),
    )


def update() -> None:
    """Write the page."""
    write_atomically(PAGE, page())


def check() -> None:
    """Raise UserError if the page is stale."""
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        raise UserError("site/index.html is stale: run `python3 run.py generate`")


def _with_code(text: str) -> Markup:
    """Return a line of Markdown as HTML: code, bold words, and of links the words."""
    coded = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    bold = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", coded)
    return Markup(re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", bold))


def _legend() -> Iterator[dict[str, str]]:
    for status, meaning in MEANING.items():
        yield {"sign": sign(status), "slug": slug(status), "name": status.value, "means": meaning}
    yield {
        "sign": UNKNOWN_SIGN,
        "slug": UNKNOWN,
        "name": "not run yet",
        "means": UNKNOWN_MEANING,
    }


def sign(status: Status) -> str:
    """Return the sign of a status."""
    return SIGNS.get(status, "✗")


def slug(status: Status) -> str:
    """Return the name of a status as a class in CSS."""
    return status.value.replace(" ", "-")


def overall(runs: Sequence[Run]) -> Status | None:
    """Return the status of a release on all Pythons together: the worst one; None without a run."""
    statuses = {run.status for run in runs}
    worse = [status for status in Status if status in statuses and not status.is_pass]
    if worse:
        return worse[0]
    return next((status for status in (Status.HELPED, Status.PASS) if status in statuses), None)


def _cell(line: ReleaseLine, release: Version) -> dict[str, str]:
    status = overall(line.runs[release])
    name = status.value if status else "not run yet"
    pythons = ", ".join(run.python for run in line.runs[release] if run.python)
    where = f" on Python {pythons}" if pythons else ""
    return {
        "release": str(release),
        "sign": sign(status) if status else UNKNOWN_SIGN,
        "slug": slug(status) if status else UNKNOWN,
        "says": f"{release}: {name}{where}",
    }


def _times() -> list[tuple[str, str, list[str]]]:
    """Return the table's rows: release, variant, when the last member is there, by the group."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for release, variant, group, words in performance.felt_times():
        rows.setdefault((release, variant), {})[group] = words
    groups = list(dict.fromkeys(group for times in rows.values() for group in times))
    head = ("oTree", "variant", groups)
    body = [(*name, [times.get(group, "") for group in groups]) for name, times in rows.items()]
    return [head, *body]


def data(found: Sequence[ReleaseLine]) -> dict[str, Any]:
    """Return what the script answers from: the releases, the oldest first, and the statuses."""
    oldest_first = sorted((r, runs) for line in found for r, runs in line.runs.items())
    return {
        "releases": {str(release): _release(release, runs) for release, runs in oldest_first},
        "statuses": {entry["name"]: entry for entry in _legend()},
    }


def _release(release: Version, runs: tuple[Run, ...]) -> dict[str, Any]:
    """Return all that the page tells of a release."""
    variant, row = variants.find(release), releases.rows()[release]
    pythons = variants.pythons(release)
    run_on = {run.python: run for run in runs}
    return {
        "line": "{}.{}".format(*release.release),
        "package": row.package,
        "uploaded": f"{row.uploaded:%Y-%m-%d}" if row.uploaded else "",
        "yanked": row.yanked,
        "pre": release.is_prerelease,
        "variant": variant.name if variant else "",
        "pythons": pythons,
        "runs": [
            _run(python, run_on.get(python), notes.help_for(release))
            for python in dict.fromkeys([*pythons, *run_on])
        ],
        "minds": list(_minds(release)),
    }


def _run(python: str, run: Run | None, help_: Help | None) -> dict[str, str]:
    """Return the last run on a Python; one from before the help was known is told to be so."""
    if run is None:
        return {"python": python, "status": "not run yet", "when": "", "says": ""}
    took = f", {run.seconds} s" if run.seconds else ""
    before = "".join(f" Before that: {reason}" for reason in run.earlier)
    without = (
        "Without help: " if help_ and not run.status.is_pass and "help" not in run.tested else ""
    )
    return {
        "python": python,
        "status": run.status.value,
        "when": f"{run.date} ({run.machine}{took})",
        "says": f"{without}{run.reason}{before}".strip(),
    }


def _minds(release: Version) -> Iterator[dict[str, Any]]:
    """Yield what is known not to work on a release, and the help that it needs."""
    if help_ := notes.help_for(release):
        yield {
            "title": "needs help",
            "text": f"{help_.line}. Without it: {help_.reason}.",
            "steps": locks.steps_by_hand(release, help_),
        }
    for status, why in notes.known_failures(release).items():
        yield {"title": status, "text": why}
    if bounds := notes.upper_bounds(release):
        yield {"title": "upper bounds", "text": f"It is tested with {', '.join(bounds)}."}
    variant = variants.find(release)
    for failure in variant.expected_failures(release) if variant else ():
        yield {"title": _clause(failure), "text": failure.reason}


def _clause(failure: ExpectedFailure) -> str:
    return f"expected failure{f', clause {failure.clause}' if failure.clause else ''}"
