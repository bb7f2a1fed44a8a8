"""Let the signals that end a program end it cleanly: no server and no temporary folder stays.

Ctrl-C raises KeyboardInterrupt by itself. The others end a Python program on the spot, without its
`finally` blocks; `raised` makes exceptions of them. `postponed` protects the few steps between
which an exception would lose sight of a process.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

TERMINATING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
"""Signals that ask a program to end: `kill`, a closed terminal, and Ctrl-Break on Windows."""


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


@contextmanager
def raised() -> Iterator[None]:
    """Make SystemExit of the signals that ask this program to end, while the block runs.

    The status is 128 and the signal's number, as in a shell. A signal that is ignored, as under
    `nohup`, stays ignored. Outside the main thread, where Python allows no handlers, this does
    nothing.
    """
    before = {number: signal.getsignal(number) for number in TERMINATING}
    with _handlers({n: _leave for n, old in before.items() if old == signal.SIG_DFL}):
        yield


@contextmanager
def postponed() -> Iterator[None]:
    """Let Ctrl-C and the signals that ask this program to end wait until the block has ended.

    Then the first that came is raised again. Keep the block short: nothing interrupts it.
    """
    came: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *TERMINATING)}
    ignored = {signal.SIG_IGN, signal.SIG_DFL, None}
    with _handlers({n: remember for n, old in before.items() if old not in ignored}):
        yield
    if came:
        signal.raise_signal(came[0])


Handlers = dict[int, "signal._HANDLER"]


@contextmanager
def _handlers(handlers: Handlers) -> Iterator[None]:
    """Use these handlers while the block runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in handlers}
    try:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        yield
    finally:
        for number, handler in before.items():
            with suppress(ValueError):  # the interpreter is about to end
                signal.signal(number, handler)
