"""Fixtures for the worked examples of docs/adapting.md.

The module `test_counter.py` tests the example `counter`.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.version import Version
from playwright.sync_api import BrowserContext, Page

from channelsmin.matrix import variants
from channelsmin.runtime import examples
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import Export
from channelsmin.runtime.processes import free_port
from channelsmin.runtime.server import Server
from harness.fixtures import NewContext
from harness.members import Network, Session

Join = Callable[..., list["Player"]]


class Player:
    """A member in a browser, with the address of the page's socket."""

    def __init__(
        self, context: BrowserContext, session: Session, place: int, network: Network | None
    ) -> None:
        """Follow the start link of the participant at `place` (from 1)."""
        self.socket_url = ""
        self._network = network
        self.page = context.new_page()
        self.page.on(
            "websocket",
            lambda socket: socket.on("framesent", lambda frame: self._record(socket.url, frame)),
        )
        self.page.goto(session.url + session.links[place - 1])

    @property
    def network(self) -> Network:
        """The network between the browser and the server, if the test has asked for one."""
        assert self._network
        return self._network

    def wait_until_it_asks(self) -> None:
        """Wait until the page has sent a message on its socket."""
        deadline = time.monotonic() + 15
        while not self.socket_url:
            assert time.monotonic() < deadline, "the page sends nothing"
            self.page.evaluate("1")  # lets Playwright handle the browser's events

    def _record(self, url: str, frame: str | bytes) -> None:
        if '"round"' in str(frame):
            self.socket_url = url


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest,
    environment: Environment,
    export: Export,
    release: Version,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """The development server, on the project of the module's example."""
    folder = tmp_path_factory.mktemp("example")
    name = Path(str(request.module.__file__)).stem.removeprefix("test_")
    examples.write(name, export, folder / "project")
    command = variants.serving(release).development_server(release)
    server = Server(environment, folder / "project", command, free_port(), folder / "server.log")
    server.prepare()
    with server:
        yield server


@pytest.fixture
def join(server: Server, admin: Page, new_context: NewContext) -> Join:
    """Return a function that opens so many members of a new group."""

    def join(count: int, through_networks: bool = False) -> list[Player]:
        session = Session.create(admin, server.url, "channelsmin")
        players = []
        for place in range(1, count + 1):
            context = new_context()
            network = Network(context) if through_networks else None
            players.append(Player(context, session, place, network))
        return players

    return join
