"""Measure one release: `python -m benchmarks`, which `python3 run.py bench` runs."""

import argparse
import json
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from benchmarks.latency import LOADS, Load, circumstances, take_counts, take_times
from benchmarks.project import build
from channelsmin.errors import UserError
from channelsmin.runtime import export as exporting
from channelsmin.runtime.environment import Environment


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("release")
    parser.add_argument("--environment", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--members", type=int, nargs="*", default=[load.members for load in LOADS])
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
    loads = [
        Load(load.members, min(load.clicks, options.clicks or load.clicks), load.arrivals)
        for load in LOADS
        if load.members in options.members
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
    results["counts"] = {"members": members, **counts}
    options.out.write_text(json.dumps(results, indent=1) + "\n")


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
