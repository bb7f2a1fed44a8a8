"""Resolve missing and stale lock files from the package index: `channelsmin lock`."""

import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.matrix import locks
from channelsmin.matrix.locks import Lock
from channelsmin.paths import write_atomically
from channelsmin.runtime import interpreters


def update() -> None:
    """Resolve missing and stale lock files, and delete obsolete ones.

    Raises UserError at the end if some could not be resolved; the others are written all the same.
    """
    stale = [(lock, why) for lock in locks.wanted() if (why := lock.staleness())]
    if stale and not find_spec("uv"):
        raise UserError("uv, which resolves lock files, is not installed next to channelsmin")
    failed = []
    for lock, why in stale:
        console.say(f"{lock.path.name} {why}")
        try:
            write_atomically(lock.path, resolve(lock))
        except UserError as error:
            failed.append(str(error))
    for path in locks.obsolete():
        console.say(f"{path.name} is obsolete: deleted")
        path.unlink()
    if failed:
        raise UserError("; ".join(failed))


def resolve(lock: Lock) -> str:
    """Resolve a lock file's requirements on the package index; return its text.

    Only what the index had at the beginning of the day (UTC) counts, so all lock files of a day
    agree. Raises UserError if they can't be resolved, or without an interpreter for this Python.
    """
    python = interpreters.first(lock.python)
    if python is None:
        raise UserError(f"{lock.path.name} can't be resolved without Python {lock.python}")
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    resolved = _uv(lock, python, today)
    source = f"# From what the package index had when {today} began (UTC).\n"
    text = f"{locks.BANNER}{lock.head}{source}{resolved}"
    missing = lock.unsatisfied_by(text)
    if missing:
        raise UserError(f"{lock.path.name}: uv's answer does not satisfy {', '.join(missing)}")
    return text


def _uv(lock: Lock, python: Path, until: str) -> str:
    pinned = [pin.block for pin in lock.manual_pins]
    never = (f'{Requirement(pin.pin).name}; python_version < "0"\n' for pin in lock.manual_pins)
    with TemporaryDirectory(prefix="channelsmin-") as folder:
        asked, overrides = Path(folder, "requirements.in"), Path(folder, "overrides.txt")
        constraints = Path(folder, "constraints.txt")
        asked.write_text("\n".join(lock.requires), encoding="utf-8")
        constraints.write_text("\n".join(lock.upper_bounds), encoding="utf-8")
        overrides.write_text("".join(never), encoding="utf-8")
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--generate-hashes"]
        command += ["--no-header", "--no-annotate", "--no-emit-package", locks.NOT_LOCKED]
        # If somebody requires an extra, pip wants the pin to name the extra.
        command += ["--no-strip-extras"]
        command += ["--python", str(python), "--no-python-downloads"]
        command += ["--exclude-newer", f"{until}T00:00:00Z", "--override", str(overrides)]
        command += ["--constraint", str(constraints)]
        answer = subprocess.run([*command, str(asked)], capture_output=True, text=True, check=False)
    if answer.returncode:
        reason = " ".join(answer.stderr.split()) or "no answer"
        raise UserError(f"{lock.path.name}: {reason}")
    return spelled(answer.stdout, pinned, lock.requires)


def spelled(answer: str, pinned: Sequence[str], requires: Sequence[str]) -> str:
    """Return the blocks of a resolver's answer and the manual pins, sorted.

    A project is spelled as oTree spells it: pip 18, which comes with Python 3.6, does not find
    the file zope.interface-4.2.0.tar.gz of a project that is called zope-interface.
    """
    names = {canonicalize_name(name): name for name in (Requirement(r).name for r in requires)}
    blocks = re.findall(r"^([\w.-]+)((?:\[.+\])?==.*\n(?:[ \t].*\n)*)", answer, re.MULTILINE)
    named = (names.get(canonicalize_name(name), name) + rest for name, rest in blocks)
    return "".join(sorted([*named, *pinned], key=str.lower))
