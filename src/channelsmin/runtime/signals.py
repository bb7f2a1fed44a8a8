"""Let the signals that end a program end it cleanly: no server and no temporary folder stays.

Ctrl-C raises KeyboardInterrupt by itself. The others end a Python program on the spot, without its
`finally` blocks; `raised` makes exceptions of them, and sees that none is lost. `postponed`
protects the few steps between which an exception would lose sight of a process.
"""

import _thread
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


AGAIN_SECONDS = 0.05
"""After so long a signal comes again whose exception was lost."""


class _Ended(SystemExit):
    """A signal asks this program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


def _leave(number: int, frame: FrameType | None) -> None:
    raise _Ended(number)


@contextmanager
def raised() -> Iterator[None]:
    """Make SystemExit of the signals that ask this program to end, while the block runs.

    The status is 128 and the signal's number, as in a shell. A signal that is ignored, as under
    `nohup`, stays ignored. Outside the main thread, where Python allows no handlers, this does
    nothing.

    Python only prints what is raised in a `__del__` or in the callback of a weak reference, as an
    import has many (https://docs.python.org/3/library/sys.html#sys.unraisablehook): a signal that
    came just then comes again. So does Ctrl-C.
    """
    before = {number: signal.getsignal(number) for number in TERMINATING}
    with (
        _handlers({n: _leave for n, old in before.items() if old == signal.SIG_DFL}),
        _none_lost(),
    ):
        yield


@contextmanager
def _none_lost() -> Iterator[None]:
    before, timers = sys.unraisablehook, list[threading.Timer]()

    def hook(lost: "sys.UnraisableHookArgs", /) -> None:
        error = lost.exc_value
        if not isinstance(error, (KeyboardInterrupt, _Ended)):
            before(lost)
            return
        number = error.number if isinstance(error, _Ended) else int(signal.SIGINT)
        # Not at once: what is raised in here is only printed, too.
        timers.append(threading.Timer(AGAIN_SECONDS, _thread.interrupt_main, [number]))
        timers[-1].start()

    sys.unraisablehook = hook
    try:
        yield
        for timer in timers:
            timer.join()
    finally:
        sys.unraisablehook = before


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
