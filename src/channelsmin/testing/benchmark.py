"""Benchmark releases: run `python -m benchmarks` on each, in a cached environment."""

import sys
from collections.abc import Sequence

from channelsmin.errors import UserError
from channelsmin.matrix import results
from channelsmin.paths import ROOT
from channelsmin.runtime import environment
from channelsmin.runtime.processes import run_in_foreground
from channelsmin.testing import suite


def run(
    wanted: Sequence[str], members: Sequence[str], clicks: int | None, part: str | None = None
) -> None:
    """Measure these releases (default: the newest of each variant), and write the results.

    `members` are the group sizes (default: all that the benchmark knows), `clicks` the maximum
    number of clicks per size, `part` is "felt" or "latency" (default: both). Raises UserError if
    a release could not be measured.
    """
    limits = ["--clicks", str(clicks)] if clicks else []
    sizes = ["--members", *members] if members else []
    only = ["--part", part] if part else []
    for release in suite.chosen(wanted):
        installed = environment.cached(release)
        measure = [sys.executable, "-m", "benchmarks", str(release)]
        where = ["--environment", str(installed.folder)]
        out = ["--out", str(results.path_of_benchmarks(release))]
        if run_in_foreground([*measure, *where, *out, *limits, *sizes, *only], ROOT):
            raise UserError(f"oTree {release} was not measured: see above")
