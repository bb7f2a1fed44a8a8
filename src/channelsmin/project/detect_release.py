"""Decide which oTree a project is for, from everything that its files and environments say.

Its files are read, and the metadata of what is installed in its environments. Nothing of it is
imported. docs/detection.md lists the sources in their order, with the reasons.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import notes, releases, variants
from channelsmin.matrix.code_signs import Strength
from channelsmin.matrix.variants import Variant
from channelsmin.project import (
    code_evidence,
    environments,
    packaging_files,
    requirements,
    roots,
    traces,
)
from channelsmin.project.code_evidence import Evidence
from channelsmin.project.packaging_files import Unreadable
from channelsmin.project.source import PythonHint, Source, Weight

MAIN = ("requirements.txt", "Pipfile.lock", "poetry.lock", "uv.lock")
"""The files that a server installs from: of two pins of one variant, theirs counts."""


STATED = (Weight.DECLARED, Weight.LOCKED)
"""What the next installation takes."""

UNSTATED = (Weight.TOLD, Weight.TRACE)
"""What a later change of the requirements leaves behind: it contradicts nothing."""


class Certainty(Enum):
    """How sure the answer is."""

    CERTAIN = "certain"
    LIKELY = "likely"
    ASSUMED = "assumed"


@dataclass(frozen=True)
class Candidate:
    """A variant that the project may need, with the release to take of its range."""

    variant: Variant
    release: Version


@dataclass(frozen=True)
class Found:
    """The release that a project is for, and why.

    `pinned` tells whether a file names just this release. `reason` is one sentence, `assumptions`
    are what to mind. `sources` are the statements about oTree that were followed, `unused` those
    that were read and not followed, each with the reason. `evidence` is what the code says, where
    it was needed. `candidates` are the variants that the project may need, the chosen one first.
    """

    release: Version
    pinned: bool
    certainty: Certainty
    reason: str
    assumptions: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    unused: tuple[tuple[Source, str], ...] = ()
    evidence: tuple[Evidence, ...] = ()
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Read:
    """Everything that a project says: about oTree, and about its Python."""

    folder: Path
    sources: tuple[Source, ...]
    pythons: tuple[PythonHint, ...]
    unreadable: tuple[str, ...] = ()


def read(folder: Path) -> Read:
    """Return what a project's files and environments say.

    The files around the project count if its own say nothing about oTree. Raises UserError if a
    requirement of oTree cannot be read.
    """
    said: list[Source | PythonHint | Unreadable] = []
    for number, place in enumerate(roots.around(folder)):
        if number and any(isinstance(one, Source) and one.weight in STATED for one in said):
            break
        said += requirements.sources(place)
        said += packaging_files.statements(place)
    found = [one for one in said if isinstance(one, Source)]
    found += environments.sources(folder)
    found += traces.sources(folder)
    pythons = [one for one in said if isinstance(one, PythonHint)]
    unreadable = tuple(one.why for one in said if isinstance(one, Unreadable))
    return Read(folder, tuple(dict.fromkeys(found)), tuple(dict.fromkeys(pythons)), unreadable)


def sources(folder: Path) -> tuple[Source, ...]:
    """Return everything that says which oTree a project is for. Raises UserError like `read`."""
    return read(folder).sources


def release_of(folder: Path) -> Version:
    """Return the release that a project is for; see `decide`."""
    return find(folder).release


def find(folder: Path) -> Found:
    """Return the release that the project in a folder is for; see `decide`."""
    return decide(read(folder))


def decide(said: Read) -> Found:
    """Return the release that a project is for, by what its files and environments say.

    A file that cannot be read is mentioned, if another one says something. Raises UserError if
    nothing in the project tells the release, if statements of equal weight name releases of
    different variants and nothing else decides, or if no known release is allowed.
    """
    if said.unreadable and not said.sources:
        raise UserError(said.unreadable[0])
    followed, unused = _without_empty_packages(said)
    followed, unselected = _for_python(followed, said.pythons)
    case = _Case(said, followed, [*unused, *unselected])
    for follow in (_by_pins, _by_traces, _by_ranges, _by_code):
        if found := follow(case):
            return replace(found, assumptions=(*found.assumptions, *said.unreadable))
    raise UserError(
        f"nothing in {said.folder.resolve()} says which oTree it is for, and no environment "
        "contains oTree: name your release with --otree, such as --otree 2.3.7"
    )


@dataclass
class _Case:
    """What is to be decided on; the evidence of the code is read when it is first needed."""

    said: Read
    sources: list[Source]
    unused: list[tuple[Source, str]]
    _evidence: list[Evidence] | None = None

    @property
    def evidence(self) -> list[Evidence]:
        if self._evidence is None:
            self._evidence = code_evidence.find(self.said.folder)
        return self._evidence

    def of(self, *weights: Weight) -> list[Source]:
        return [source for source in self.sources if source.weight in weights]

    def drop(self, source: Source, why: str) -> None:
        self.unused.append((source, why))


def _without_empty_packages(said: Read) -> tuple[list[Source], list[tuple[Source, str]]]:
    """Leave out the empty packages called otree-core, and a range of it next to a real oTree."""
    has_otree = any(source.requirement.name == "otree" for source in said.sources)
    kept, unused = [], []
    for source in said.sources:
        of_old_name = source.requirement.name == "otree-core"
        if source.is_empty_package:
            unused.append((source, "this package is empty"))
        elif of_old_name and has_otree and not source.pin:
            unused.append((source, "pip takes an empty package for it today"))
        else:
            kept.append(source)
    return kept, unused


def _for_python(
    found: Iterable[Source], hints: Sequence[PythonHint]
) -> tuple[list[Source], list[tuple[Source, str]]]:
    """Leave out requirements whose marker excludes the project's Python."""
    pythons = _pythons(hints)
    kept, unused = [], []
    for source in found:
        marker = source.requirement.marker
        fits = marker is None or any(
            marker.evaluate({"python_version": python, "python_full_version": f"{python}.0"})
            for python in pythons or ["3.7", "3.12"]
        )
        if fits:
            kept.append(source)
        else:
            unused.append((source, "its marker excludes the project's Python"))
    return kept, unused


def _pythons(hints: Sequence[PythonHint]) -> list[str]:
    """Return the Pythons that all hints allow, or else the first of them alone; [] if none."""
    if not hints:
        return []
    allowed = set(hints[0].pythons())
    for hint in hints[1:]:
        allowed = allowed & set(hint.pythons()) or allowed
    return sorted(allowed, key=Version)


def _by_pins(case: _Case) -> Found | None:
    """Follow the files that name one release; what is installed counts next."""
    declared = _pinned(case.of(*STATED))
    built, installed = _pinned(case.of(Weight.BUILD)), _pinned(case.of(Weight.INSTALLED))
    ranges = [source for source in case.of(*STATED, Weight.BUILD) if not source.pin]
    files = declared or ([] if ranges else built)
    if not files and not installed:
        return None
    rivals = [*files, *installed, *(source for source in ranges if source.requirement.specifier)]
    chosen = _agreed(case, [source for source in rivals if source.pin], rivals)
    if chosen is None:
        return None
    release = _known_near(_pin_of(chosen))
    assumptions = [*_differences(case, release), *_notes(chosen)]
    pinned = chosen.weight is not Weight.INSTALLED
    certain = not assumptions and pinned
    return _found(
        case,
        release,
        pinned,
        Certainty.CERTAIN if certain else Certainty.LIKELY,
        str(chosen),
        assumptions,
    )


def _known_near(release: Version) -> Version:
    """Return a release, or if the package index never had it, a neighbour of the same variant."""
    if not releases.was_skipped(release):
        return release
    known = releases.known()
    line = [one for one in known if one.release[:2] == release.release[:2]] or known
    finals = [one for one in line if not one.is_prerelease] or line
    before = [one for one in finals if one < release][-1:]
    after = [one for one in line if one > release][:1]
    if len({_variant_of(one) for one in (*before, *after)}) != 1:
        return release
    is_next = not before or (after and after[0].base_version == release.base_version)
    return after[0] if is_next else before[0]


def _pinned(found: Iterable[Source]) -> list[Source]:
    return [source for source in found if source.pin]


def _pin_of(source: Source) -> Version:
    if source.pin is None:
        raise ValueError(f"{source} is not a pin")
    return source.pin


def _agreed(case: _Case, pins: Sequence[Source], rivals: Sequence[Source]) -> Source | None:
    """Return the pin to follow, None if the code fits the range of another statement instead.

    Raises UserError if variants differ and nothing decides.
    """
    ordered = sorted(pins, key=lambda one: (_rank(one), one.place not in MAIN))
    first = ordered[0]
    if all(_same_variant(first, rival) for rival in rivals):
        return first
    ranges = [newest for rival in rivals if not rival.pin and (newest := _newest([rival]))]
    left = code_evidence.narrow([*(_pin_of(pin) for pin in ordered), *ranges], case.evidence)
    only = [evidence for evidence in left.used if evidence.sign.strength.value == "only"]
    fitting = [pin for pin in ordered if _pin_of(pin) in left.releases]
    if only and len({_variant_of(release) for release in left.releases}) == 1:
        for pin in ordered:
            if not fitting:
                case.drop(pin, "the code fits the range")
        return fitting[0] if fitting else None
    traced = {source.pin for source in case.of(Weight.TRACE)} & {pin.pin for pin in ordered}
    if len(traced) == 1:
        return next(pin for pin in ordered if pin.pin in traced)
    stated = ", ".join(str(source) for source in case.said.sources if source in rivals)
    raise UserError(
        f"these disagree on the release: {stated}. Fix the wrong one, or pass --otree with the "
        "release that you use"
    )


def _newest(ranges: Sequence[Source]) -> Version | None:
    """Return the newest release that ranges allow, None if they allow none."""
    allowed = _allowed(ranges)
    return allowed[-1] if allowed else None


def _rank(source: Source) -> int:
    return [Weight.LOCKED, Weight.DECLARED, Weight.BUILD, Weight.INSTALLED].index(source.weight)


def _same_variant(pin: Source, rival: Source) -> bool:
    """Return whether two statements agree, or differ by releases of one variant only."""
    release = _pin_of(pin)
    if rival.requirement.specifier.contains(release, prereleases=True):
        return pin.requirement.name == rival.requirement.name or not rival.requirement.specifier
    mine = _variant_of(release)
    theirs = {_variant_of(one) for one in ([rival.pin] if rival.pin else _allowed([rival]))}
    return bool(mine) and theirs == {mine}


def _differences(case: _Case, release: Version) -> Iterator[str]:
    for source in case.of(*Weight):
        if not source.requirement.specifier.contains(release, prereleases=True):
            case.drop(source, f"{release} is followed")
            if source.weight not in UNSTATED:
                yield f"{source}, and {release} is followed"


def _notes(*found: Source) -> Iterator[str]:
    for source in found:
        if source.note:
            yield f"{source.where}: {source.note}"


def _by_traces(case: _Case) -> Found | None:
    """Follow what oTree itself left in the project, if the requirements allow it.

    Next is what its README names, if the code allows it, too.
    """
    ranges = _ranges(case)
    for source in chain.from_iterable(
        _pinned(case.of(weight)) for weight in (Weight.TRACE, Weight.TOLD, Weight.ON_PATH)
    ):
        release = _pin_of(source)
        allowed = all(_contains(one, release) for one in ranges)
        if source.weight is Weight.ON_PATH and ranges:
            continue
        if source.weight is Weight.TOLD and not _may_be(case, release):
            continue
        if allowed and variants.find(release):
            note = f" ({source.note})" if source.note else ""
            assumption = f"no file pins the release; {source}{note}"
            return _found(case, release, False, Certainty.LIKELY, str(source), [assumption])
    return None


def _may_be(case: _Case, release: Version) -> bool:
    """Return whether a release exists, and nothing in the code excludes it."""
    only = (one.sign for one in case.evidence if one.sign.strength is Strength.ONLY)
    return release in releases.rows() and all(sign.allows(release) for sign in only)


def _ranges(case: _Case) -> list[Source]:
    """Return the ranges that files state; those of build files only if they allow the others'."""
    stated = [one for one in case.of(*STATED) if not one.pin]
    built = [one for one in case.of(Weight.BUILD) if not one.pin]
    if stated and built and _allowed(stated) and not _allowed([*stated, *built]):
        for source in built:
            case.drop(source, "the requirements exclude it")
        return stated
    return [*stated, *built]


def _contains(source: Source, release: Version) -> bool:
    return source.requirement.specifier.contains(release, prereleases=True)


def _by_ranges(case: _Case) -> Found | None:
    """Take what pip would install today, unless the code was written for an earlier oTree."""
    ranges = _ranges(case)
    if not ranges:
        return None
    stated = ", ".join(map(str, ranges))
    allowed = _allowed(ranges)
    if not allowed:
        _raise_none_allowed(ranges, stated)
    return _choose(case, allowed, stated, list(_notes(*ranges)))


def _allowed(ranges: Sequence[Source]) -> list[Version]:
    """Return the known releases that all ranges allow: pre-releases only if there is nothing else.

    A pre-release in a bound, such as `>=5.0.0a21`, lets no other pre-release in.
    """
    names = {source.requirement.name for source in ranges}
    fitting = [
        release
        for release, row in releases.rows().items()
        if names == {row.package} and all(_contains(source, release) for source in ranges)
    ]
    return [one for one in fitting if not one.is_prerelease] or fitting


def _raise_none_allowed(ranges: Sequence[Source], stated: str) -> None:
    first = releases.known()[0]
    bounds = [
        (source, one, Version(one.version.removesuffix(".*")))
        for source in ranges
        for one in source.requirement.specifier
    ]
    if any(
        bound <= Version(first.base_version)
        and (one.operator in ("<", "<=") or _contains(source, bound))
        for source, one, bound in bounds
    ):
        raise UserError(
            f"the project's oTree is older than any variant, which begin with {first}: {stated}"
        )
    raise UserError(f"no known oTree release satisfies the project's requirements: {stated}")


def _by_code(case: _Case) -> Found | None:
    """Take the newest release for which the code was written."""
    traced = [source for source in case.of(Weight.TRACE) if not source.pin]
    if not case.evidence and not traced:
        return None
    known = list(releases.known())
    fitting = [one for one in known if all(_contains(source, one) for source in traced)]
    finals = [one for one in fitting if not one.is_prerelease]
    stated = str(case.evidence[0]) if case.evidence else str(traced[0])
    return _choose(case, finals, f"no file names a release; {stated}", [])


def _choose(case: _Case, allowed: list[Version], stated: str, assumptions: list[str]) -> Found:
    """Return the newest of the allowed releases that suits the project's Python and its code."""
    pythons = _pythons(case.said.pythons)
    suited = [one for one in allowed if not pythons or _runs_on(one, pythons)]
    if pythons and not suited:
        hint = case.said.pythons[0]
        assumptions.append(
            f"none of the allowed releases runs on Python {hint.python}, {hint.where}"
        )
        suited = allowed
    elif foreign := _for_no_release(case.evidence, suited, allowed):
        hint, first = case.said.pythons[0], foreign[0]
        suited = [one for one in allowed if first.sign.allows(one)]
        assumptions.append(
            f"{hint.where} says Python {hint.python}, but the code is for other releases: {first}"
        )
    elif pythons and suited[-1] != allowed[-1]:
        hint = case.said.pythons[0]
        assumptions.append(
            f"{hint.where} says Python {hint.python}, which oTree {allowed[-1]} does not support"
        )
    before = {_variant_of(one) for one in suited}
    narrowed = code_evidence.narrow(suited, case.evidence) if len(before) > 1 else None
    left = list(narrowed.releases) if narrowed else suited
    release = _installable(left) or _installable(suited) or left[-1]
    after = {_variant_of(one) for one in left}
    used = list(narrowed.used) if narrowed else []
    if used:
        shown = "; ".join(map(str, used[:3]))
        range_ = f"{left[0]} to {left[-1]}" if len(left) > 1 else str(left[0])
        assumptions.append(
            f"the code tells the release line, {range_}: {shown}; {release} is the newest of it"
        )
    else:
        assumptions.append(
            f"no release is pinned, and {release} is the newest that is allowed"
            + ("; all that are have this variant" if len(before) == 1 else "")
            + ": pin yours in requirements.txt"
        )
    contradicted = (narrowed.unused if narrowed else ())[:1]
    only = [one for one in contradicted if one.sign.strength.value == "only"]
    assumptions += [f"the code fits other releases: {one}" for one in only]
    if release < Version("2.0.0b1") and not any(source.pin for source in case.sources):
        assumptions.append(
            "pip takes otree-core 1.6.1 today, an empty package that refuses to be installed: pin "
            f"otree-core=={release}"
        )
    certainty = Certainty.LIKELY if len(after) == 1 and not only else Certainty.ASSUMED
    candidates = _ranked(release, left, suited, allowed)
    return _found(case, release, False, certainty, stated, assumptions, used, candidates)


def _for_no_release(
    evidence: Sequence[Evidence], suited: Sequence[Version], allowed: Sequence[Version]
) -> list[Evidence]:
    """Return the signs that rule out all releases that suit the Python, and not all others."""
    return [
        one
        for one in evidence
        if one.sign.strength is Strength.ONLY
        and not any(map(one.sign.allows, suited))
        and any(map(one.sign.allows, allowed))
    ]


def _runs_on(release: Version, pythons: Sequence[str]) -> bool:
    """Return whether a release runs on one of these Pythons: it was tested, or it accepts that.

    Without an upper bound, it accepts Pythons that did not exist yet: that says nothing.
    """
    tested = variants.pythons(release)
    accepted = SpecifierSet(releases.rows()[release].python or "")
    if not any(one.operator.startswith("<") for one in accepted) and tested:
        accepted &= SpecifierSet(f"<={max(map(Version, tested))}.99")
    return any(python in tested or accepted.contains(f"{python}.9") for python in pythons)


def _installable(found: Sequence[Version]) -> Version | None:
    """Return the newest of these releases that pip installs and a variant serves."""
    rows = releases.rows()
    return next(
        (
            release
            for release in reversed(found)
            if not rows[release].yanked
            and not notes.refused_by_pip(release)
            and variants.find(release)
        ),
        None,
    )


def _ranked(release: Version, *groups: Sequence[Version]) -> list[Candidate]:
    """Return a candidate of each variant: the chosen one first, then by how well they fit."""
    ranked: dict[str, Candidate] = {}
    for one in (release, *(one for group in groups for one in reversed(group))):
        variant = variants.find(one)
        if variant:
            ranked.setdefault(variant.name, Candidate(variant, one))
    return list(ranked.values())


def _variant_of(release: Version) -> str:
    """Return the name of the variant that serves a release, "" if none does."""
    variant = variants.find(release)
    return variant.name if variant else ""


def _found(
    case: _Case,
    release: Version,
    pinned: bool,
    certainty: Certainty,
    reason: str,
    assumptions: Sequence[str],
    evidence: Sequence[Evidence] = (),
    candidates: Sequence[Candidate] = (),
) -> Found:
    unused = {id(source) for source, _ in case.unused}
    followed = tuple(source for source in case.sources if id(source) not in unused)
    return Found(
        release,
        pinned,
        certainty,
        reason,
        tuple(dict.fromkeys(assumptions)),
        followed,
        tuple(case.unused),
        tuple(evidence),
        tuple(candidates) or tuple(_ranked(release)),
    )
