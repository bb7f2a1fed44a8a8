"""Members of a group, played by the benchmark: the same for all subjects.

When data arrives, a member only records the time. Messages are parsed afterwards, so that parsing
one member's messages does not delay the next one's time.
"""

import asyncio
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from harness.protocol import ask, click, parse

ANSWER = re.compile(rb'"moved":')
NEWS = re.compile(rb'"moved": ?true')
HANDSHAKE = re.compile(rb"\r\n\r\n")

URGENT = (0x88, 0x89)
"""First bytes of a WebSocket's close and ping, which must be handled at once."""

LOST = 10
"""Seconds after which a message counts as lost."""

UNANSWERED = 30
"""Seconds after which the answer to a member who has connected counts as lost."""

CONNECTED = 180
"""Seconds within which all members must be connected."""


@dataclass(frozen=True)
class Traffic:
    """The messages and bytes on sockets, in both directions; bytes are those of TCP's payload."""

    messages: int = 0
    octets: int = 0

    def __add__(self, more: "Traffic") -> "Traffic":
        """Return the sum."""
        return Traffic(self.messages + more.messages, self.octets + more.octets)

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        """Return the traffic since `earlier`."""
        return Traffic(self.messages - earlier.messages, self.octets - earlier.octets)


@dataclass(frozen=True)
class Delays:
    """Milliseconds from a click to each notification, sorted; `lost` is how many never came."""

    milliseconds: Sequence[float]
    lost: int


class Connection(asyncio.Protocol):
    """One WebSocket, from its handshake to its end."""

    def __init__(self, address: str, received: list[dict[str, Any]]) -> None:
        """Prepare to connect to `address`, and to append its messages to `received`."""
        self.received = received
        self.traffic = Traffic()
        self._socket = ClientProtocol(parse_uri(address))
        self._has_ended = False
        self._inbox: list[bytes] = []
        self._pattern: re.Pattern[bytes] | None = None
        self._arrival: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    @property
    def is_open(self) -> bool:
        """Return whether messages can be sent on it."""
        return self._socket.state is State.OPEN and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake; without compression."""
        self._transport = cast(asyncio.Transport, transport)
        self._socket.send_request(self._socket.connect())
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        """Raise the error in the future that waits for a message."""
        self._has_ended = True
        if self._pattern:
            self._pattern = None
            self._arrival.set_exception(error or ConnectionResetError())

    def data_received(self, data: bytes) -> None:
        """Record the time."""
        now = time.perf_counter()
        self._inbox.append(data)
        if self._pattern and self._pattern.search(data):
            self._pattern = None
            self._arrival.set_result(now)
        elif data[0] in URGENT:
            self.tidy()

    def listen_for(self, pattern: re.Pattern[bytes]) -> "asyncio.Future[float]":
        """Return a future: the time at which data arrives that this pattern matches.

        The future raises an OSError if the connection ends before.
        """
        self._arrival = asyncio.get_running_loop().create_future()
        if self._has_ended:
            self._arrival.set_exception(ConnectionResetError())
        else:
            self._pattern = pattern
        return self._arrival

    def send(self, text: str) -> None:
        """Send a message; a connection that has ended sends nothing."""
        if self.is_open:
            self.traffic += Traffic(messages=1)
            self._socket.send_text(text.encode())
            self._flush()

    def tidy(self) -> None:
        """Parse the data that has arrived, and answer pings."""
        if not self._inbox:
            return
        for data in self._inbox:
            self.traffic += Traffic(octets=len(data))
            self._socket.receive_data(data)
        self._inbox.clear()
        self._flush()
        for event in self._socket.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.traffic += Traffic(messages=1)
                self.received.append(parse(bytes(event.data)))

    def leave(self) -> None:
        """Close it, as a page does on leaving; futures are not resolved any more."""
        self._pattern = None
        self.tidy()
        if self.is_open:
            self._socket.send_close(CloseCode.GOING_AWAY)
            self._flush()
        self._transport.close()

    def _flush(self) -> None:
        data = b"".join(self._socket.data_to_send())
        self.traffic += Traffic(octets=len(data))
        if data:
            self._transport.write(data)


class Member:
    """A member, who does what the page does."""

    def __init__(self, page: str, socket: str) -> None:
        """Become the member with these addresses; the baseline server has no page."""
        self.page = page
        self.socket = socket
        self.received: list[dict[str, Any]] = []
        self.attempts = 0
        self.unanswered = 0
        self.connection: Connection | None = None
        self._before = Traffic()

    @property
    def traffic(self) -> Traffic:
        """The traffic on all of this member's connections so far."""
        return self._before + (self.connection.traffic if self.connection else Traffic())

    @property
    def is_connected(self) -> bool:
        """Return whether this member's socket is open."""
        return self.connection is not None and self.connection.is_open

    async def connect(self) -> None:
        """Connect, ask, and wait for the answer; connect again if the server closes the socket.

        The delay between two attempts is the page's. An answer that does not arrive in time is
        counted as lost.
        """
        wait = 0.5
        while True:
            try:
                await self._attempt()
                return
            except OSError:  # refused, or closed again
                await asyncio.sleep(wait * (0.5 + random.random()))
                wait = min(2 * wait, 8)

    async def _attempt(self) -> None:
        self._before = self.traffic
        self.attempts += 1
        self.connection = connection = Connection(self.socket, self.received)
        address = parse_uri(self.socket)
        opened = connection.listen_for(HANDSHAKE)
        await asyncio.get_running_loop().create_connection(
            lambda: connection, address.host, address.port
        )
        await opened
        connection.tidy()
        if not connection.is_open:
            raise ConnectionResetError
        answered = connection.listen_for(ANSWER)
        connection.send(ask())
        done, _ = await asyncio.wait([answered], timeout=UNANSWERED)
        if done:
            await answered
        else:
            self.unanswered += 1

    def listen_for(self, pattern: re.Pattern[bytes]) -> "asyncio.Future[float]":
        """Return a future: the time at which a message arrives that this pattern matches."""
        assert self.connection
        return self.connection.listen_for(pattern)

    def send(self, text: str) -> None:
        """Send a message."""
        assert self.connection
        self.connection.send(text)

    def tidy(self) -> None:
        """Parse the data that has arrived."""
        if self.connection:
            self.connection.tidy()

    def leave(self) -> None:
        """Close the socket, as a page does on leaving."""
        if self.connection:
            self.connection.leave()


@dataclass(frozen=True)
class Room:
    """A group whose members can connect, click and be notified."""

    members: Sequence[Member]

    async def connect(self) -> float:
        """Connect all members who are not; return the seconds until all are answered."""
        start = time.perf_counter()
        away = [member for member in self.members if not member.is_connected]
        async with asyncio.timeout(CONNECTED):
            await asyncio.gather(*(member.connect() for member in away))
        seconds = time.perf_counter() - start
        self.tidy()
        return seconds

    def leave(self) -> None:
        """Close all sockets."""
        for member in self.members:
            member.leave()

    def tidy(self) -> None:
        """Parse the data that has arrived at all members."""
        for member in self.members:
            member.tidy()

    async def click(self, place: int) -> Delays:
        """Let one member click; wait until all are notified, or until LOST has passed."""
        notified = [member.listen_for(NEWS) for member in self.members]
        start = time.perf_counter()
        self.members[place].send(click())
        await asyncio.wait(notified, timeout=LOST)
        delays = sorted(
            1000 * (future.result() - start)
            for future in notified
            if future.done() and not future.exception()
        )
        self.tidy()
        return Delays(delays, len(notified) - len(delays))

    def attempts(self) -> int:
        """Return how often the members have tried to connect so far."""
        return sum(member.attempts for member in self.members)

    def unanswered(self) -> int:
        """Return how many answers to connected members were lost so far."""
        return sum(member.unanswered for member in self.members)

    def traffic(self) -> Traffic:
        """Return the traffic on the members' sockets so far."""
        self.tidy()
        return sum((member.traffic for member in self.members), Traffic())
