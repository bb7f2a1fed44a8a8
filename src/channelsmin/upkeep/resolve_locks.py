"""Resolve what has no lock yet, or a stale one: `channelsmin lock`."""

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from channelsmin.errors import UserError
from channelsmin.matrix import locks
from channelsmin.matrix.locks import Lock
from channelsmin.paths import write
from channelsmin.runtime import environment

Say = Callable[[str], None]


def update(say: Say) -> None:
    """Write the locks that are missing or stale, and remove those that are for nobody.

    Raises UserError in the end if some could not be resolved; the others are written nevertheless.
    """
    stale = [(lock, why) for lock in locks.wanted() if (why := lock.staleness())]
    if stale and not find_spec("uv"):
        raise UserError("uv is not installed beside channelsmin, and resolves the locks")
    failed = []
    for lock, why in stale:
        say(f"{lock.path.name} {why}")
        try:
            write(lock.path, resolve(lock))
        except UserError as problem:
            failed.append(str(problem))
    for path in locks.obsolete():
        say(f"{path.name} is for no release: removed")
        path.unlink()
    if failed:
        raise UserError("; ".join(failed))


def resolve(lock: Lock) -> str:
    """Ask the package index for all that a lock should hold; return its text.

    Only what the index had when the day (UTC) began is taken, so that all locks of a day agree.
    Raises UserError where there is no answer, or no interpreter to ask for one.
    """
    python = environment.first_interpreter(lock.python)
    if python is None:
        raise UserError(f"{lock.path.name} can't be resolved without Python {lock.python}")
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    answer = _uv(lock, python, today)
    source = f"# From what the package index had when {today} began (UTC).\n"
    text = f"{locks.BANNER}{lock.head}{source}{answer}"
    unanswered = lock.unanswered_by(text)
    if unanswered:
        raise UserError(f"{lock.path.name}: uv gave no answer to {', '.join(unanswered)}")
    return text


def _uv(lock: Lock, python: Path, until: str) -> str:
    pinned = [its.block for its in lock.by_hand]
    never = (f'{Requirement(its.pin).name}; python_version < "0"\n' for its in lock.by_hand)
    with TemporaryDirectory(prefix="channelsmin-") as folder:
        asked, overrides = Path(folder, "requirements.in"), Path(folder, "overrides.txt")
        constraints = Path(folder, "constraints.txt")
        asked.write_text("\n".join(lock.requires))
        constraints.write_text("\n".join(lock.held_back))
        overrides.write_text("".join(never))
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--generate-hashes"]
        command += ["--no-header", "--no-annotate", "--no-emit-package", locks.NOT_LOCKED]
        # Where somebody requires an extra, pip wants it to be pinned with the extra.
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
    """Return the blocks of a resolver's answer and those that were pinned by hand, sorted.

    A project is spelled as oTree spells it: pip 18, which comes with Python 3.6, does not find
    the file zope.interface-4.2.0.tar.gz of a project that is called zope-interface.
    """
    names = {canonicalize_name(name): name for name in (Requirement(r).name for r in requires)}
    blocks = re.findall(r"^([\w.-]+)((?:\[.+\])?==.*\n(?:[ \t].*\n)*)", answer, re.MULTILINE)
    named = (names.get(canonicalize_name(name), name) + rest for name, rest in blocks)
    return "".join(sorted([*named, *pinned], key=str.lower))
