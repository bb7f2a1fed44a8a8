"""Measure releases: an environment for each, and `python -m benchmarks` in it."""

import sys
from collections.abc import Sequence

from channelsmin.errors import UserError
from channelsmin.matrix import variants
from channelsmin.report import performance
from channelsmin.runtime import demo, environment
from channelsmin.testing import suite


def run(wanted: Sequence[str], members: Sequence[int], clicks: int | None) -> None:
    """Measure the named releases, or else the newest of each era, and write the results.

    `members` are the sizes of the groups, or none for all sizes; with `clicks`, no group is
    measured for more clicks than that. Raises UserError if a release could not be measured.
    """
    performance.RESULTS.mkdir(exist_ok=True)
    limits = ["--clicks", str(clicks)] if clicks else []
    sizes = ["--members", *map(str, members)] if members else []
    for release in suite.chosen(wanted):
        variant = variants.serving(release)
        installed = environment.create(variant, release, demo.cache() / f"otree{release}")
        out = performance.RESULTS / f"{release}.json"
        measure = [sys.executable, "-m", "benchmarks", str(release)]
        command = [*measure, "--environment", str(installed.folder), "--out", str(out)]
        if suite.run_to_its_end([*command, *limits, *sizes]):
            raise UserError(f"oTree {release} was not measured: see above")
