"""The matrix: every release of oTree, line by line, with what was measured of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from packaging.version import Version

from channelsmin.matrix import releases, results, variants
from channelsmin.matrix.results import Run, Status
from channelsmin.paths import ROOT

DOCUMENT = ROOT / "README.md"


@dataclass(frozen=True)
class Line:
    """oTree's releases of one line, such as 2.3, the oldest first, with the runs of each."""

    name: str
    runs: Mapping[Version, tuple[Run, ...]]

    @property
    def pythons(self) -> list[str]:
        """The Pythons that its releases run on, as the variants say."""
        found = {python for release in self.runs for python in variants.pythons(release)}
        return sorted(found, key=Version)

    @property
    def measured(self) -> list[Version]:
        """The releases that were run; for the others there is no variant, or no time yet."""
        nothing_run = (set[Status](), {Status.NOT_RUN})
        return [
            r for r, runs in self.runs.items() if {run.status for run in runs} not in nothing_run
        ]

    @property
    def passing(self) -> list[Version]:
        """The releases that pass on every Python on which they were run."""
        return [r for r in self.measured if {run.status for run in self.runs[r]} == {Status.PASS}]

    def with_status(self, status: Status) -> list[Version]:
        """Return the releases that have a run which ended so."""
        return [r for r, runs in self.runs.items() if status in {run.status for run in runs}]


def lines() -> list[Line]:
    """Return all lines, the oldest first."""
    found = results.load_all()
    return [
        Line(name, {release: found.get(release, ()) for release in its})
        for name, its in groupby(releases.known(), lambda release: "{}.{}".format(*release.release))
    ]


def summary(all_lines: Sequence[Line]) -> str:
    """Return in a sentence how much was measured, and when."""
    known, measured, passing = (
        sum(map(len, each))
        for each in (
            [line.runs for line in all_lines],
            [line.measured for line in all_lines],
            [line.passing for line in all_lines],
        )
    )
    runs = [run for line in all_lines for release in line.measured for run in line.runs[release]]
    dates = sorted({run.date for run in runs}) or ["never"]
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return (
        f"{measured} of {known} releases are measured, in {len(runs)} runs ({when}); "
        f"{passing} of them pass on each Python on which they were run."
    )


def rows() -> str:
    """Return the table of lines in Markdown."""
    table = [
        "| oTree | releases | measured | pass | of the rest |",
        "| --- | --- | --- | --- | --- |",
    ]
    all_lines = lines()
    for line in all_lines:
        rest = [
            f"{status.value}: {releases.span(its, list(line.runs))}"
            for status in Status
            if status is not Status.PASS and (its := line.with_status(status))
        ]
        counts = f"{len(line.runs)} | {len(line.measured)} | {len(line.passing)}"
        table.append(f"| {line.name} | {counts} | {'; '.join(rest)} |")
    return "\n".join([*table, "", summary(all_lines)]) + "\n"
