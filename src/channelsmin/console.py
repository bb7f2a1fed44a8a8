"""The one place that prints: results, notes on what happens, and the progress of long work.

`say` prints what the command is for. `note`, `step` and `progress` tell what is going on; they are
silent in `quiet` mode. On a terminal, steps and bars are drawn with Rich, which respects
`NO_COLOR`; elsewhere a step is one line, and a bar is not drawn.
"""

import io
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)


@contextmanager
def quiet(is_quiet: bool = True) -> Iterator[None]:
    """Print results only, while the block runs."""
    token = _QUIET.set(is_quiet)
    try:
        yield
    finally:
        _QUIET.reset(token)


def open_streams() -> None:
    """Make the standard streams fit for use, however the program was started.

    A closed one becomes an empty one. What a terminal or a pipe has no letters for is printed as
    an escape sequence, such as `\\u2192`.
    """
    sys.stdin = sys.stdin or io.StringIO()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Let what is still to be printed disappear: there is nowhere to print it to."""
    with suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)


def say(line: str = "") -> None:
    """Print a line of the command's result.

    Raises OSError, which names the output, where it can't be written, as on a full disk.
    """
    try:
        print(line, flush=True)  # noqa: T201
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def typed(*words: str | Path) -> str:
    """Return a command as it is typed into this system's shell: cmd on Windows, else a POSIX one.

    PowerShell takes what cmd takes here, too.
    """
    texts = [str(word) for word in words]
    return subprocess.list2cmdline(texts) if sys.platform == "win32" else shlex.join(texts)


def python() -> Sequence[str]:
    """Return how a Python 3 is started by name: on Windows, `python3` may open the Store."""
    if sys.platform == "win32":
        return ("py",) if shutil.which("py") else ("python",)
    return ("python3",)


def note(line: str) -> None:
    """Print a line on what happens."""
    if not _QUIET.get():
        say(line)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show one step of long work: on a terminal with a spinner, and then how long it took."""
    if _QUIET.get():
        yield
        return
    if not sys.stdout.isatty():
        say(f"{title} ...")
        yield
        return
    from rich.console import Console  # not at the top: `pick` has no use for it

    start = time.monotonic()
    with Console().status(title):
        yield
    say(f"{title}: done in {time.monotonic() - start:.0f} s")


class Bar(Protocol):
    """A progress bar, or nothing."""

    def advance(self) -> None:
        """Count one part as finished."""

    def say(self, line: str) -> None:
        """Print a line of the command's result above the bar."""


class _NoBar:
    def advance(self) -> None:
        """There is nothing to draw."""

    def say(self, line: str) -> None:
        say(line)


@contextmanager
def progress(title: str, total: int) -> Iterator[Bar]:
    """Show how many of `total` parts are finished, and how long the rest will take."""
    if _QUIET.get() or not sys.stdout.isatty():
        yield _NoBar()
        return
    from rich import progress as rich_progress

    columns = (
        "{task.description}",
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeElapsedColumn(),
        "elapsed,",
        rich_progress.TimeRemainingColumn(elapsed_when_finished=True),
        "left",
    )
    with rich_progress.Progress(*columns) as drawn:
        task = drawn.add_task(title, total=total)

        class _RichBar:
            def advance(self) -> None:
                drawn.advance(task)

            def say(self, line: str) -> None:
                drawn.console.print(line, highlight=False, markup=False)

        yield _RichBar()


class Tasks(Protocol):
    """Long tasks that run at the same time, each with its own progress."""

    def start(self, name: str) -> None:
        """A task begins."""

    def update(self, name: str, percent: int, what: str) -> None:
        """A task has come so far, and is at this part of it."""

    def end(self, name: str, line: str) -> None:
        """A task has ended; print this line about it."""


class _PlainTasks:
    """Tasks without a terminal: a line at the beginning and at the end of each."""

    def start(self, name: str) -> None:
        """Name it."""
        note(f"{name} ...")

    def update(self, name: str, percent: int, what: str) -> None:
        """Print nothing."""

    def end(self, name: str, line: str) -> None:
        """Print the line."""
        say(line)


@contextmanager
def tasks() -> Iterator[Tasks]:
    """Show the progress of tasks: on a terminal a bar for each that is running."""
    if _QUIET.get() or not sys.stdout.isatty():
        yield _PlainTasks()
        return
    from rich import progress as rich_progress

    columns = (
        "{task.description}",
        rich_progress.BarColumn(),
        rich_progress.TaskProgressColumn(),
        rich_progress.TimeElapsedColumn(),
        "{task.fields[what]}",
    )
    with rich_progress.Progress(*columns) as drawn:
        running: dict[str, rich_progress.TaskID] = {}

        class _RichTasks:
            def start(self, name: str) -> None:
                running[name] = drawn.add_task(name, total=100, what="")

            def update(self, name: str, percent: int, what: str) -> None:
                drawn.update(running[name], completed=percent, what=what)

            def end(self, name: str, line: str) -> None:
                drawn.remove_task(running.pop(name))
                drawn.console.print(line, highlight=False, markup=False)

        yield _RichTasks()
