"""What an environment holds, down to the hash of each file: `matrix/locks`.

oTree pins some of its dependencies and leaves others open. A lock answers for all of them, on
one Python. Releases that require the same share it; what differs between them, oTree's own file,
is in `matrix/releases.toml`.
"""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import notes, releases, variants
from channelsmin.matrix.notes import ByHand
from channelsmin.paths import ROOT

LOCKS = ROOT / "matrix" / "locks"

BUILD = ROOT / "matrix" / "build.txt"
"""What pip builds source distributions with, where it gets that from the index."""

BUILD_VARIABLES = {"PIP_CONSTRAINT": str(BUILD), "PIP_BUILD_CONSTRAINT": str(BUILD)}
"""How pip is told so: the first is for pip < 25.3, the second for the later ones."""

BANNER = "# Generated: do not edit. `python3 run.py lock` writes what is missing or stale.\n"

PIN = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([\w.+!-]+)", re.MULTILINE)
"""How the lines of a lock start that are neither comments nor hashes."""

NOT_LOCKED = "setuptools"
"""What comes with the interpreter. An old release may want it, whichever it is."""


@dataclass(frozen=True)
class Lock:
    """A lock as it should be: for whom, and from what.

    `name` is the name of its file but for the Python. `requires` is what each of the releases
    declares, `held_back` what `matrix/notes.toml` adds to it, `by_hand` what the notes answer in
    the resolver's place.
    """

    name: str
    releases: tuple[Version, ...]
    python: str
    requires: tuple[str, ...]
    held_back: tuple[str, ...]
    by_hand: tuple[ByHand, ...]

    @property
    def path(self) -> Path:
        """The file."""
        return LOCKS / f"{self.name}-py{self.python}.txt"

    @property
    def head(self) -> str:
        """The line that says what the file answers to."""
        held_back = ", ".join(self.held_back) or "nothing"
        return f"# For Python {self.python}. Held back: {held_back}.\n"

    def staleness(self) -> str | None:
        """Return why the file must be written again, or None."""
        if not self.path.exists():
            return "is missing"
        text = self.path.read_text(encoding="utf-8")
        if self.head not in text or any(its.block not in text for its in self.by_hand):
            return "is for something else than matrix/notes.toml says"
        unanswered = self.unanswered_by(text)
        return f"has no answer to {', '.join(unanswered)}" if unanswered else None

    def unanswered_by(self, text: str) -> list[str]:
        """Return the requirements that no pin of a lock's text satisfies."""
        pins = {canonicalize_name(name): version for name, version in PIN.findall(text)}
        on_it = {"python_version": self.python, "python_full_version": f"{self.python}.0"}
        on_it |= {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
        return [
            str(wanted)
            for wanted in map(Requirement, (*self.requires, *self.held_back))
            if (wanted.marker is None or wanted.marker.evaluate({**on_it, "extra": ""}))
            and not self._is_answered(wanted, pins.get(canonicalize_name(wanted.name)))
        ]

    def _is_answered(self, wanted: Requirement, pin: str | None) -> bool:
        if pin is None:
            return wanted.name == NOT_LOCKED or str(wanted) in self.held_back
        return wanted.specifier.contains(pin, prereleases=True)


@functools.cache
def wanted() -> tuple[Lock, ...]:
    """Return the locks that there should be.

    One for each Python of each release that a variant serves and that can be installed at all,
    shared by those that require the same and are held back alike. It is named like the file of
    `matrix/requires`, whatever is noted of single releases, so that it stays as it is; what is
    held back has a name of its own.
    """
    groups: dict[tuple[str, str, tuple[str, ...]], list[Version]] = {}
    for release, row in releases.rows().items():
        variant = variants.find(release)
        if variant and row.requires and not notes.broken(release):
            for python in variant.pythons(release):
                key = (python, row.requires, notes.held_back(release))
                groups.setdefault(key, []).append(release)
    return tuple(
        Lock(
            f"{members[0]}-held-back" if held_back else name,
            tuple(members),
            python,
            releases.requires(name),
            held_back,
            notes.by_hand(members[0], python),
        )
        for (python, name, held_back), members in groups.items()
    )


def find(release: Version, python: str) -> Lock | None:
    """Return the lock of a release on a Python, or None where there is none, also no file."""
    return next(
        (
            lock
            for lock in wanted()
            if lock.python == python and release in lock.releases and lock.path.exists()
        ),
        None,
    )


def requirements(release: Version, lock: Lock) -> str:
    """Return a requirements file that holds all of an environment, for `pip install -r`."""
    its = releases.rows()[release]
    return (
        f"# oTree {release} on Python {lock.python}, with all that it needs.\n"
        f"{its.package}=={release} \\\n    --hash=sha256:{its.sha256}\n"
        f"{lock.path.read_text(encoding='utf-8')}"
    )


def check() -> None:
    """Raise UserError if a lock is missing or stale, or is there for nobody."""
    stale = [f"{lock.path.name} {why}" for lock in wanted() if (why := lock.staleness())]
    stale += [f"{path.name} is for no release" for path in obsolete()]
    if stale:
        raise UserError(f"{'; '.join(stale)}: run `python3 run.py lock`")


def obsolete() -> list[Path]:
    """Return the files that are for no release, sorted."""
    return sorted(set(LOCKS.glob("*.txt")) - {lock.path for lock in wanted()})
