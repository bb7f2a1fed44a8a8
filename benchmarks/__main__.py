"""Measure one release: `python -m benchmarks`, which `python3 run.py bench` runs.

Two parts can be measured one without the other: `felt` and `latency`.
"""

import argparse
import json
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks import felt
from benchmarks.latency import LOADS, Load, circumstances, take_counts, take_times
from benchmarks.project import build
from channelsmin.errors import UserError
from channelsmin.runtime import export as exporting
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import Export

FELT_CLICKS = 20
"""Clicks of each design with each size of group, to measure what members feel."""


def main() -> None:
    """Measure, and write the results; what is not measured anew stays as it is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("release")
    parser.add_argument("--environment", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", choices=["felt", "latency"], help="measure only this")
    parser.add_argument("--members", type=int, nargs="*", help="sizes of groups (default: all)")
    parser.add_argument("--clicks", type=int, help="the greatest number of clicks")
    parser.add_argument(
        "--live-page-up-to",
        type=int,
        default=300,
        metavar="MEMBERS",
        help="not in larger groups: on 3.4.0 a click takes seconds with 300 members",
    )
    options = parser.parse_args()
    export, environment = exporting.named(options.release), Environment(options.environment)
    results = json.loads(options.out.read_text()) if options.out.exists() else {}
    if options.part != "latency":
        results["felt"] = measure_felt(export, environment, options)
    if options.part != "felt":
        results |= measure_latency(export, environment, options)
    options.out.write_text(json.dumps(results, indent=1) + "\n")


def measure_felt(
    export: Export, environment: Environment, options: argparse.Namespace
) -> dict[str, Any]:
    """Measure what members feel, simulated and in tabs."""
    clicks = options.clicks or FELT_CLICKS
    sizes = [size for size in felt.SIZES if size in (options.members or felt.SIZES)]
    with tempfile.TemporaryDirectory(prefix="channelsmin-") as folder:
        project = build(export, environment, Path(folder), {})
        with project.server:
            return {
                **circumstances(environment, project),
                "simulated": felt.take(project, sizes, clicks),
                "tabs": felt.take_in_tabs(
                    project, [*filter(felt.IN_TABS.__contains__, sizes)], clicks
                ),
            }


def measure_latency(
    export: Export, environment: Environment, options: argparse.Namespace
) -> dict[str, Any]:
    """Measure the times on the sockets, and count what they cost."""
    loads = [
        Load(load.members, min(load.clicks, options.clicks or load.clicks))
        for load in LOADS
        if load.members in (options.members or [load.members])
    ]
    with tempfile.TemporaryDirectory(prefix="channelsmin-") as folder:
        project = build(export, environment, Path(folder), {})
        results = {
            **circumstances(environment, project),
            "loads": [asdict(load) for load in loads],
            "times": take_times(project, loads, options.live_page_up_to),
        }
    members = max(load.members for load in loads)
    counts = take_counts(export, environment, project.apps, members)
    return {**results, "counts": {"members": members, **counts}}


def leave(number: int, frame: FrameType | None) -> None:
    """Exit cleanly, so that all servers are stopped."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, leave)
    try:
        main()
    except UserError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
