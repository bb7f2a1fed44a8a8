"""A variant plus the shared templates: one ordinary oTree project folder."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import notes, releases, variants
from channelsmin.matrix.variants import Variant
from channelsmin.paths import ROOT

SHARED_TEMPLATES = ROOT / "shared_templates"
TEMPLATES = Path("channelsmin", "templates", "channelsmin")
"""Where oTree looks for an app's templates, on every release."""

NOT_EXPORTED = ("variant.toml", "__pycache__")


@dataclass(frozen=True)
class Export:
    """What to export: a variant, and the release that it is meant for, if there is one."""

    variant: Variant
    release: Version | None

    @property
    def requirement(self) -> str:
        """The line of requirements.txt: this release, or the variant's whole range."""
        if self.release is not None:
            return f"{releases.rows()[self.release].package}=={self.release}"
        upper = f",<={self.variant.last}" if self.variant.last else ""
        return f"{releases.rows()[self.variant.first].package}>={self.variant.first}{upper}"


def named(text: str) -> Export:
    """Return the export that `text` names: a variant (`otree-2.3`) or a release (`2.3.7`).

    Raises UserError for an unknown release and for one outside every variant's range.
    """
    for variant in variants.load_all():
        if variant.name == text:
            return Export(variant, None)
    release = releases.find(text)
    return Export(variants.serving(release), release)


def write(export: Export, folder: Path) -> None:
    """Write the project into `folder`, which must be empty or not be there yet.

    A variant's own template takes the place of the shared one of the same name.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not empty: name a new folder, or empty this one first")
    try:
        (folder / TEMPLATES).mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror}") from error
    shutil.copytree(SHARED_TEMPLATES, folder / TEMPLATES, dirs_exist_ok=True)
    shutil.copytree(
        export.variant.folder,
        folder,
        ignore=shutil.ignore_patterns(*NOT_EXPORTED),
        dirs_exist_ok=True,
    )
    # oTree 5 and 6 do not start without _static; the earlier ones warn without either.
    (folder / "_static").mkdir()
    (folder / "_templates").mkdir()
    (folder / "requirements.txt").write_text("\n".join(_requirements(export)) + "\n")
    if held_back := _held_back(export):
        (folder / "constraints.txt").write_text("\n".join(held_back) + "\n")


def _requirements(export: Export) -> list[str]:
    """Return the lines of requirements.txt, as `otree zip` wants them.

    It refuses to pack a project that does not name psycopg2. Later releases (3.3.11, not 3.2.8)
    also ask whether they may write the file anew, unless the first line says that they may not.
    """
    held_back = ["-c constraints.txt"] if _held_back(export) else []
    needs: list[str] = export.variant.facts["postgresql_needs"]
    return ["# oTree-may-not-overwrite-this-file", *held_back, export.requirement, *needs]


def _held_back(export: Export) -> tuple[str, ...]:
    """Return what must not get newer, for the release, or the one that pip takes of the range."""
    served = filter(export.variant.serves, releases.known())
    newest = max(served, key=lambda release: (not release.is_prerelease, release))
    return notes.held_back(export.release or newest)
