"""Run each variant on releases outside its range: `matrix/boundaries.json`.

Each variant is tried on the first and on the last release of the variants next to it, with its
release check disabled.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.version import Version

from channelsmin import console
from channelsmin.matrix import notes, releases, results, variants
from channelsmin.matrix.variants import Variant
from channelsmin.paths import write_atomically
from channelsmin.runtime import environment, interpreters
from channelsmin.testing import browser, run_suite

CLICK = "tests/contract/test_advancing.py::test_a1_a_click_by_any_member_takes_the_whole_group_on"
"""The test that shows whether a variant works at all."""


@dataclass(frozen=True)
class Outside:
    """A variant, and a release outside its range."""

    variant: Variant
    release: Version


def outside() -> Iterator[Outside]:
    """Yield each variant with the first and the last release of each of its neighbours."""
    all_variants = variants.load_all()
    for place, variant in enumerate(all_variants):
        before, after = all_variants[max(place - 1, 0) : place], all_variants[place + 1 : place + 2]
        for neighbour in (*before, *after):
            served = [
                release
                for release in releases.known()
                if neighbour.serves(release) and not notes.not_installable(release)
            ]
            yield Outside(variant, served[0])
            yield Outside(variant, served[-1])


def run() -> None:
    """Try all of them, and write the outcomes."""
    browser.ensure()
    rows = []
    for pair in outside():
        made = environment.cached(pair.release)
        with TemporaryDirectory(prefix="channelsmin-") as folder:
            tests = (CLICK, "--variant", pair.variant.name)
            empty = run_suite.empty_run(interpreters.best_version(pair.release), {})
            ended = run_suite.attempt(empty, made, Path(folder, "run"), threading.Event(), tests)
        row = {"variant": pair.variant.name, "release": str(pair.release)}
        wanted = ("python", "status", "reason", "date")
        rows.append(row | {name: asdict(ended)[name] for name in wanted})
        outcome = f"{ended.status.value} {ended.reason}".strip()
        console.say(f"{pair.variant.name} on {pair.release}: {outcome}")
    write_atomically(results.BOUNDARIES, json.dumps(rows, indent=1) + "\n")
