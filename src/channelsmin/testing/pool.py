"""Run work in threads, so that Ctrl-C or an error ends all of it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def stoppable(at_once: int) -> Iterator[tuple[ThreadPoolExecutor, threading.Event]]:
    """Give a pool of `at_once` threads, and the event that tells its work to stop.

    If the block ends by an exception, the event is set and work that has not begun is dropped.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(at_once) as pool:
        try:
            yield pool, stop
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
