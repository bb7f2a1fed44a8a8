"""Which variant a project needs, what was shown of it, and what to type next."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from channelsmin import console
from channelsmin.matrix import notes, releases, results, variants
from channelsmin.matrix.results import MEANING, Run, Status
from channelsmin.matrix.variants import Variant
from channelsmin.paths import IN_CHECKOUT, ROOT, relative
from channelsmin.project import detect_release
from channelsmin.project.detect_release import Source

KEYS = {
    "release": "the oTree that the project is for",
    "pinned": "whether a file of the project, or --otree, names just this release",
    "sources": "what told it: objects with `place` and `requirement`",
    "variant": "the folder in variants/ that serves it",
    "runs": "the whole runs of the suite on it: objects with `python`, `status` and `date`",
    "pythons": "the Pythons to run it on, the preferred one first",
    "project_pythons": "the project's own: objects with `place`, `python` and `suits`",
    "caveats": "what to mind, in words",
    "next": "the commands to type next: to add the app to the project, to export it",
}
"""What `--json` prints."""


@dataclass(frozen=True)
class Pick:
    """What was picked for a project, and why.

    `sources` is empty if the release was named by hand; `pinned` is as in `project.Found`.
    `own_pythons` are the project's Pythons, each with the place that says so.
    """

    folder: Path
    release: Version
    variant: Variant
    pinned: bool
    sources: tuple[Source, ...]
    own_pythons: tuple[tuple[str, str], ...]

    @property
    def pythons(self) -> list[str]:
        """The Pythons to run it on, the preferred one first."""
        return self.variant.pythons(self.release)

    def caveats(self) -> Iterator[str]:
        """Yield what the researcher should mind."""
        row = releases.rows().get(self.release)
        if row is None:
            yield f"oTree {self.release} is newer than what is known here ({releases.known()[-1]})"
        elif row.yanked:
            yield f"oTree {self.release} was withdrawn from the package index: {row.yanked}"
        for status, why in notes.known_failures(self.release).items():
            yield f"{MEANING[Status(status)]}: {why}"
        if self.sources and not any(source.pin for source in self.sources):
            yield (
                f"no release is pinned, and {self.release} is the newest that is allowed; all that "
                "are have this variant: pin yours in requirements.txt"
            )
        elif not self.pinned:
            yield (
                "no file pins the release, so the next installation may bring another: write "
                f"{releases.rows()[self.release].package}=={self.release} into requirements.txt"
            )
        for place, python in self.own_pythons:
            if how := objection(python, self.release):
                use = either(self.pythons)
                yield f"Python {python} ({place}) {how} oTree {self.release}: use {use}"

    def next(self) -> list[str]:
        """Return the commands to type next: to add the app, and to export it."""
        command = ["channelsmin"]
        if IN_CHECKOUT:
            command = [*console.python(), relative(ROOT / "run.py")]
        folder = ["DIR"]
        if (self.folder / "settings.py").is_file():
            folder = [] if self.folder.samefile(".") else [relative(self.folder)]
        named = [] if self.sources else ["--otree", str(self.release)]
        what = self.release if self.release in releases.rows() else self.variant.name
        return [
            console.typed(*command, "add", *folder, *named),
            console.typed(*command, "export", str(what), "DIR"),
        ]

    def as_json(self) -> Mapping[str, Any]:
        """Return all of it, under the names that KEYS explains."""
        return {
            "release": str(self.release),
            "pinned": self.pinned,
            "sources": [
                {"place": its.place, "requirement": str(its.requirement)} for its in self.sources
            ],
            "variant": self.variant.name,
            "runs": [
                {"python": run.python, "status": run.status.value, "date": run.date}
                for run in results.load(self.release)
            ],
            "pythons": self.pythons,
            "project_pythons": [
                {"place": place, "python": python, "suits": python in self.pythons}
                for place, python in self.own_pythons
            ],
            "caveats": list(self.caveats()),
            "next": self.next(),
        }

    def lines(self) -> Iterator[str]:
        """Yield all of it in words."""
        yield (
            f"oTree {self.release} is served by the variant {self.variant.name} "
            f"({self.variant.range})."
        )
        if self.sources:
            yield f"The project: {', '.join(map(str, self.sources))}."
        yield self._shown()
        yield f"Run it on Python {either(self.pythons)}."
        yield from (f"Mind: {caveat}." for caveat in self.caveats())
        add, export = self.next()
        yield from ("Next, to put the app into your project:", f"    {add}")
        yield from ("or to have a project with just the app, to try it first:", f"    {export}")

    def _shown(self) -> str:
        """Return what the suite has shown: of the release, or else of those around it."""
        if runs := results.load(self.release):
            return f"The suite {_verdicts(self.release, runs)}."
        measured = {r: runs for r, runs in results.load_all().items() if self.variant.serves(r)}
        before = [release for release in measured if release < self.release][-1:]
        after = [release for release in measured if release > self.release][:1]
        beside = "; ".join(_verdicts(release, measured[release]) for release in (*before, *after))
        return f"The suite was not run on {self.release}; nearest to it, {beside}."


def objection(python: str, release: Version) -> str | None:
    """Return what stands between a Python and a release, in words; None if nothing does."""
    if python in variants.pythons(release):
        return None
    row = releases.rows().get(release)
    accepted = SpecifierSet((row and row.python) or "").contains(python)
    return "was not tried with" if accepted else "is refused by"


def _verdicts(release: Version, runs: Iterable[Run]) -> str:
    """Return what came of the runs on a release: `on 6.0.15: pass on Python 3.12 (2026-11-22)`."""
    each = (f"{run.status.value} on Python {run.python} ({run.date})" for run in runs)
    return f"on {release}: {', '.join(each)}"


def either(words: list[str]) -> str:
    """Return words as one says them: `3.7`, `3.7 or 3.8`, `3.7, 3.8 or 3.9`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return releases.find(text)  # which says so


def pick(folder: Path, named: str | None = None) -> Pick:
    """Pick for the project that a folder belongs to, or for the release that is named.

    Raises UserError where the release can't be told, does not exist, or is served by no variant.
    """
    folder = detect_release.root(folder)
    sources: tuple[Source, ...] = ()
    if named:
        release, pinned = _version(named), True
    else:
        found = detect_release.find(folder)
        release, pinned, sources = found.release, found.pinned, found.sources
    if releases.known()[0] <= release <= releases.known()[-1]:
        releases.find(str(release))
    installed = ((its.place, its.python) for its in sources if its.python)
    pythons = (*detect_release.pythons(folder), *installed)
    return Pick(folder, release, variants.serving(release), pinned, sources, pythons)
