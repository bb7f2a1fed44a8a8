"""Export a variant: with the shared templates and its release check, one oTree project folder."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template

from packaging.version import Version

from channelsmin import errors
from channelsmin.errors import UserError
from channelsmin.matrix import locks, notes, releases, variants
from channelsmin.matrix.help import Help
from channelsmin.matrix.variants import Variant
from channelsmin.paths import ROOT
from channelsmin.runtime import deploy_files
from channelsmin.runtime.deploy_files import Target

SHARED_TEMPLATES = ROOT / "shared_templates"

APP = "channelsmin"
"""The app's name in every variant, and the name of its folder."""

TEMPLATES = Path(APP, "templates", APP)
"""The folder in which every oTree release finds an app's templates."""

RELEASE_CHECK = Path(APP, "release_check.py")
"""The module that stops the app on a release that its variant does not serve."""

CHECK_TEMPLATE = Path(__file__).with_name("release_check.py.template")

NOT_EXPORTED = ("variant.toml", "__pycache__")


@dataclass(frozen=True)
class Export:
    """What to export: a variant, and the release that it is meant for, if there is one."""

    variant: Variant
    release: Version | None

    @property
    def help(self) -> Help | None:
        """What the release needs in addition to `pip install`, if it needs something."""
        return notes.help_for(self.release) if self.release else None

    @property
    def requirement(self) -> str:
        """The line of requirements.txt: this release, or the variant's whole range.

        The range leaves out what has another name on the package index than its newest release.
        """
        rows = releases.rows()
        if self.release is not None:
            return f"{rows[self.release].package}=={self.release}"
        served = [release for release in rows if self.variant.serves(release)]
        package = rows[served[-1]].package
        first = next(release for release in served if rows[release].package == package)
        upper = f",<={self.variant.last}" if self.variant.last else ""
        return f"{package}>={first}{upper}"


def named(text: str) -> Export:
    """Return the export that `text` names: a variant (`otree-2.3`) or a release (`2.3.7`).

    Raises UserError for an unknown release and for one that no variant serves.
    """
    for variant in variants.load_all():
        if variant.name == text:
            return Export(variant, None)
    return of(releases.find(text))


def of(release: Version) -> Export:
    """Return the export for a release; raises UserError if no variant serves it."""
    return Export(variants.serving(release), release)


def write(chosen: Export, folder: Path, targets: Sequence[Target] = ()) -> None:
    """Write the project into `folder`, which must be empty or not exist yet: all of it, or nothing.

    A variant's own template replaces the shared one of the same name. `targets` are the places
    where it is to go online; raises UserError if there are some and no release is named.
    """
    if targets and not chosen.release:
        raise UserError("--deploy needs a release, such as 2.5.8, in place of a variant")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not empty: name a new folder, or empty this one first")
    with _whole_or_not_at_all(folder) as unfinished:
        _write(chosen, unfinished)
        if chosen.release and targets:
            _write_to_deploy(chosen, chosen.release, targets, unfinished)


@contextmanager
def _whole_or_not_at_all(folder: Path) -> Iterator[Path]:
    """Yield a new folder; what it holds after the block becomes what `folder` holds.

    It is on the same disk, so that nothing is copied in the end: beside `folder`, or inside if that
    exists. If the block fails, nothing stays, nor the folders above that did not exist before.
    """
    existed = folder.is_dir()
    missing = [above for above in (folder, *folder.parents) if not above.exists()]
    place = folder if existed else folder.parent
    try:
        try:
            place.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise UserError(f"{place} is not a folder: name another place") from error
        with tempfile.TemporaryDirectory(dir=place, prefix=".unfinished-") as name:
            unfinished = Path(name, "project")
            unfinished.mkdir()
            yield unfinished
            if existed:
                _move_up(unfinished, folder)
            else:
                unfinished.rename(folder)
    except BaseException as error:
        for above in missing:  # the innermost first; one that something else is in stays
            with suppress(OSError):
                above.rmdir()
        if isinstance(error, OSError):  # which names a path that is already gone
            raise UserError(f"{folder} cannot be written: {errors.advice(error)}") from error
        raise


def _move_up(unfinished: Path, folder: Path) -> None:
    """Move the entries of one folder into another one; if one can't be moved, none stays there."""
    moved: list[Path] = []
    try:
        for entry in sorted(unfinished.iterdir()):
            moved.append(entry.rename(folder / entry.name))
    except BaseException:
        for entry in moved:
            entry.rename(unfinished / entry.name)
        raise


def _write(chosen: Export, folder: Path) -> None:
    """Write the project into an empty folder."""
    shutil.copytree(SHARED_TEMPLATES, folder / TEMPLATES, dirs_exist_ok=True)
    shutil.copytree(
        chosen.variant.folder,
        folder,
        ignore=shutil.ignore_patterns(*NOT_EXPORTED),
        dirs_exist_ok=True,
    )
    _write_lines(folder / RELEASE_CHECK, release_check(chosen.variant).splitlines())
    # oTree 5 and 6 do not start without _static; the earlier ones warn without either.
    (folder / "_static").mkdir()
    (folder / "_templates").mkdir()
    _write_lines(folder / "requirements.txt", _requirements(chosen))
    if upper_bounds := _upper_bounds(chosen):
        _write_lines(folder / "constraints.txt", upper_bounds)
    if chosen.release and chosen.help:
        readme = folder / "README.md"
        before = readme.read_text(encoding="utf-8").splitlines()
        _write_lines(readme, [*before, "", *_about_help(chosen.help, chosen.release)])


def _about_help(help_: Help, release: Version) -> Iterator[str]:
    """Yield the section of the README about the help that the release needs."""
    yield from (f"## oTree {release} needs help", "")
    yield f"`pip install` alone is not enough for it: {help_.reason}."
    yield from ("", f"The help in one line: {help_.line}.", "")
    yield f"`channelsmin rebuild {release} FOLDER` makes an environment with this help. By hand:"
    for number, step in enumerate(locks.steps_by_hand(release, help_), 1):
        yield from ("", *f"{number}. {step}".splitlines())


def _write_to_deploy(
    chosen: Export, release: Version, targets: Sequence[Target], folder: Path
) -> None:
    for name, text in deploy_files.files(release, targets).items():
        (folder / name).write_bytes(text.encode())
    further = [one for one in deploy_files.packages(release) if one not in _requirements(chosen)]
    _write_lines(folder / "requirements.txt", [*_requirements(chosen), *further])


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    """Write a file with the same bytes on every system."""
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def release_check(variant: Variant, listed: Sequence[Variant] | None = None) -> str:
    """Return the text of a variant's release check, which lists the variants (default: all)."""
    known = variants.load_all() if listed is None else listed
    return Template(CHECK_TEMPLATE.read_text(encoding="utf-8")).substitute(
        variant=variant.name,
        range=variant.range,
        first="\n".join(f"    ('{one.first}', '{one.name}')," for one in known),
    )


def _requirements(chosen: Export) -> list[str]:
    """Return the lines of requirements.txt, as `otree zip` needs them.

    It refuses to pack a project that does not name psycopg2. Later releases (3.3.11, not 3.2.8)
    also ask whether they may rewrite the file, unless its first line says that they may not.
    """
    constraints = ["-c constraints.txt"] if _upper_bounds(chosen) else []
    return [
        "# oTree-may-not-overwrite-this-file",
        *constraints,
        chosen.requirement,
        *(chosen.help.add if chosen.help else ()),
        *chosen.variant.postgresql_needs,
    ]


def _upper_bounds(chosen: Export) -> tuple[str, ...]:
    """Return the upper bounds for the release, or for the one of the range that pip would take."""
    served = filter(chosen.variant.serves, releases.known())
    newest = max(served, key=lambda release: (not release.is_prerelease, release))
    return notes.upper_bounds(chosen.release or newest)
