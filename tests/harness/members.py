"""Sessions and their members: in a browser, or with HTTP or a raw WebSocket alone."""

import re
import struct
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from socket import SHUT_RD, SO_LINGER, SOL_SOCKET
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from playwright.sync_api import BrowserContext, Error, Page, WebSocket, WebSocketRoute
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from harness.protocol import parse

START_LINKS = re.compile(r"/SessionStartLinks/")
ON_MY_PAGE = re.compile(r"/MyPage/")
ON_RESULTS = re.compile(r"/Results/")
MOVED_BY = re.compile(r"Member (\d+) of your group|anybody")

NOBODY = 0
"""In place of the member who moved the group: this participant was taken on without a click."""

RESULTS_LINE = """() => {
    const line = document.querySelector('#moved-by');
    return location.pathname.includes('/Results/') && line && line.innerText;
}"""

HURRIED = """
    const inRealTime = window.setTimeout;
    window.setTimeout = (run, wait, ...more) => inRealTime(run, wait / 4, ...more);
"""
"""Lets a page wait for a quarter of the time, where a test is not about how long that is."""

POLL = 20
"""Milliseconds between two looks at a page."""

TRIES = 3
"""How often a tab is told to leave a page that is navigating."""

HTTP = httpx.Client(
    verify=False,  # there is no TLS here, and reading all certificates takes long
    follow_redirects=True,
    timeout=30,
    limits=httpx.Limits(max_keepalive_connections=0),  # or a server that stops would wait for it
)
"""Sends the requests of the members without a browser."""


TEXTS = """() => {
    // On some betas of 6.0.0 "Powered by oTree" is inside the content.
    const IGNORED = 'script, noscript, .otree-btn-next, .powered-by-otree';
    // oTree 6 adds debugging information to the title, in brackets; 6.0.6 without some of them.
    const texts = [document.title.replace(/\\[.*?\\]|^\\w{4}\\/P\\d+ /g, '').trim()];
    const content = document.querySelector('.otree-content, ._otree-content');
    const walker = document.createTreeWalker(content, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        if (!walker.currentNode.parentElement.closest(IGNORED))
            texts.push(walker.currentNode.textContent.trim());
    }
    return texts.filter(text => text);
}"""


def named_in(shown: str) -> int:
    """Return the member whom this text of Results names, or NOBODY."""
    named = MOVED_BY.search(shown)
    assert named, shown
    return int(named[1] or NOBODY)


def page_number(path: str) -> int:
    """Return a page's number in the session, with which the path of its address ends."""
    return int(path.rstrip("/").rsplit("/", 1)[1])


def _go(page: Page, address: str) -> str:
    """Open a page, and return the address of the first one that is shown."""
    answer = page.goto(address)
    assert answer, address
    assert answer.ok, f"{answer.url}: {answer.status} {answer.text()}"
    return answer.url


@dataclass(frozen=True)
class Session:
    """A session, or a group of one: its code, and its participants' start links."""

    url: str
    code: str
    links: Sequence[str]
    number: int = 1
    """Of the group in its session, from 1, as oTree counts."""

    @classmethod
    def create(cls, admin: Page, url: str, config: str) -> "Session":
        """Make a demo session of the named config."""
        return cls._from_start_links(admin, url, f"{url}/demo/{config}/")

    @classmethod
    def find(cls, admin: Page, url: str, code: str) -> "Session":
        """Return the session that has this code."""
        return cls._from_start_links(admin, url, f"{url}/SessionStartLinks/{code}")

    @classmethod
    def _from_start_links(cls, admin: Page, url: str, address: str) -> "Session":
        _go(admin, address)
        try:
            admin.wait_for_url(START_LINKS, timeout=10_000)
        except Error:
            # oTree 6.0.15, when busy, may never announce that the session is ready: try again.
            _go(admin, address)
            admin.wait_for_url(START_LINKS)
        links = re.findall(r"/InitializeParticipant/\w+", admin.content())
        code = urlsplit(admin.url).path.split("/")[2]
        return cls(url, code, list(dict.fromkeys(links)))

    @property
    def codes(self) -> list[str]:
        """The participants' codes, in the order of their places in the session."""
        return [link.rsplit("/", 1)[1] for link in self.links]

    def group(self, number: int, size: int = 3) -> "Session":
        """Return one of its groups, counted from 1."""
        links = self.links[(number - 1) * size : number * size]
        return replace(self, links=links, number=number)

    def through(self, url: str) -> "Session":
        """Return the same session, as it is reached at another address of its server."""
        return replace(self, url=url)


class Network:
    """The network between a browser context and the server, which can fail."""

    def __init__(self, context: BrowserContext) -> None:
        """Route the sockets of all pages that `context` will open; without a fault at first."""
        self.context = context
        self.is_cut = False
        self.loses_messages = False
        self._routes: list[WebSocketRoute] = []
        context.route_web_socket(re.compile(".*"), self._connect)

    def _connect(self, route: WebSocketRoute) -> None:
        if self.is_cut:
            route.close()
            return
        server = route.connect_to_server()
        route.on_message(lambda message: None if self.loses_messages else server.send(message))
        server.on_message(lambda message: None if self.loses_messages else route.send(message))
        self._routes.append(route)

    def cut(self) -> None:
        """Cut all connections and block new ones."""
        self.context.set_offline(True)
        self.cut_sockets()

    def cut_sockets(self) -> None:
        """Cut all WebSockets and block new ones, as some proxies do."""
        self.is_cut = True
        for route in self._routes:
            with suppress(Exception):  # closed before
                route.close()
        self._routes.clear()

    def restore(self) -> None:
        """Let new connections through again."""
        self.is_cut = False
        self.loses_messages = False
        self.context.set_offline(False)


class Tabs:
    """Tabs of one browser context, which tests use one after the other.

    Opening a page in them is cheap: the tab is there, and the static files are in its cache.
    """

    def __init__(self, context: BrowserContext) -> None:
        """Begin without a tab."""
        self.context = context
        self._idle: list[Page] = []

    def new_page(self) -> Page:
        """Return a tab that no test uses."""
        return self._idle.pop() if self._idle else self.context.new_page()

    def take_back(self, tab: Page) -> None:
        """Keep the tab for the next test, and leave MyPage, which would go on asking the server.

        It is not closed: Chromium loses the command to close a tab that is just navigating, and
        Playwright then waits for ever. This is so until Chromium has fixed
        https://crbug.com/536385539; see https://github.com/microsoft/playwright/issues/41900.
        """
        for _ in range(TRIES):
            with suppress(Error):  # the page itself is navigating
                if not ON_RESULTS.search(tab.url):
                    tab.goto("about:blank", timeout=5_000)
                self._idle.append(tab)
                return


class Member:
    """A participant in a browser."""

    def __init__(self, context: BrowserContext | Tabs, session: Session, place: int) -> None:
        """Become the participant at `place` (from 1) of the session; nothing is opened yet."""
        self.session = session
        self.code = session.codes[place - 1]
        self.link = session.links[place - 1]
        self.sent: list[str] = []
        """The messages that the current page has sent."""
        self.socket_url = ""
        self.opened = ""
        """The address of the page that the start link has led to."""
        self._context = context
        self._tabs: list[Page] = []
        self.page = self.new_tab()

    def new_tab(self) -> Page:
        """Open another tab; record its messages, and the address of the socket that sends them."""
        tab = self._context.new_page()
        tab.on("websocket", self._listen)
        self._tabs.append(tab)
        return tab

    def leave(self) -> None:
        """Leave all pages; shared tabs are free for another member then."""
        for tab in self._tabs:
            tab.remove_listener("websocket", self._listen)
            if isinstance(self._context, Tabs):
                self._context.take_back(tab)
        self._tabs.clear()

    @property
    def context(self) -> BrowserContext:
        """The browser context of this member's tabs."""
        return self.page.context

    def forget_files(self) -> None:
        """Let Chromium forget the scripts and styles that it has loaded.

        Where a server does not say how long they are good, a browser asks again after a tenth of
        their age: https://httpwg.org/specs/rfc9111.html#heuristic.freshness
        """
        self.context.new_cdp_session(self.page).send("Network.clearBrowserCache")

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self._record(socket.url, frame))

    def _record(self, url: str, frame: str | bytes) -> None:
        if '"type"' in str(frame):
            self.socket_url = url
            self.sent.append(str(frame))

    def open(self) -> "Member":
        """Follow the start link."""
        self.sent.clear()
        self.opened = _go(self.page, self.session.url + self.link)
        return self

    def come_back(self) -> "Member":
        """Follow the start link again, in a new tab."""
        self.page = self.new_tab()
        return self.open()

    def ready(self) -> "Member":
        """Wait until MyPage is connected, which it shows and then sends its first message."""
        deadline = time.monotonic() + 15
        while not self.sent:
            assert time.monotonic() < deadline, f"{self.page.url} has sent nothing"
            self.page.wait_for_timeout(POLL)
        return self

    def click_done(self) -> None:
        """Click the button."""
        self.page.get_by_role("button", name="Done").click()

    def go_on(self) -> None:
        """Click oTree's Next button."""
        self.sent.clear()
        self.page.locator(".otree-btn-next").click()

    def expect_my_page(self) -> None:
        """Expect to be on the page with the button."""
        self.page.wait_for_url(ON_MY_PAGE, wait_until="commit")

    def expect_results(self, moved_by: int, seconds: float = 15) -> None:
        """Expect to be on Results, which names `moved_by` as the member who moved the group."""
        assert self.moved_by(seconds) == moved_by

    def moved_by(self, seconds: float = 15) -> int:
        """Wait until on Results, and return the member whom it names, or NOBODY."""
        # The page's own wait_for_function loads a large script into each page first.
        deadline = time.monotonic() + seconds
        with suppress(Error):
            self.page.wait_for_url(ON_RESULTS, wait_until="commit", timeout=seconds * 1000)
        # The address can change a moment before the page that belongs to it.
        while True:
            if shown := self.look(RESULTS_LINE):
                return named_in(shown)
            assert time.monotonic() < deadline, f"{self.page.url} is not Results"
            self.page.wait_for_timeout(POLL)

    def look(self, function: str) -> Any:
        """Return what this JavaScript function returns in the page; None while it is loaded."""
        with suppress(Error):
            return self.page.evaluate(function)
        return None

    def reload(self) -> None:
        """Load the page again."""
        with suppress(Error):
            self.page.reload(wait_until="commit")

    def texts(self) -> set[str]:
        """Return the texts of the page's title and content, shown or hidden, without oTree's."""
        texts: list[str] = self.page.evaluate(TEXTS)
        return set(texts)

    def index(self) -> int:
        """Return the current page's number in the session."""
        return page_number(urlsplit(self.page.url).path)

    def socket_url_of(self, code: str) -> str:
        """Return the address of this member's socket, with another participant's code in it."""
        assert self.code in self.socket_url
        return self.socket_url.replace(self.code, quote(code, safe=""))


class Visitor:
    """A participant without a browser, who only follows the start link."""

    def __init__(self, session: Session, place: int) -> None:
        """Become the participant of the session at `place` (from 1)."""
        self.code = session.codes[place - 1]
        self._link = session.url + session.links[place - 1]

    def _follow_link(self) -> httpx.Response:
        answer = HTTP.get(self._link)
        assert answer.status_code == 200, answer.text
        return answer

    def path(self) -> str:
        """Follow the start link, and return the path of the page that this leads to."""
        return self._follow_link().url.path

    def visit(self) -> "Visitor":
        """Follow the start link to MyPage."""
        assert "/MyPage/" in self.path()
        return self

    def index(self) -> int:
        """Return the number of the participant's page in the session."""
        return page_number(self.path())

    def moved_by(self) -> int:
        """Follow the start link to Results, and return the member whom it names, or NOBODY."""
        answer = self._follow_link()
        assert "/Results/" in answer.url.path, answer.url
        return named_in(answer.text)


class Socket:
    """A raw WebSocket client.

    If the server refuses the connection, the socket is closed: it sends and receives nothing.
    """

    def __init__(self, url: str, origin: Origin | None = None) -> None:
        """Connect to `url`, as a page of `origin` does, or as a program that is not a browser."""
        self._url, self._origin = url, origin
        self._open = ExitStack()
        self._connection: ClientConnection | None = None
        self._connect()

    def _connect(self) -> None:
        with suppress(InvalidHandshake, ConnectionClosed, EOFError, OSError):
            self._connection = self._open.enter_context(
                connect(
                    self._url,
                    origin=self._origin,
                    open_timeout=30,
                    close_timeout=1,
                    ping_interval=None,
                )
            )

    def send(self, *messages: str | bytes, is_text: bool | None = None) -> None:
        """Send messages, strings as text and bytes as binary; a closed socket sends nothing.

        With `is_text`, bytes are sent as text, too, whether they are valid UTF-8 or not.
        """
        with suppress(ConnectionClosed, OSError):
            for message in messages:
                if self._connection:
                    self._connection.send(message, text=is_text)

    def receive(self, seconds: float = 15) -> dict[str, Any]:
        """Wait for the next message, and return it."""
        assert self._connection, "the server refused this socket"
        return parse(self._connection.recv(timeout=seconds))

    def receive_or_repeat(self, message: str) -> dict[str, Any]:
        """Wait for the next message; if none comes, connect and send `message` again.

        The page does the same. The channel layer of oTree 1.4 to 2.2 loses messages when it is
        full, or the server closes the socket ("try again later").
        """
        try:
            return self.receive(seconds=5)
        except (ConnectionClosed, TimeoutError):
            self._connect()
            self.send(message)
            return self.receive()

    def received_by_now(self) -> list[str]:
        """Return all messages that have arrived and were not received yet.

        A ping is sent first. When its answer is there, all that the server sent before is there.
        """
        messages: list[str] = []
        with suppress(ConnectionClosed, TimeoutError):
            if self._connection:
                self._connection.ping(ack_on_close=True).wait(5)
                while True:
                    messages.append(str(self._connection.recv(timeout=0)))
        return messages

    def wait_until_refused(self, seconds: float = 3) -> None:
        """Wait until the server closes this socket, unless it has refused the connection."""
        if self._connection:
            with pytest.raises(ConnectionClosed):
                self._connection.recv(timeout=seconds)

    def abort(self) -> None:
        """Abort the connection without a closing handshake, as a crash does."""
        if self._connection:
            raw = self._connection.socket
            with suppress(OSError):  # it has ended already
                raw.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                raw.shutdown(SHUT_RD)
                raw.close()

    def header(self, name: str) -> str:
        """Return a header of the server's answer to the handshake."""
        assert self._connection, "the server refused this socket"
        assert self._connection.response
        return self._connection.response.headers[name]

    def close(self) -> None:
        """Close the connection."""
        self._open.close()
