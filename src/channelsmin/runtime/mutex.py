"""A mutex between programs: of several commands at once, only one does what can't be shared."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from channelsmin import console


@contextmanager
def hold(path: Path, why: str) -> Iterator[None]:
    """Hold the mutex `path` while the block runs; wait for it if another program holds it.

    `why` completes a note to the person who waits: "waiting for another channelsmin ...". The
    system releases the mutex of a program that was killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mutex = FileLock(path)
    try:
        mutex.acquire(timeout=0)
    except Timeout:
        console.note(f"waiting for another channelsmin {why}")
        mutex.acquire()
    try:
        yield
    finally:
        mutex.release()
