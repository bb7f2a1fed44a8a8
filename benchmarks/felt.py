"""Measure what members feel: from the click until each has the next page's document.

Three designs are compared, each with the requests that it really makes when the news arrives.
They take turns, click by click, so that other load on the machine affects all of them alike.
"""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from benchmarks.members import NEWS, Member, Room
from benchmarks.project import LIVE_PAGE, ORIGINAL, PATIENCE, VARIANT, Project, Snapshot
from benchmarks.summary import in_turn, percentiles, progress
from channelsmin.runtime import browser
from harness.protocol import click

ARRIVED = re.compile(r"Member \d+ of your group")
"""What the next page says, in all designs."""

HIDDEN = re.compile(r"""<input type='hidden' name='(csrfmiddlewaretoken)' value='(\w+)'""")
"""The hidden field in Django's forms, without which it refuses them."""

PAUSE = 1.0
"""Seconds after which a person loads an error page again; the variant's page asks again itself."""

ALONE = 10
"""The greatest number of members who go on one after the other, to measure the floor."""

SIZES = (3, 12, 30, 100)
IN_TABS = (3, 12)
"""The sizes of groups: of simulated members, and in real tabs of Chromium."""


@dataclass
class Record:
    """The measurements of one design with one size of group; times are in ms after the click."""

    first: list[float] = field(default_factory=list)
    median: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    arrivals: int = 0
    lost: int = 0
    error_pages: int = 0
    """Errors that a person sees in place of the next page."""

    retries: int = 0
    """Errors that the page gets over by itself."""

    def add(self, seconds: Sequence[float]) -> None:
        """Add a click: when each member arrived."""
        times = sorted(1000 * second for second in seconds)
        self.arrivals += len(times)
        if times:
            self.first.append(times[0])
            self.median.append(median(times))
            self.last.append(times[-1])

    def summary(self) -> dict[str, Any]:
        """Return the summary that is written to the results."""
        times = {name: percentiles(getattr(self, name)) for name in ("first", "median", "last")}
        counts = ("arrivals", "lost", "error_pages", "retries")
        return {**times, **{name: getattr(self, name) for name in counts}}


Ask = Callable[[httpx.AsyncClient, str, Mapping[str, str]], Awaitable[httpx.Response]]
"""Takes the address of a page, and the hidden fields of its form."""


async def _get(client: httpx.AsyncClient, page: str, form: Mapping[str, str]) -> httpx.Response:
    return await client.get(page)


async def _submit(client: httpx.AsyncClient, page: str, form: Mapping[str, str]) -> httpx.Response:
    return await client.post(page, data=form)


@dataclass(frozen=True)
class Design:
    """How a page goes on when the news arrives; all of them follow the server's redirect."""

    app: str
    ask: Ask
    tries_again_by_itself: bool


DESIGNS = {
    "variant": Design(VARIANT, _get, tries_again_by_itself=True),
    "original": Design(ORIGINAL, _submit, tries_again_by_itself=False),
    "live_page": Design(LIVE_PAGE, _get, tries_again_by_itself=False),
}
"""`variant` gets its own address with fetch, `original` submits its form, `live_page` reloads."""


async def _arrive(
    client: httpx.AsyncClient,
    member: Member,
    notified: "asyncio.Future[float]",
    form: Mapping[str, str],
    design: Design,
    record: Record,
) -> float | None:
    """Go on as the page does; return when the next page was there, or None if it never was."""
    ask = design.ask
    try:
        async with asyncio.timeout(PATIENCE):
            await notified
            while not ARRIVED.search((await ask(client, member.page, form)).text):
                if design.tries_again_by_itself:
                    record.retries += 1
                    await asyncio.sleep(PAUSE * (0.5 + random.random()))
                else:
                    record.error_pages += 1
                    await asyncio.sleep(PAUSE)
                    ask = _get
    except (OSError, TimeoutError, httpx.TransportError):
        return None
    finally:
        member.leave()
    return time.perf_counter()


def _client() -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(timeout=PATIENCE, limits=limits, follow_redirects=True)


async def _click(room: Room, place: int, design: Design, record: Record) -> None:
    """Let one member click, and all go on."""
    await room.connect()
    notified = [member.listen_for(NEWS) for member in room.members]
    async with _client() as client:
        # The cookie that belongs to this field comes along; both are good for all pages.
        form = dict(HIDDEN.findall((await client.get(room.members[place].page)).text))
        start = time.perf_counter()
        room.members[place].send(click())
        arrived = await asyncio.gather(
            *(
                _arrive(client, member, notification, form, design, record)
                for member, notification in zip(room.members, notified, strict=True)
            )
        )
    there = [moment - start for moment in arrived if moment]
    record.lost += len(room.members) - len(there)
    record.add(there)


async def _alone(room: Room) -> list[float]:
    """Let members go on one after the other; return how long each takes, in ms.

    Two requests each: for MyPage, which redirects, and for Results.
    """
    await room.connect()
    await room.click(0)
    room.leave()
    seconds = []
    async with _client() as client:
        for member in room.members[:ALONE]:
            start = time.perf_counter()
            answer = await client.get(member.page)
            seconds.append(1000 * (time.perf_counter() - start))
            assert ARRIVED.search(answer.text), answer.text
    return seconds


def designs(project: Project) -> dict[str, Design]:
    """Return the designs that this project has."""
    return {name: design for name, design in DESIGNS.items() if design.app in project.apps}


def take(project: Project, sizes: Sequence[int], clicks: int) -> dict[str, Any]:
    """Measure each size of group, on a running server, with simulated members."""
    measured = {}
    for size in sizes:
        rooms = {name: project.new_room(d.app, size) for name, d in designs(project).items()}
        snapshot = Snapshot(project.database)
        records = {name: Record() for name in rooms}
        alone: list[float] = []
        for turn in range(clicks):
            for name in in_turn([*rooms], turn):
                snapshot.restore()
                room = rooms[name]
                asyncio.run(_click(room, turn % size, DESIGNS[name], records[name]))
            if turn % 4 == 0:
                snapshot.restore()
                alone += asyncio.run(_alone(rooms["variant"]))
            progress(f"{size} members, click {turn + 1} of {clicks}", turn + 1 == clicks)
        measured[str(size)] = {
            "floor": round(size * median(alone), 1),
            **{name: record.summary() for name, record in records.items()},
        }
        progress(_line(measured[str(size)]), True)
    return measured


def _line(measured: dict[str, Any]) -> str:
    last = {n: m["last"]["p50"] for n, m in measured.items() if isinstance(m, dict)}
    errors = {n: (m["error_pages"], m["retries"]) for n, m in measured.items() if n in last}
    return f"floor {measured.get('floor')}, last {last}, errors {errors}"


NOTE_SOCKETS = """
sessionStorage.clear();  // the database forgets the click, too
const Socket = window.WebSocket;
window.WebSocket = function (address, protocols) {
    const socket = protocols ? new Socket(address, protocols) : new Socket(address);
    if (/channelsmin|original|live/.test(address))
        socket.addEventListener(
            /live/.test(address) ? 'open' : 'message', () => { window.isConnected = true; });
    return socket;
};
Object.assign(window.WebSocket, {CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3});
addEventListener('DOMContentLoaded', () => {
    if (document.body.innerText.includes('of your group clicked')) arrived();
});
"""
"""Notes when the page's own socket belongs to the group, and tells when the next page is there.

A live page's socket does when it opens, another one when its first question is answered.
"""


CLICK = "void setTimeout(() => document.querySelector('button').click())"


@dataclass
class Tabs:
    """A group in real tabs of Chromium."""

    pages: Sequence[Page]
    addresses: Sequence[str]
    arrived: dict[Page, float]

    def click(self, place: int) -> list[float]:
        """Open MyPage in all tabs, click in one; return the seconds until each has arrived."""
        for page, address in zip(self.pages, self.addresses, strict=True):
            page.goto(address)
            page.wait_for_function("window.isConnected")
        self.arrived.clear()
        start = time.perf_counter()
        self.pages[place].evaluate(CLICK)
        while len(self.arrived) < len(self.pages) and time.perf_counter() < start + PATIENCE:
            self.pages[0].wait_for_timeout(5)
        return [moment - start for moment in self.arrived.values()]


def _open_tabs(context: BrowserContext, room: Room) -> Tabs:
    arrived: dict[Page, float] = {}
    context.expose_binding(
        "arrived", lambda source: arrived.setdefault(source["page"], time.perf_counter())
    )
    context.add_init_script(NOTE_SOCKETS)
    addresses = [member.page for member in room.members]
    return Tabs([context.new_page() for _ in addresses], addresses, arrived)


def take_in_tabs(project: Project, sizes: Sequence[int], clicks: int) -> dict[str, Any]:
    """Measure each size of group, on a running server, in real tabs of Chromium."""
    with sync_playwright() as playwright:
        chromium = browser.launch(playwright)
        measured = {str(size): _size_in_tabs(project, chromium, size, clicks) for size in sizes}
        chromium.close()
    return measured


def _size_in_tabs(project: Project, chromium: Browser, size: int, clicks: int) -> dict[str, Any]:
    rooms = {name: project.new_room(d.app, size) for name, d in designs(project).items()}
    snapshot = Snapshot(project.database)
    records = {name: Record() for name in rooms}
    tabs = {name: _open_tabs(chromium.new_context(), room) for name, room in rooms.items()}
    for turn in range(clicks):
        for name in in_turn([*rooms], turn):
            snapshot.restore()
            there = tabs[name].click(turn % size)
            records[name].lost += size - len(there)
            records[name].add(there)
        progress(f"{size} tabs, click {turn + 1} of {clicks}", turn + 1 == clicks)
    for group in tabs.values():
        group.pages[0].context.close()
    measured = {name: record.summary() for name, record in records.items()}
    progress(_line(measured), True)
    return measured
