"""Which variant a project needs, its test results, and what to type next."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.matrix import api_changes, notes, releases, results, variants
from channelsmin.matrix.results import MEANING, Run, Status
from channelsmin.matrix.variants import Variant
from channelsmin.paths import IN_CHECKOUT, ROOT, relative
from channelsmin.project import detect_release, roots
from channelsmin.project.detect_release import Certainty, Found, Read
from channelsmin.project.source import PythonHint, Source

KEYS = {
    "project": "the project's folder",
    "release": "the oTree that the project is for",
    "pinned": "whether a file of the project, or --otree, names just this release",
    "certainty": "certain, likely or assumed",
    "reason": "why, in words",
    "sources": "what tells it: objects with `place`, `line`, `requirement`, `kind` and `note`",
    "unused": "what was read and not followed: the same, with `why`",
    "code": "what the code tells: objects with `where`, `says` and `releases`",
    "candidates": "the variants that may serve it, the chosen one first: `variant`, `release`",
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

    `found` is None if the release was named with --otree. `own_pythons` are the project's Pythons,
    with their places.
    """

    folder: Path
    release: Version
    variant: Variant
    found: Found | None
    own_pythons: tuple[PythonHint, ...]

    @property
    def pinned(self) -> bool:
        """Whether a file, or --otree, names just this release."""
        return self.found is None or self.found.pinned

    @property
    def sources(self) -> tuple[Source, ...]:
        """The statements about oTree that were followed; none if the release was named."""
        return self.found.sources if self.found else ()

    @property
    def pythons(self) -> list[str]:
        """The Pythons to run it on, the preferred one first."""
        return self.variant.pythons(self.release)

    @property
    def certainty(self) -> Certainty:
        """How sure the answer is."""
        return self.found.certainty if self.found else Certainty.CERTAIN

    def caveats(self) -> Iterator[str]:
        """Yield what the researcher should mind."""
        row = releases.rows().get(self.release)
        if row is None:
            yield (
                f"oTree {self.release} is newer than the newest release known here "
                f"({releases.known()[-1]})"
            )
        elif row.yanked:
            yield f"oTree {self.release} was yanked from the package index: {row.yanked}"
        for status, why in notes.known_failures(self.release).items():
            yield f"{MEANING[Status(status)]}: {why}"
        if help_ := notes.help_for(self.release):
            yield (
                f"oTree {self.release} needs more than `pip install`: {help_.line}; `rebuild` and "
                f"`demo` do it, and `export` writes how it is done by hand"
            )
        if self.found:
            yield from self.found.assumptions
            if not self.pinned and all(not source.pin or source.python for source in self.sources):
                yield from self._unpinned()
        for hint in self.own_pythons:
            if how := objection(hint, self.release):
                use = either(self.pythons)
                yield f"Python {hint.python} ({hint.place}) {how} oTree {self.release}: use {use}"

    def _unpinned(self) -> Iterator[str]:
        if any(source.python for source in self.sources):
            yield (
                "no file pins the release, so the next installation may bring another: write "
                f"{releases.rows()[self.release].package}=={self.release} into requirements.txt"
            )

    def next(self) -> list[str]:
        """Return the commands to type next: to add the app, and to export it."""
        command = ["channelsmin"]
        if IN_CHECKOUT:
            command = [*console.python(), relative(ROOT / "run.py")]
        folder = ["DIR"]
        if (self.folder / "settings.py").is_file():
            folder = [] if self.folder.samefile(".") else [relative(self.folder)]
        named = [] if self.found else ["--otree", str(self.release)]
        what = self.release if self.release in releases.rows() else self.variant.name
        return [
            console.typed(*command, "add", *folder, *named),
            console.typed(*command, "export", str(what), "DIR"),
        ]

    def as_json(self) -> Mapping[str, Any]:
        """Return all of it, under the names that KEYS explains."""
        found = self.found
        return {
            "project": str(self.folder),
            "release": str(self.release),
            "pinned": self.pinned,
            "certainty": self.certainty.value,
            "reason": found.reason if found else "--otree names it",
            "sources": [_source_as_json(source) for source in self.sources],
            "unused": [
                {**_source_as_json(source), "why": why}
                for source, why in (found.unused if found else ())
            ],
            "code": [
                {"where": one.where, "says": one.sign.says, "releases": str(one.sign.releases)}
                for one in (found.evidence if found else ())
            ],
            "candidates": [
                {"variant": one.variant.name, "release": str(one.release)}
                for one in (found.candidates if found else ())
            ],
            "variant": self.variant.name,
            "runs": [
                {"python": run.python, "status": run.status.value, "date": run.date}
                for run in results.load(self.release)
            ],
            "pythons": self.pythons,
            "project_pythons": [
                {
                    "place": hint.place,
                    "python": hint.python,
                    "suits": objection(hint, self.release) is None,
                }
                for hint in self.own_pythons
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
        if self.found:
            yield f"{self.certainty.value.capitalize()}: {self.found.reason}."
        yield self._test_results()
        yield f"Run it on Python {either(self.pythons)}."
        yield from (f"Note: {caveat}." for caveat in self.caveats())
        if self.found and self.certainty is not Certainty.CERTAIN:
            others = [
                f"{one.release} ({one.variant.name})"
                for one in self.found.candidates
                if one.variant != self.variant
            ]
            if others:
                yield f"Else: {', '.join(others)}; --otree {others[0].split()[0]} would take it."
        add, export = self.next()
        yield from ("To add the app to your project:", f"    {add}")
        yield from ("To try it first, in a project that contains only the app:", f"    {export}")

    def explanation(self) -> Iterator[str]:
        """Yield every statement that was read, with its line, and what became of it."""
        yield f"The project: {self.folder.resolve()}."
        if not self.found:
            yield f"--otree names {self.release}: nothing was read."
            return
        followed = dict.fromkeys(self.found.sources, "")
        rows = [
            *((source.where, str(source.requirement), source, "") for source in followed),
            *(
                (source.where, str(source.requirement), source, why)
                for source, why in self.found.unused
            ),
        ]
        yield "Statements about oTree, the heaviest first:"
        for where, requirement, source, why in sorted(rows, key=lambda row: -row[2].weight):
            note = "; ".join(filter(None, (source.note, f"not followed: {why}" if why else "")))
            yield f"    {where}: {requirement} ({source.weight.in_words}{'; ' * bool(note)}{note})"
        if not rows:
            yield "    none"
        yield "Statements about Python:"
        yield from (f"    {hint.where}: {hint.python}" for hint in self.own_pythons)
        if not self.own_pythons:
            yield "    none"
        yield "Signs in the code that were needed:"
        for one in self.found.evidence:
            yield f"    {one.where}: {one.sign.says} (oTree {one.sign.releases})"
        if not self.found.evidence:
            yield "    none"

    def _test_results(self) -> str:
        """Return the suite's results on the release, or else on those nearest to it."""
        if runs := results.load(self.release):
            return f"The suite {_verdicts(self.release, runs)}."
        tested = {r: runs for r, runs in results.load_all().items() if self.variant.serves(r)}
        before = [release for release in tested if release < self.release][-1:]
        after = [release for release in tested if release > self.release][:1]
        nearest = "; ".join(_verdicts(release, tested[release]) for release in (*before, *after))
        return f"The suite was not run on {self.release}; nearest to it, {nearest}."


def _source_as_json(source: Source) -> Mapping[str, Any]:
    return {
        "place": source.place,
        "line": source.line,
        "requirement": str(source.requirement),
        "kind": source.weight.in_words,
        "note": source.note,
    }


def objection(hint: PythonHint, release: Version) -> str | None:
    """Return why the project's Python is unsuitable for a release, in words, or None.

    "is untested with" means that oTree accepts it; "is refused by" that it does not, or that it
    cannot run on it.
    """
    allowed = hint.pythons()
    if set(allowed) & set(variants.pythons(release)) or not allowed:
        return None
    row = releases.rows().get(release)
    accepted = SpecifierSet((row and row.python) or "")
    fitting = [
        python
        for python in allowed
        if any(accepted.contains(f"{python}.{patch}") for patch in (0, 9))
        and not api_changes.python_break(release, python)
    ]
    return "is untested with" if fitting else "is refused by"


def _verdicts(release: Version, runs: Iterable[Run]) -> str:
    """Return the results of a release: `on 6.0.15: pass on Python 3.12 (2026-11-22)`."""
    each = (f"{run.status.value} on Python {run.python} ({run.date})" for run in runs)
    return f"on {release}: {', '.join(each)}"


def either(words: list[str]) -> str:
    """Join words with commas and "or": `3.7`, `3.7 or 3.8`, `3.7, 3.8 or 3.9`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return releases.find(text)  # which raises the error


class TooOld(UserError):
    """The project's oTree is older than any variant."""


def pick(folder: Path | None, named: str | None = None) -> Pick:
    """Pick for the project that a folder belongs to, or for the release that is named.

    None is the current folder; if it is no project, its files say nothing about a release that is
    named. Raises UserError if the release cannot be detected, does not exist, or is served by no
    variant.
    """
    is_meant = folder is not None
    folder = roots.find(folder or Path(), is_certain=not named)
    if not named:
        said = detect_release.read(folder)
    elif is_meant or (folder / "settings.py").is_file():
        said = _pythons_only(folder)
    else:
        said = Read(folder, (), ())
    found = None if named else detect_release.decide(said)
    release = found.release if found else _version(str(named))
    _check_known(release, found)
    installed = [
        PythonHint(source.place, source.python)
        for source in (found.sources if found else ())
        if source.python
    ]
    hints = tuple(dict.fromkeys((*said.pythons, *installed)))
    return Pick(folder, release, variants.serving(release), found, hints)


def _pythons_only(folder: Path) -> Read:
    """Return what the files say about Python; what they say about oTree may be unreadable."""
    try:
        return detect_release.read(folder)
    except UserError:
        return Read(folder, (), ())


def _check_known(release: Version, found: Found | None) -> None:
    first, last = releases.known()[0], releases.known()[-1]
    if release < first:
        stated = f" ({found.reason})" if found else ""
        raise TooOld(f"oTree {release} is older than any variant, which begin with {first}{stated}")
    if release <= last:
        releases.find(str(release))
