"""The release lines of oTree, such as 2.3, each with its releases and their results."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from packaging.version import Version

from channelsmin.matrix import releases, results, variants
from channelsmin.matrix.results import Run, Status

SUITES = {
    "943a6fb88848": "3acd0ac",
    "766f68ed1b72": "631b836",
    "d6168356c771": "9981335",
    "aec1bfe30b80": "f981a02",
    "b0d5a7b13211": "54a32b6",
    "13f16094adfc": "75e7897",
}
"""The suites that results are from: of each fingerprint, a commit, in order of time."""


@dataclass(frozen=True)
class ReleaseLine:
    """The releases of one line, the oldest first, with the runs of each."""

    name: str
    runs: Mapping[Version, tuple[Run, ...]]

    @property
    def pythons(self) -> list[str]:
        """The Pythons on which its releases run, as the variants say."""
        found = {python for release in self.runs for python in variants.pythons(release)}
        return sorted(found, key=Version)

    @property
    def tested(self) -> list[Version]:
        """The releases that were run; the others have no variant or were not run yet."""
        nothing_run = (set[Status](), {Status.NOT_RUN})
        return [
            release
            for release, runs in self.runs.items()
            if {run.status for run in runs} not in nothing_run
        ]

    @property
    def passing(self) -> list[Version]:
        """The releases that pass, without help, on every Python on which they were run."""
        return self._with_only(Status.PASS)

    @property
    def helped(self) -> list[Version]:
        """The releases that pass on every Python on which they were run, with help."""
        return self._with_only(Status.HELPED)

    def _with_only(self, status: Status) -> list[Version]:
        """Return the releases of which every run ended in this way."""
        return [
            release
            for release in self.tested
            if {run.status for run in self.runs[release]} == {status}
        ]

    def with_status(self, status: Status) -> list[Version]:
        """Return the releases with a run that ended in this way."""
        return [
            release for release, runs in self.runs.items() if status in {run.status for run in runs}
        ]


def load_all() -> list[ReleaseLine]:
    """Return all release lines, the oldest first."""
    found = results.load_all()
    return [
        ReleaseLine(name, {release: found.get(release, ()) for release in line})
        for name, line in groupby(
            releases.known(), lambda release: "{}.{}".format(*release.release)
        )
    ]


def summary(lines: Sequence[ReleaseLine]) -> str:
    """Return in one sentence how many releases were tested, and when."""
    known, tested, passing, helped = (
        sum(map(len, each))
        for each in (
            [line.runs for line in lines],
            [line.tested for line in lines],
            [line.passing for line in lines],
            [line.helped for line in lines],
        )
    )
    runs = [run for line in lines for release in line.tested for run in line.runs[release]]
    dates = sorted({run.date for run in runs}) or ["never"]
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return (
        f"{tested} of {known} releases were tested, in {len(runs)} runs ({when}); "
        f"{passing} of them pass on each Python on which they were run, {helped} more with help."
    )


def age(lines: Sequence[ReleaseLine]) -> str:
    """Return in two sentences which suite is the newest that each release was run with."""
    order = [*SUITES]
    tried = [
        {run.tested["suite"] for run in line.runs[release] if "suite" in run.tested}
        for line in lines
        for release in line.tested
    ]
    counts = Counter(max(suites, key=order.index) for suites in tried if suites)
    parts = [f"{counts[suite]} with that of commit {commit}" for suite, commit in SUITES.items()]
    return (
        f"By test suite, from the oldest to the newest: {', '.join(parts)}. A newer suite tests "
        "more, on newer variants; the next sweep will run it on every release."
    )


def span(some: Sequence[Version], among: Sequence[Version]) -> str:
    """Return releases in words; consecutive ones as a range: `2.0.0, 2.1.1 to 2.1.9`.

    `among` are all releases there are, in order: they decide which ones are consecutive.
    """
    places = enumerate(sorted(map(list(among).index, some)))
    runs = [
        [place for _, place in run] for _, run in groupby(places, lambda pair: pair[1] - pair[0])
    ]
    return ", ".join(
        f"{among[run[0]]} to {among[run[-1]]}"
        if len(run) > 2
        else ", ".join(str(among[place]) for place in run)
        for run in runs
    )
