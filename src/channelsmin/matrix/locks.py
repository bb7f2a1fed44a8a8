"""Lock files: pinned and hashed requirements per release and Python (`matrix/locks`).

oTree pins some of its dependencies and leaves others open. A lock file pins all of them, for one
Python. Releases with the same requirements share it; oTree's own file is not in it, its hash is in
`matrix/releases.toml`.
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
from channelsmin.matrix.help import Help
from channelsmin.matrix.notes import ManualPin
from channelsmin.paths import ROOT

LOCKS = ROOT / "matrix" / "locks"

BUILD = ROOT / "matrix" / "build.txt"
"""Pins for the packages with which pip builds source distributions."""


def build_variables(build: Path) -> dict[str, str]:
    """Return the environment variables that point pip to the file `build`.

    The first is for pip < 25.3, the second for later ones. pip takes a space for the end of a
    path; in a URL there is none.
    """
    place = build.as_uri() if " " in str(build) else str(build)
    return {"PIP_CONSTRAINT": place, "PIP_BUILD_CONSTRAINT": place}


BUILD_VARIABLES = build_variables(BUILD)
"""Environment variables that point pip to BUILD."""

BANNER = "# Generated: do not edit. `python3 run.py lock` writes what is missing or stale.\n"

PIN = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([\w.+!-]+)", re.MULTILINE)
"""The beginning of each line of a lock file that is neither a comment nor a hash."""

BLOCK = re.compile(r"^(([\w.-]+)(?:\[.+\])?==.*\n(?:[ \t].*\n)*)", re.MULTILINE)
"""A pin of a lock file with its hashes, and the package's name."""

NOT_LOCKED = "setuptools"
"""The interpreter's own setuptools is used, since old releases may need an old one."""


@dataclass(frozen=True)
class Lock:
    """A lock file as it should be.

    `name` is the file's name without the Python. `requires` is what each of the releases declares,
    corrected where one of them needs help (`[[help]]` in `matrix/notes.toml`), `upper_bounds` what
    the notes add to it, `manual_pins` what they pin where the resolver fails.
    """

    name: str
    releases: tuple[Version, ...]
    python: str
    requires: tuple[str, ...]
    upper_bounds: tuple[str, ...]
    manual_pins: tuple[ManualPin, ...]

    @property
    def path(self) -> Path:
        """The file."""
        return LOCKS / f"{self.name}-py{self.python}.txt"

    @property
    def head(self) -> str:
        """The line of the file that names the Python and the upper bounds it was resolved for."""
        bounds = ", ".join(self.upper_bounds) or "none"
        return f"# For Python {self.python}. Upper bounds: {bounds}.\n"

    def staleness(self) -> str | None:
        """Return why the file has to be resolved again, or None if it is fresh."""
        if not self.path.exists():
            return "is missing"
        text = self.path.read_text(encoding="utf-8")
        if self.head not in text or any(pin.block not in text for pin in self.manual_pins):
            return "does not match matrix/notes.toml"
        missing = self.unsatisfied_by(text)
        return f"does not satisfy {', '.join(missing)}" if missing else None

    def unsatisfied_by(self, text: str) -> list[str]:
        """Return the requirements that no pin in a lock file's text satisfies."""
        pins = {canonicalize_name(name): version for name, version in PIN.findall(text)}
        on_it = {"python_version": self.python, "python_full_version": f"{self.python}.0"}
        on_it |= {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
        return [
            str(wanted)
            for wanted in map(Requirement, (*self.requires, *self.upper_bounds))
            if (wanted.marker is None or wanted.marker.evaluate({**on_it, "extra": ""}))
            and not self._is_satisfied(wanted, pins.get(canonicalize_name(wanted.name)))
        ]

    def _is_satisfied(self, wanted: Requirement, pin: str | None) -> bool:
        if pin is None:
            return wanted.name == NOT_LOCKED or str(wanted) in self.upper_bounds
        return wanted.specifier.contains(pin, prereleases=True)


@functools.cache
def wanted() -> tuple[Lock, ...]:
    """Return the lock files that should exist.

    One for each Python of each release that a variant serves and that is installable. Releases
    with the same requirements and the same upper bounds share one. It is named after the file in
    `matrix/requires`, so its name does not change with notes about single releases; one with upper
    bounds, or with corrected requirements, has a name of its own.
    """
    groups: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], list[Version]] = {}
    for release, row in releases.rows().items():
        variant = variants.find(release)
        if variant and row.requires and not notes.not_installable(release):
            for python in variant.pythons(release):
                requires = _required(release, row.requires)
                key = (python, row.requires, notes.upper_bounds(release), requires)
                groups.setdefault(key, []).append(release)
    return tuple(
        Lock(
            _name(members[0], name, upper_bounds, requires),
            tuple(members),
            python,
            requires,
            upper_bounds,
            notes.manual_pins(members[0], python),
        )
        for (python, name, upper_bounds, requires), members in groups.items()
    )


def _required(release: Version, name: str) -> tuple[str, ...]:
    """Return what a release requires, corrected if it needs help."""
    declared, help_ = releases.requires(name), notes.help_for(release)
    return help_.corrected(declared) if help_ else declared


def _name(
    release: Version, name: str, upper_bounds: tuple[str, ...], requires: tuple[str, ...]
) -> str:
    """Return the name of the lock file of which a release is the first."""
    if requires != releases.requires(name):
        return f"{release}-helped"
    return f"{release}-bounded" if upper_bounds else name


def find(release: Version, python: str) -> Lock | None:
    """Return the lock file of a release on a Python, or None if there is none, or no file."""
    return next(
        (
            lock
            for lock in wanted()
            if lock.python == python and release in lock.releases and lock.path.exists()
        ),
        None,
    )


def requirements(release: Version, lock: Lock, sdist: str = "", sha256: str = "") -> str:
    """Return a requirements file for the whole environment, for `pip install -r`.

    `sdist` is the address of a changed source distribution to take, and `sha256` its hash.
    """
    row = releases.rows()[release]
    return (
        f"# oTree {release} on Python {lock.python}, with everything that it requires.\n"
        f"{sdist or f'{row.package}=={release}'} \\\n"
        f"    --hash=sha256:{sha256 or row.sha256}\n"
        f"{lock.path.read_text(encoding='utf-8')}"
    )


def first(release: Version, lock: Lock) -> str:
    """Return a requirements file for the packages to install before all others, "" for none."""
    help_ = notes.help_for(release)
    names = {canonicalize_name(name) for name in help_.first} if help_ else set()
    blocks = BLOCK.findall(lock.path.read_text(encoding="utf-8"))
    return "".join(block for block, name in blocks if canonicalize_name(name) in names)


def steps_by_hand(release: Version, help_: Help) -> list[str]:
    """Return the steps of a release's help, each as a text in Markdown."""
    lock = next(filter(None, (find(release, python) for python in variants.pythons(release))), None)
    pins = PIN.findall(first(release, lock)) if lock else []
    return ["\n".join(step) for step in help_.steps([f"{name}=={pin}" for name, pin in pins])]


def check() -> None:
    """Raise UserError if a lock file is missing, stale or obsolete."""
    stale = [f"{lock.path.name} {why}" for lock in wanted() if (why := lock.staleness())]
    stale += [f"{path.name} is obsolete" for path in obsolete()]
    if stale:
        raise UserError(f"{'; '.join(stale)}: run `python3 run.py lock`")


def obsolete() -> list[Path]:
    """Return the lock files that no release uses, sorted."""
    return sorted(set(LOCKS.glob("*.txt")) - {lock.path for lock in wanted()})
