"""Members of a group, as the bench plays them: the same for all that it measures.

What a member does when something arrives is to note the time, and no more: messages are read
afterwards, so that reading one member's does not delay the next one's clock.
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

from harness.protocol import ask, click, read

ANSWER = re.compile(rb'"moved":')
NEWS = re.compile(rb'"moved": ?true')
HANDSHAKE = re.compile(rb"\r\n\r\n")

URGENT = (0x88, 0x89)
"""How the end and the ping of a WebSocket begin, which can't wait until messages are read."""

LOST = 10
"""Seconds after which a message counts as lost."""

UNANSWERED = 30
"""Seconds after which the answer to a member who has connected counts as lost."""

CONNECTED = 180
"""Seconds that connecting may take."""


@dataclass(frozen=True)
class Traffic:
    """What went over sockets, both ways together; octets are those of TCP's payload."""

    messages: int = 0
    octets: int = 0

    def __add__(self, more: "Traffic") -> "Traffic":
        """Return both together."""
        return Traffic(self.messages + more.messages, self.octets + more.octets)

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        """Return what went over them since then."""
        return Traffic(self.messages - earlier.messages, self.octets - earlier.octets)


@dataclass(frozen=True)
class Told:
    """When the members were told of a click, in ms after it, the first one first; who was not."""

    delays: Sequence[float]
    lost: int


class Connection(asyncio.Protocol):
    """One WebSocket, from its handshake to its end."""

    def __init__(self, address: str, heard: list[dict[str, Any]]) -> None:
        """Be about to connect to `address`, and to add to `heard` what is heard there."""
        self.heard = heard
        self.traffic = Traffic()
        self._socket = ClientProtocol(parse_uri(address))
        self._has_ended = False
        self._inbox: list[bytes] = []
        self._awaited: re.Pattern[bytes] | None = None
        self._came: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    @property
    def is_open(self) -> bool:
        """Say whether messages can go over it."""
        return self._socket.state is State.OPEN and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a WebSocket; without compression."""
        self._transport = cast(asyncio.Transport, transport)
        self._socket.send_request(self._socket.connect())
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        """Let who waits for something know that it will not come."""
        self._has_ended = True
        if self._awaited:
            self._awaited = None
            self._came.set_exception(error or ConnectionResetError())

    def data_received(self, data: bytes) -> None:
        """Note when it came."""
        now = time.perf_counter()
        self._inbox.append(data)
        if self._awaited and self._awaited.search(data):
            self._awaited = None
            self._came.set_result(now)
        elif data[0] in URGENT:
            self.tidy()

    def listen_for(self, pattern: re.Pattern[bytes]) -> "asyncio.Future[float]":
        """Return the time when something comes that this matches, as it will be known then.

        It will be an OSError if the connection ends before.
        """
        self._came = asyncio.get_running_loop().create_future()
        if self._has_ended:
            self._came.set_exception(ConnectionResetError())
        else:
            self._awaited = pattern
        return self._came

    def say(self, text: str) -> None:
        """Send a message; a connection that has ended sends nothing."""
        if self.is_open:
            self.traffic += Traffic(messages=1)
            self._socket.send_text(text.encode())
            self._flush()

    def tidy(self) -> None:
        """Read what has come, and answer pings."""
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
                self.heard.append(read(bytes(event.data)))

    def leave(self) -> None:
        """Close it, as a page does that is left; nobody waits for anything any more."""
        self._awaited = None
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
    """One member, who does what the page does."""

    def __init__(self, page: str, socket: str) -> None:
        """Be the member with these addresses; at the baseline server there is no page."""
        self.page = page
        self.socket = socket
        self.heard: list[dict[str, Any]] = []
        self.attempts = 0
        self.unanswered = 0
        self.connection: Connection | None = None
        self._before = Traffic()

    @property
    def traffic(self) -> Traffic:
        """What went over this member's connections so far."""
        return self._before + (self.connection.traffic if self.connection else Traffic())

    @property
    def is_connected(self) -> bool:
        """Say whether this member's socket is open."""
        return self.connection is not None and self.connection.is_open

    async def connect(self) -> None:
        """Connect, ask, and wait for the answer; connect anew if the server closes the socket.

        Between two attempts passes as much time as the page lets pass. An answer that does not
        come in time is counted as lost.
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
        self.connection = connection = Connection(self.socket, self.heard)
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
        connection.say(ask())
        done, _ = await asyncio.wait([answered], timeout=UNANSWERED)
        if done:
            await answered
        else:
            self.unanswered += 1

    def listen_for(self, pattern: re.Pattern[bytes]) -> "asyncio.Future[float]":
        """Return the time when a message comes that this matches, as it will be known then."""
        assert self.connection
        return self.connection.listen_for(pattern)

    def say(self, text: str) -> None:
        """Send a message."""
        assert self.connection
        self.connection.say(text)

    def tidy(self) -> None:
        """Read what has come."""
        if self.connection:
            self.connection.tidy()

    def leave(self) -> None:
        """Close the socket, as a page does that is left."""
        if self.connection:
            self.connection.leave()


@dataclass(frozen=True)
class Room:
    """A group whose members can connect, click and be told."""

    members: Sequence[Member]

    async def connect(self) -> float:
        """Connect all who are not, at once; return the seconds until the last is answered."""
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
        """Read what has come to all of them."""
        for member in self.members:
            member.tidy()

    async def click(self, place: int) -> Told:
        """Let one of the members click, and wait until all are told, or LOST has passed."""
        told = [member.listen_for(NEWS) for member in self.members]
        start = time.perf_counter()
        self.members[place].say(click())
        await asyncio.wait(told, timeout=LOST)
        came = sorted(
            1000 * (when.result() - start) for when in told if when.done() and not when.exception()
        )
        self.tidy()
        return Told(came, len(told) - len(came))

    def attempts(self) -> int:
        """Return how often its members have tried to connect so far."""
        return sum(member.attempts for member in self.members)

    def unanswered(self) -> int:
        """Return how many answers to members who had connected were lost so far."""
        return sum(member.unanswered for member in self.members)

    def traffic(self) -> Traffic:
        """Return what has gone over its sockets so far."""
        self.tidy()
        return sum((member.traffic for member in self.members), Traffic())
