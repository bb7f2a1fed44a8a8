"""The bench: how it counts, and its members, played on the baseline."""

import asyncio
import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from benchmarks import latency
from benchmarks.latency import Record, Subject, ratios, running_baseline
from benchmarks.members import Delays, Member, Room
from benchmarks.project import BENCHMARKS, SOCKET, Snapshot
from benchmarks.summary import in_turn, percentiles
from channelsmin.errors import UserError
from channelsmin.runtime.processes import is_free
from harness.protocol import MOVED, NOT_YET

MEMBERS = 5


@pytest.fixture
def room() -> Iterator[Room]:
    with running_baseline() as (_, address):
        yield Room([Member("", address) for _ in range(MEMBERS)])


def test_percentiles_are_the_middle_and_what_99_in_100_do_not_exceed() -> None:
    assert percentiles([7.0]) == {"n": 1, "p50": 7.0, "p99": 7.0}
    assert percentiles([float(n) for n in range(101)]) == {"n": 101, "p50": 50.0, "p99": 99.0}


def test_each_subject_comes_first_in_turn() -> None:
    subjects = [Subject(name, Room([]), ()) for name in "abc"]
    order = ["".join(subject.name for subject in in_turn(subjects, turn)) for turn in range(4)]
    assert order == ["abc", "bca", "cab", "abc"]


def test_ratios_say_how_much_longer_the_last_member_waits() -> None:
    times = {"baseline": 2.0, "variant": 5.0, "live_page": 10.0}
    measured = {name: {"last": {"p50": time}} for name, time in times.items()}
    assert ratios(measured) == {
        "variant": {"baseline": 2.5, "live_page": 0.5},
        "live_page": {"baseline": 5.0, "variant": 2.0},
    }


def test_a_record_notes_the_first_the_middle_and_the_last_who_is_told() -> None:
    record = Record()
    record.add(Delays([1.0, 2.0, 9.0], lost=1))
    record.add(Delays([], lost=4))
    assert (record.first, record.median, record.last) == ([1.0], [2.0], [9.0])
    assert (record.clicks, record.lost) == (2, 5)


def test_the_processor_is_named_without_linuxs_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(latency, "CPUINFO", cpuinfo)
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert latency.processor() == platform.machine()
    cpuinfo.write_text("processor\t: 0\nmodel name\t: A fast one\n")
    assert latency.processor() == "A fast one"


def test_the_socket_of_each_kind_of_page_is_found() -> None:
    live = SOCKET.search('<script id="otree-live" data-socket-url="/live?a=1&amp;b=2"></script>')
    own = SOCKET.search("new WebSocket(location.origin.replace('http', 'ws') + '/channelsmin/x/');")
    assert live
    assert own
    assert (live[1], own[2]) == ("/live?a=1&amp;b=2", "/channelsmin/x/")


def test_members_connect_are_told_and_come_back(room: Room) -> None:
    async def play() -> Delays:
        await room.connect()
        delays = await room.click(1)
        room.members[0].leave()
        await room.connect()
        room.leave()
        return delays

    delays = asyncio.run(play())
    assert (len(delays.milliseconds), delays.lost) == (MEMBERS, 0)
    assert list(delays.milliseconds) == sorted(delays.milliseconds)
    assert room.attempts() == MEMBERS + 1
    assert room.members[1].received == [NOT_YET, MOVED]
    assert room.members[0].received == [NOT_YET, MOVED, NOT_YET]  # the baseline keeps no record
    # Each asks and is answered, once more who came back; one clicks; all are told.
    assert room.traffic().messages == 2 * (MEMBERS + 1) + 1 + MEMBERS


def test_a_socket_that_ends_does_not_hold_the_others_up() -> None:
    async def play(room: Room, baseline: psutil.Process) -> Delays:
        await room.connect()
        baseline.terminate()
        baseline.wait(5)
        await asyncio.sleep(0.05)
        return await asyncio.wait_for(room.click(0), 15)

    with running_baseline() as (pid, address):
        room = Room([Member("", address) for _ in range(MEMBERS)])
        baseline = psutil.Process(pid)
        delays = asyncio.run(play(room, baseline))
    assert (len(delays.milliseconds), delays.lost) == (0, MEMBERS)


def test_the_baseline_is_gone_after_its_block() -> None:
    with running_baseline() as (pid, address):
        port = int(address.rstrip("/").rsplit(":", 1)[1])
        assert not is_free(port)
    assert is_free(port)
    assert not psutil.pid_exists(pid)


def test_statements_are_counted_but_for_what_the_members_did_not_cause(tmp_path: Path) -> None:
    program = """
import sqlite3
database = sqlite3.connect(":memory:")
database.execute("CREATE TABLE t (a)")
database.execute("INSERT INTO t VALUES (1)")
database.commit()
database.execute("SELECT a FROM t")
database.execute("SELECT QUOTE(1)")
"""
    variables = {
        **os.environ,
        "PYTHONPATH": str(BENCHMARKS / "counting"),
        "CHANNELSMIN_STATEMENTS": str(tmp_path / "statements"),
    }
    subprocess.run([sys.executable, "-c", program], env=variables, check=True)
    counted = (tmp_path / "statements").read_text().split()
    assert counted == ["CREATE", "BEGIN", "INSERT", "COMMIT", "SELECT"]


def test_a_database_is_put_back_while_others_have_it_open(tmp_path: Path) -> None:
    file = tmp_path / "db.sqlite3"
    with closing(sqlite3.connect(file, isolation_level=None)) as server:
        server.execute("CREATE TABLE moved (by)")
        snapshot = Snapshot(file)
        server.execute("INSERT INTO moved VALUES (1)")
        snapshot.restore()
        assert server.execute("SELECT * FROM moved").fetchall() == []
        server.execute("INSERT INTO moved VALUES (2)")
        assert server.execute("SELECT * FROM moved").fetchall() == [(2,)]


def test_a_baseline_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.latency.ROOT", Path("/"))
    with pytest.raises(UserError, match="baseline"), running_baseline():
        pass
