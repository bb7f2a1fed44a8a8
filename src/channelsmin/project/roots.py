"""Find the folder of an oTree project: the one that contains settings.py."""

import os
from collections.abc import Iterator
from pathlib import Path

from channelsmin.errors import UserError

DEPTH = 4
"""How many folders deep a project is searched for below the folder that was named."""

SKIPPED = frozenset(
    {"venv", "env", "node_modules", "site-packages", "__pycache__", "build", "dist", "_static"}
)

MARKS = (b"SESSION_CONFIGS", b"SESSION_TYPES", b"augment_settings")
"""What tells the settings of an oTree project from those of another Django project."""


def find(folder: Path, is_certain: bool = True) -> Path:
    """Return the project that a folder belongs to.

    The nearest folder above (or the folder itself) with settings.py; else the only one below; else
    the folder itself. Raises UserError if it is not a folder, or if several projects are below and
    it has to be certain which one is meant.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: pass the one that contains settings.py")
    above = (folder, *folder.resolve().parents)
    if found := next((one for one in above if (one / "settings.py").is_file()), None):
        return found
    below = projects_below(folder)
    if len(below) > 1 and is_certain:
        names = ", ".join(str(one.relative_to(folder)) for one in below)
        raise UserError(f"{folder} contains several oTree projects: pass one of {names}")
    return below[0] if len(below) == 1 else folder


def projects_below(folder: Path) -> list[Path]:
    """Return the oTree projects in the folders below, at most `DEPTH` deep."""
    return sorted(_below(folder, DEPTH))


def _below(folder: Path, depth: int) -> Iterator[Path]:
    try:
        inner = [entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for entry in inner:
        if entry.name.startswith(".") or entry.name in SKIPPED:
            continue
        path = Path(entry.path)
        settings = path / "settings.py"
        if settings.is_file() and any(mark in settings.read_bytes() for mark in MARKS):
            yield path
        elif depth > 1:
            yield from _below(path, depth - 1)


def around(root: Path) -> list[Path]:
    """Return the folders whose files are about the project: its own, and those of its repository.

    The folders above count up to the top of the repository, or where a repository is not marked,
    up to `NEAR` folders up, to the first that has a requirements file.
    """
    folders, parents = [root], root.resolve().parents
    top = next((one for one in (root, *parents) if (one / ".git").exists()), None)
    for parent in parents:
        if top is None or top not in (parent, *parent.parents) or top == root.resolve():
            break
        folders.append(parent)
    if top is None:
        near = [one for one in parents[:NEAR] if one != Path.home()]
        folders += next(
            (
                near[: number + 1]
                for number, parent in enumerate(near)
                if any((parent / name).is_file() for name in BESIDE)
            ),
            [],
        )
    return folders


NEAR = 2
"""How many folders up the files count where no repository is marked, as after a download."""

BESIDE = ("requirements.txt", "requirements_base.txt", "Pipfile", "pyproject.toml")
