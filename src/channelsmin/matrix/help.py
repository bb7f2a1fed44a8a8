"""Help for a release that pip alone does not install or start: the steps, as data and in words.

The steps are in `matrix/notes.toml` (`[[help]]`). Environments carry them out, with
`runtime/changed_sdist.py`; an exported project's README names them for people without this tool.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DIGITS = 12
"""How many hexadecimal digits of a hash are kept, as in the other fingerprints of a result."""

STEPS = ("first", "add", "instead", "without", "edits")
"""The fields of a help that change what is installed."""


@dataclass(frozen=True)
class Edit:
    """A change of one file of oTree: of `old` to `new`; without `old`, the file is new."""

    file: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """Return the changed text, with the line ends that it has.

        Raises ValueError unless `old` is there just once.
        """
        end = "\r\n" if "\r\n" in text else "\n"
        old, new = (part.replace("\n", end) for part in (self.old, self.new))
        if text.count(old) != 1:
            raise ValueError(f"{self.file} does not contain {self.old!r} just once")
        return text.replace(old, new)

    def in_words(self) -> Iterator[str]:
        """Yield the step as lines of Markdown, for a numbered list."""
        if not self.old:
            yield f"Add an empty file `{self.file}`." if not self.new else f"Add `{self.file}`:"
            yield from _code(self.new)
            return
        yield f"In oTree's `{self.file}`, {'replace' if self.new else 'delete'}"
        yield from _code(self.old)
        if self.new:
            yield from ("", "   by")
            yield from _code(self.new)


def _code(text: str) -> Iterator[str]:
    """Yield a code block in a numbered list; nothing for an empty text."""
    if text:
        block = ["```", *text.strip("\n").splitlines(), "```"]
        yield from ("", *(f"   {line}".rstrip() for line in block))


@dataclass(frozen=True)
class Help:
    """What a release needs in addition to `pip install`, and what happens without it.

    `line` tells the help in one line, `status` and `reason` what the suite ends with if there is
    none. `first` names the packages to install before the others, `add` requirements that oTree
    does not declare, `instead` those that replace what it declares, `without` packages that it
    declares in vain, `edits` the changes of its source distribution.
    """

    line: str
    status: str
    reason: str
    first: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()

    def corrected(self, requires: Sequence[str]) -> tuple[str, ...]:
        """Return the requirements of a release as they should be."""
        dropped = {*map(_name, self.instead), *map(_name, self.without)}
        kept = [requirement for requirement in requires if _name(requirement) not in dropped]
        return tuple(sorted([*kept, *self.add, *self.instead], key=str.lower))

    @property
    def digest(self) -> str:
        """A short hash of the steps; what is written about them does not count."""
        steps = {name: asdict(self)[name] for name in STEPS}
        return sha256(json.dumps(steps).encode()).hexdigest()[:DIGITS]

    def steps(self, first: Sequence[str]) -> Iterator[list[str]]:
        """Yield each step, as lines of Markdown; `first` are the packages of that name, pinned."""
        if first:
            yield [f"Install these packages before all others: {_listed(first)}."]
        if self.without:
            yield [f"Install everything that oTree requires except {_listed(self.without)}."]
        if self.instead:
            yield [f"Install {_listed(self.instead)} instead of what oTree itself requires."]
        if self.add:
            yield [f"Also install {_listed(self.add)}."]
        for edit in self.edits:
            yield list(edit.in_words())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)
