"""Measure one release, compared with the baseline and a live page: `python3 run.py bench`.

The subjects that are compared run at the same time and take turns, click by click, so that other
load on the machine affects all of them alike.
"""

import asyncio
import datetime
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.members import LOST, NEWS, Delays, Member, Room, Traffic
from benchmarks.project import BENCHMARKS, LIVE_PAGE, VARIANT, Project, Snapshot, build
from benchmarks.summary import in_turn, percentiles, progress
from channelsmin.paths import ROOT
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import Export
from channelsmin.runtime.processes import free_port, listening
from harness.process_stats import ProcessStats, process_tree
from harness.protocol import click

BASELINE = "baseline"
NAMES = {VARIANT: "variant", LIVE_PAGE: "live_page"}
"""The names of the apps in the results."""

CONNECTS = 5
"""How often all members connect at once."""

LATE = 10
"""The greatest number of members who connect late."""

SETTLE = 0.02
"""Seconds after the last notification in which the server's work is still counted."""

ENOUGH = 10
"""After so many clicks with losses a subject gets no more clicks, since each takes LOST."""

QUIET = 0.5
"""Seconds without a new statement after which the server counts as idle."""


@dataclass(frozen=True)
class Load:
    """The size of a group, and the number of clicks."""

    members: int
    clicks: int


LOADS = (Load(3, 200), Load(30, 200), Load(100, 200), Load(300, 1000))


@dataclass(frozen=True)
class Subject:
    """A subject: a group of simulated members, and the processes that serve it."""

    name: str
    room: Room
    processes: Sequence[psutil.Process]

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of the subject's processes so far."""
        times = [process.cpu_times() for process in self.processes]
        return sum(time.user + time.system for time in times)


@dataclass
class Record:
    """The measurements of one subject under one load; times are in ms."""

    first: list[float] = field(default_factory=list)
    median: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    connect: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    clicks: int = 0
    lost: int = 0
    reconnections: int = 0
    """How often a member had to connect again, since the server had closed the socket."""

    losses: int = 0
    """The number of clicks of which a member was not notified."""

    unanswered: int = 0
    twice: int = 0
    late_messages: int = 0
    cpu_seconds: float = 0

    def add(self, delays: Delays) -> None:
        """Add a click."""
        self.clicks += 1
        self.lost += delays.lost
        self.losses += delays.lost > 0
        if times := delays.milliseconds:
            self.first.append(times[0])
            self.median.append(times[len(times) // 2])
            self.last.append(times[-1])

    def summary(self) -> dict[str, Any]:
        """Return the summary that is written to the results."""
        times = ("first", "median", "last", "connect", "late")
        return {
            "clicks": self.clicks,
            **{name: percentiles(getattr(self, name)) for name in times if getattr(self, name)},
            "lost": self.lost,
            "unanswered": self.unanswered,
            "twice": self.twice,
            "connected_anew": self.reconnections,
            "messages_per_late_joiner": self.late_messages / max(1, len(self.late)),
            "cpu_seconds_per_1000_clicks": round(1000 * self.cpu_seconds / self.clicks, 2),
        }


async def connect_all(subjects: Sequence[Subject], records: Mapping[str, Record]) -> None:
    """Let all members connect together, several times; the last time they stay connected."""
    for turn in range(CONNECTS):
        for subject in in_turn(subjects, turn):
            if turn:
                subject.room.leave()
                await asyncio.sleep(SETTLE)
            records[subject.name].connect.append(1000 * await subject.room.connect())


async def click_all(
    subjects: Sequence[Subject], records: Mapping[str, Record], clicks: int, snapshot: Snapshot
) -> None:
    """Let the members of a fresh group click in turn, and record when all are notified."""
    for turn in range(clicks):
        for subject in in_turn(subjects, turn):
            record, room = records[subject.name], subject.room
            if record.losses == ENOUGH:
                continue
            snapshot.restore()
            await room.connect()
            received = sum(len(member.received) for member in room.members)
            before = subject.cpu_seconds()
            delays = await room.click(turn % len(room.members))
            await asyncio.sleep(SETTLE)
            record.cpu_seconds += subject.cpu_seconds() - before
            room.tidy()
            record.add(delays)
            received = sum(len(member.received) for member in room.members) - received
            record.twice += max(0, received - len(delays.milliseconds))
        progress(f"click {turn + 1} of {clicks}", turn + 1 == clicks)


async def come_late(
    subjects: Sequence[Subject], records: Mapping[str, Record], snapshot: Snapshot
) -> None:
    """Let members connect after the click, one after the other, and count the messages."""
    snapshot.restore()
    for subject in subjects:
        record, room = records[subject.name], subject.room
        await room.connect()
        await room.click(0)
        for member in room.members[:LATE]:
            member.leave()
            await asyncio.sleep(SETTLE)
            received = sum(len(other.received) for other in room.members)
            start = time.perf_counter()
            await member.connect()
            record.late.append(1000 * (time.perf_counter() - start))
            await asyncio.sleep(SETTLE)
            room.tidy()
            record.late_messages += sum(len(other.received) for other in room.members) - received


async def play(subjects: Sequence[Subject], load: Load, snapshot: Snapshot) -> dict[str, Any]:
    """Measure these subjects under this load."""
    records = {subject.name: Record() for subject in subjects}
    await connect_all(subjects, records)
    await click_all(subjects, records, load.clicks, snapshot)
    for subject in subjects:
        attempts, wanted = subject.room.attempts(), CONNECTS * load.members
        records[subject.name].reconnections = attempts - wanted
        records[subject.name].unanswered = subject.room.unanswered()
    await come_late(subjects, records, snapshot)
    for subject in subjects:
        subject.room.leave()
    return {name: record.summary() for name, record in records.items()}


@contextmanager
def running_baseline() -> Iterator[tuple[int, str]]:
    """Run the baseline server; yield the id of its process and its address."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.baseline", str(port)]
    with listening(command, port, cwd=ROOT) as process:
        yield process.pid, f"ws://127.0.0.1:{port}/"


def take_times(project: Project, loads: Sequence[Load], live_page_up_to: int) -> dict[str, Any]:
    """Measure the times under each load; the live page only up to so many members."""
    times = {}
    with project.server, running_baseline() as (baseline, address):
        for load in loads:
            progress(f"{load.members} members come", True)
            subjects = [
                Subject(
                    BASELINE,
                    Room([Member("", address) for _ in range(load.members)]),
                    process_tree(baseline),
                )
            ]
            for app in filter(NAMES.__contains__, project.apps):
                if app == LIVE_PAGE and load.members > live_page_up_to:
                    continue
                room = project.new_room(app, load.members)
                subjects.append(Subject(NAMES[app], room, process_tree(project.server.pid)))
            snapshot = Snapshot(project.database)
            measured = asyncio.run(play(subjects, load, snapshot))
            times[str(load.members)] = {**measured, "ratios": ratios(measured)}
            progress(f"{load.members} members: {times[str(load.members)]['ratios']}", True)
    return times


def ratios(measured: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return how long the last notification takes (p50), as multiples of each other subject's."""
    last = {name: summary["last"]["p50"] for name, summary in measured.items() if "last" in summary}
    return {
        name: {
            other: round(own / base, 2)
            for other, base in last.items()
            if other != name and name != BASELINE
        }
        for name, own in last.items()
        if name != BASELINE
    }


@dataclass(frozen=True)
class Meter:
    """Counts the statements of a server's database and the traffic of a group's sockets."""

    statements: Path
    room: Room

    async def read(self) -> tuple[Counter[str], Traffic]:
        """Wait until the server is idle, and return the counts so far."""
        size = -1
        while size != (size := self.statements.stat().st_size):
            await asyncio.sleep(QUIET)
        return Counter(self.statements.read_text().split()), self.room.traffic()


async def count(meter: Meter, pid: int) -> dict[str, Any]:
    """Count the cost of connecting, of the first click, of a later one and of a late joiner."""
    members = meter.room.members
    counted: dict[str, Any] = {}
    before, memory = await meter.read(), ProcessStats.of(pid).megabytes

    async def count_for(step: str, shared_by: int = 1) -> None:
        nonlocal before
        after = await meter.read()
        statements, traffic = after[0] - before[0], after[1] - before[1]
        counted[step] = {
            "statements": {word: round(n / shared_by, 2) for word, n in statements.items()},
            "messages": round(traffic.messages / shared_by, 2),
            "bytes": round(traffic.octets / shared_by),
        }
        before = after

    await meter.room.connect()
    await count_for("connection", len(members))
    grown = ProcessStats.of(pid).megabytes - memory
    counted["kilobytes_per_idle_connection"] = round(1000 * grown / len(members), 1)
    await meter.room.click(0)
    await count_for("first_click")
    answered = members[1].listen_for(NEWS)
    members[1].send(click())
    await asyncio.wait([answered], timeout=LOST)
    await asyncio.sleep(SETTLE)
    await count_for("later_click")
    members[2].leave()
    before = await meter.read()
    await members[2].connect()
    await count_for("late_joiner")
    return counted


def take_counts(
    export: Export, environment: Environment, apps: Sequence[str], members: int
) -> dict[str, Any]:
    """Count for each subject, each on a fresh server of its own."""
    counts: dict[str, Any] = {}
    for app in filter(NAMES.__contains__, apps):
        progress(f"counting for {NAMES[app]}", True)
        with tempfile.TemporaryDirectory(prefix="channelsmin-") as folder:
            statements = Path(folder, "statements")
            extra = {
                "PYTHONPATH": str(BENCHMARKS / "counting"),
                "CHANNELSMIN_STATEMENTS": str(statements),
            }
            project = build(export, environment, Path(folder), extra)
            with project.server:
                meter = Meter(statements, project.new_room(app, members))
                counts[NAMES[app]] = asyncio.run(count(meter, project.server.pid))
    with running_baseline() as (pid, address), tempfile.NamedTemporaryFile() as nothing:
        room = Room([Member("", address) for _ in range(members)])
        counts[BASELINE] = asyncio.run(count(Meter(Path(nothing.name), room), pid))
    return counts


CPUINFO = Path("/proc/cpuinfo")
"""Where Linux names the processor; no other system has it."""


def processor() -> str:
    """Return the name of this machine's processor, or else its kind."""
    told = CPUINFO.read_text(encoding="utf-8") if CPUINFO.exists() else ""
    names = re.findall(r"model name\s*: (.*)", told)
    return names[0] if names else platform.processor() or platform.machine()


def circumstances(environment: Environment, project: Project) -> dict[str, Any]:
    """Return the circumstances of the measurement: versions and machine."""
    python = [str(environment.python), "--version"]
    answer = subprocess.run(python, capture_output=True, text=True, check=True)
    return {
        "date": datetime.date.today().isoformat(),
        "versions": {
            "python": answer.stdout.split()[1],
            "python of bench and baseline": platform.python_version(),
            "websockets": version("websockets"),
        },
        "server": project.server.command,
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "cores": os.cpu_count(),
        },
    }
