"""What all benchmarks share: whose turn it is, how times are summed up, how progress is shown."""

import sys
from collections.abc import Sequence
from statistics import quantiles
from typing import TypeVar

T = TypeVar("T")


def in_turn(subjects: Sequence[T], turn: int) -> list[T]:
    """Return all, each time with another one first."""
    first = turn % len(subjects)
    return [*subjects[first:], *subjects[:first]]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return the number of values, the median and the 99th percentile."""
    cuts = quantiles(values, n=100, method="inclusive") if len(values) > 1 else [values[0]] * 99
    return {"n": len(values), "p50": round(cuts[49], 3), "p99": round(cuts[98], 3)}


def progress(line: str, keep: bool) -> None:
    """Say how far this is; the next line takes the place of one that is not to be kept."""
    if keep or sys.stdout.isatty():
        print(f"\r{line:<78}", end="\n" if keep else "", flush=True)  # noqa: T201
