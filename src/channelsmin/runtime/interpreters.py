"""Find this machine's Python interpreters."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.version import Version

from channelsmin.matrix import variants


def interpreters(version: str) -> Iterator[Path]:
    """Yield the interpreters of this machine for a Python version such as `3.7`.

    Searches PATH, pyenv's versions folder and the folder of uv's interpreters. A shim of pyenv
    does not start unless a version is selected; it is skipped, as is everything that does not
    start.
    """
    candidates = [shutil.which(f"python{version}")]
    for folder in _folders_of_versions():
        found = sorted(folder.glob(f"*{version}.*/bin/python{version}"), reverse=True)
        candidates.extend(str(path) for path in found)
    for candidate in filter(None, candidates):
        code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
        answer = subprocess.run(
            [candidate, "-c", code], capture_output=True, text=True, check=False
        )
        if answer.stdout.strip() == version:
            yield Path(candidate)


def _folders_of_versions() -> Iterator[Path]:
    # The interpreter that runs this may itself be one of pyenv's or uv's: then the others
    # are next to it, even if HOME is another user's or empty.
    yield Path(sys.base_prefix).resolve().parent
    yield Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    yield Path(os.environ.get("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python")).expanduser()


@functools.cache
def first(version: str) -> Path | None:
    """Return the first of this machine's interpreters for a Python version, or None."""
    return next(interpreters(version), None)


def best_version(release: Version) -> str:
    """Return the Python version to run `release` on: the preferred one that this machine has.

    If it has none of them, the preferred one. Raises UserError if no variant serves the release.
    """
    versions = variants.serving(release).pythons(release)
    return next(filter(first, versions), versions[0])


def best(release: Version) -> Path | None:
    """Return this machine's best interpreter for `release`, or None."""
    return first(best_version(release))
