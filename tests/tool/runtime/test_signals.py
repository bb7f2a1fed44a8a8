"""Signals: whenever they come, no server is left and nothing is cut short."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from channelsmin.runtime import processes, signals
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.processes import Process, free_port
from channelsmin.runtime.server import Server, run_otree

if sys.platform == "win32":
    pytest.skip("these are signals of POSIX", allow_module_level=True)

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture(autouse=True)
def _as_on_a_terminal() -> Iterator[None]:
    """Undo what a background job or nohup has set: there, some signals are ignored."""
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGHUP, hang_up)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of all that is started; Ctrl-C is pressed in the moment in which it starts."""
    pids: list[int] = []

    class Interrupted(Process):
        def __init__(self, command: object, **options: object) -> None:
            super().__init__(SLEEP, **options)  # type: ignore[arg-type]
            pids.append(self.pid)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(processes, "Process", Interrupted)
    return pids


def lives(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_ctrl_c_in_the_moment_of_its_start_ends_a_server(
    started: list[int], tmp_path: Path
) -> None:
    server = Server(Environment(tmp_path), tmp_path, "devserver", free_port(), tmp_path / "log")
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert started
    assert not lives(started[0])


def test_ctrl_c_in_the_moment_of_its_start_ends_a_command(
    started: list[int], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_otree(Environment(tmp_path), tmp_path, "resetdb")
    with (
        pytest.raises(KeyboardInterrupt),
        processes.listening(SLEEP, free_port()),
    ):
        pytest.fail("it does not listen")
    assert len(started) == 2
    assert not any(map(lives, started))


class Left:
    """Something whose end, as by the garbage collector, a signal falls into."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


def leave_something(number: int) -> None:
    with signals.raised():
        left = Left(number)
        del left


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGINT, KeyboardInterrupt()), (signal.SIGTERM, SystemExit(143))],
)
def test_a_signal_at_which_python_can_raise_nothing_comes_again(
    number: signal.Signals, raised: BaseException
) -> None:
    with pytest.raises(type(raised), check=lambda error: error.args == raised.args):
        leave_something(number)


def test_other_exceptions_that_python_can_not_raise_are_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Faulty:
        def __del__(self) -> None:
            raise ValueError("a fault")

    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    with signals.raised():
        faulty = Faulty()
        del faulty
    assert "ValueError: a fault" in capsys.readouterr().err


def test_a_second_ctrl_c_does_not_cut_the_end_short(monkeypatch: pytest.MonkeyPatch) -> None:
    process = processes.start(SLEEP, output=subprocess.DEVNULL)
    real = processes.signal_group

    def impatient(group: int, number: int) -> None:
        signal.raise_signal(signal.SIGINT)
        real(group, number)

    monkeypatch.setattr(processes, "signal_group", impatient)
    with pytest.raises(KeyboardInterrupt):
        processes.end(process)
    assert process.returncode is not None


@pytest.mark.parametrize("number", signals.TERMINATING)
def test_a_signal_to_end_becomes_an_exit_status(number: int) -> None:
    with pytest.raises(SystemExit) as ended, signals.raised():
        signal.raise_signal(number)
    assert ended.value.code == 128 + number


def test_the_handlers_are_as_before_afterwards() -> None:
    before = {number: signal.getsignal(number) for number in signals.TERMINATING}
    with signals.raised(), signals.postponed():
        pass
    assert {number: signal.getsignal(number) for number in signals.TERMINATING} == before


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.raised(), signals.postponed():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
