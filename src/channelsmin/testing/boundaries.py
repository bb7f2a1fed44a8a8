"""Where a variant really stops working: `matrix/boundaries.json`.

Each variant is run on releases beyond its range, its own check of the release passed over: on
the first and on the last of those that the variants beside it serve.
"""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.version import Version

from channelsmin.matrix import notes, releases, variants
from channelsmin.matrix.results import Status
from channelsmin.matrix.variants import Variant
from channelsmin.paths import ROOT, write
from channelsmin.runtime import demo, environment
from channelsmin.testing import browser

BOUNDARIES = ROOT / "matrix" / "boundaries.json"
DOCUMENT = ROOT / "docs" / "history.md"

CLICK = "tests/contract/test_advancing.py::test_a1_a_click_by_any_member_takes_the_whole_group_on"
"""What tells whether a variant works at all."""


@dataclass(frozen=True)
class Beyond:
    """A variant, and a release beyond its range."""

    variant: Variant
    release: Version


def beyond() -> Iterator[Beyond]:
    """Yield each variant with the first and the last release of each of its neighbours."""
    eras = variants.load_all()
    for place, era in enumerate(eras):
        for neighbour in (*eras[max(place - 1, 0) : place], *eras[place + 1 : place + 2]):
            served = [r for r in releases.known() if neighbour.serves(r) and not notes.broken(r)]
            yield Beyond(era, served[0])
            yield Beyond(era, served[-1])


def run(say: Callable[[str], None]) -> None:
    """Measure all of them, and write down what came of each."""
    from channelsmin.testing import run_suite  # it needs what only the tests need

    browser.ensure()
    rows = []
    for its in beyond():
        serving = variants.serving(its.release)
        made = environment.create(serving, its.release, demo.cache() / f"otree{its.release}")
        python = environment.python_version(serving, its.release)
        with TemporaryDirectory(prefix="channelsmin-") as folder:
            tests = (CLICK, "--variant", its.variant.name)
            blank = run_suite.blank(python, {})
            ended = run_suite.attempt(blank, made, Path(folder, "run"), threading.Event(), tests)
        row = {"variant": its.variant.name, "release": str(its.release)}
        wanted = ("python", "status", "reason", "date")
        rows.append(row | {name: asdict(ended)[name] for name in wanted})
        say(f"{its.variant.name} on {its.release}: {ended.status.value} {ended.reason}".strip())
    write(BOUNDARIES, json.dumps(rows, indent=1) + "\n")


def rows() -> str:
    """Return the table in Markdown."""
    measured: list[dict[str, Any]] = json.loads(BOUNDARIES.read_text(encoding="utf-8"))
    lines = ["| variant | its range | beyond it | works | what happens |", "| --- " * 5 + "|"]
    for its in measured:
        era = next(era for era in variants.load_all() if era.name == its["variant"])
        works = "yes" if its["status"] == Status.PASS.value else f"no: {its['status']}"
        reason = its["reason"].replace("|", "\\|")
        lines.append(
            f"| `{era.name}` | {era.range} | {its['release']} on Python {its['python']} "
            f"| {works} | {reason} |"
        )
    return "\n".join(lines) + "\n"
