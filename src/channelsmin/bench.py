"""Measure releases: an environment for each, and benchmarks/measure.py in it."""

import os
import sys
from collections.abc import Sequence

from channelsmin import demo, environment, performance, suite, variants
from channelsmin.files import ROOT
from channelsmin.problem import Problem


def run(wanted: Sequence[str], members: Sequence[int], clicks: int | None) -> None:
    """Measure the named releases, or else the newest of each era, and write the results.

    `members` are the sizes of the groups, or none for all sizes; with `clicks`, no group is
    measured for more clicks than that. Raises Problem if a release could not be measured.
    """
    performance.RESULTS.mkdir(exist_ok=True)
    folders = [str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}
    limits = ["--clicks", str(clicks)] if clicks else []
    sizes = ["--members", *map(str, members)] if members else []
    for release in suite.chosen(wanted):
        variant = variants.serving(release)
        installed = environment.create(variant, release, demo.cache() / f"otree{release}")
        out = performance.RESULTS / f"{release}.json"
        measure = [sys.executable, str(ROOT / "benchmarks" / "measure.py"), str(release)]
        command = [*measure, "--environment", str(installed.folder), "--out", str(out)]
        if suite.run_to_its_end([*command, *limits, *sizes], variables):
            raise Problem(f"oTree {release} was not measured: see above")
