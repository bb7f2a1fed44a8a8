"""A lock between programs: of several commands at once, one at a time does what can't be shared."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from channelsmin import console

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

POLL_SECONDS = 0.2
"""Seconds between two tries."""


@contextmanager
def exclusive(path: Path, why: str) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; wait for it if another program holds it.

    `why` completes a note to the person who waits: "waiting for another channelsmin ...". The
    system releases the lock of a program that was killed. The empty file stays: removing it would
    let a third program lock another file of the same name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if not _locked(file):
            console.note(f"waiting for another channelsmin {why}")
            while not _locked(file):
                time.sleep(POLL_SECONDS)
        yield


def _locked(file: IO[bytes]) -> bool:
    """Lock an open file if nobody has, for as long as it stays open; return whether it is."""
    try:
        if sys.platform == "win32":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
