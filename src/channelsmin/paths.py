"""Where the project's data lies, and how it is read."""

import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

INSTALLED = Path(__file__).resolve().parent / "data"
"""What the wheel carries of the repository, where this was installed from one."""

IN_CHECKOUT = not INSTALLED.is_dir()

ROOT = Path(__file__).resolve().parents[2] if IN_CHECKOUT else INSTALLED
"""Where `variants/`, `shared_templates/` and `matrix/` lie: the repository, or its part of it."""


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def last_lines(path: Path, count: int = 1) -> str:
    """Return the last lines of a log, without blank ones at its end; "" if it is empty."""
    lines = path.read_text(errors="replace").strip().splitlines()
    return "\n".join(lines[-count:])


def write(path: Path, text: str) -> None:
    """Write a file, whole or not at all: who reads it meanwhile sees what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        unfinished = Path(file.name)
        try:
            file.write(text)
            file.flush()
            unfinished.chmod(0o644)
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
