"""Where the project's data is, and how files are read and written."""

import os
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

INSTALLED = Path(__file__).resolve().parent / "data"
"""The part of the repository that the wheel contains; only an installed wheel has this folder."""

IN_CHECKOUT = not INSTALLED.is_dir()

ROOT = Path(__file__).resolve().parents[2] if IN_CHECKOUT else INSTALLED
"""The folder of `variants/`, `shared_templates/` and `matrix/`: the repository, or the wheel's
data."""


def relative(path: Path, start: Path = Path()) -> str:
    """Return a path as seen from a folder (default: the current one).

    On another drive of Windows, it is returned in full.
    """
    try:
        return os.path.relpath(path, start)
    except ValueError:
        return str(path.absolute())


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def last_lines(path: Path, count: int = 1) -> str:
    """Return the last lines of a log, without trailing blank ones; "" if it is empty."""
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return "\n".join(lines[-count:])


def write_atomically(path: Path, text: str) -> None:
    """Write a text file atomically: to a temporary file, which then replaces the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        temporary = Path(file.name)
    try:
        temporary.write_bytes(text.encode())  # the same line ends on every system
        temporary.chmod(0o644)
        temporary.replace(path)  # closed by now: Windows does not rename an open file
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
