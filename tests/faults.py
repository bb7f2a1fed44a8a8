"""What a test can ask to go wrong: the network between, and members without manners.

The proxy is our own since nothing that is kept can be had: Toxiproxy's server is in no package
index that a test machine can be counted on to reach, mitmproxy brings 47 packages.
Faults of the server itself (killed in the middle, losing messages) are in laboratory.py.
"""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Any

from participants import Socket, ask

PAUSE = 0.05  # seconds between two looks
BYTES = 65536  # read at once


@dataclass(frozen=True)
class Weather:
    """How a network behaves: the chance of each fault, for each piece of data that passes."""

    cut: float = 0
    """The connection ends there and then, without a goodbye."""

    drop: float = 0
    """The data is lost, and TCP sends it again: nothing passes until the weather is fair."""

    duplicate: float = 0
    """A WebSocket's message, or an HTTP request, arrives twice."""

    delay: float = 0
    """Not a chance but seconds: each piece is held up for as long as this, at most."""


FAIR = Weather()
STORM = Weather(cut=0.1, drop=0.1, duplicate=0.2, delay=0.5)


class Proxy:
    """A TCP proxy on the loopback interface, in front of a server, with a weather of its own.

    A context manager. The seed decides what happens to the n-th piece of data of the m-th
    connection, so that a run can be repeated as far as its timing can.
    """

    def __init__(self, upstream: int, seed: int = 0) -> None:
        """Stand in front of the port `upstream`."""
        self.upstream = upstream
        self.weather = FAIR
        self.port = 0
        self._seed = seed
        self._connections: set[asyncio.Task[None]] = set()
        self._count = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Proxy":
        """Start."""
        self._thread.start()
        self.restore()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every connection, and itself."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def restore(self) -> None:
        """Take connections, at the same port as before."""

        async def listen() -> None:
            self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

        self._run(listen())

    def cut(self) -> None:
        """End every connection and refuse new ones."""

        async def leave() -> None:
            if self._listener:
                self._listener.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

        self._run(leave())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        self._count += 1
        number = self._count
        writers = [writer]
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
            writers.append(up_writer)
            ways = ((reader, up_writer), (up_reader, writer))
            pumps = [
                asyncio.ensure_future(
                    self._pump(source, sink, Random(f"{self._seed}/{number}/{way}"))
                )
                for way, (source, sink) in enumerate(ways)
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
        except OSError:
            pass  # the server is down, or one side has hung up
        finally:
            for open_writer in writers:
                open_writer.transport.abort()
            self._connections.discard(task)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, dice: Random
    ) -> None:
        is_first = True
        while data := await source.read(BYTES):
            weather = self.weather
            await asyncio.sleep(weather.delay * dice.random())
            cut, drop, duplicate = dice.random(), dice.random(), dice.random()
            if cut < weather.cut:
                return
            if drop < weather.drop:
                while self.weather is not FAIR:
                    await asyncio.sleep(PAUSE)
            sink.write(data)
            if duplicate < weather.duplicate and is_message(data, is_first):
                sink.write(data)
            with suppress(OSError):
                await sink.drain()
            is_first = False


def is_message(data: bytes, is_first: bool) -> bool:
    """Say whether this piece of data is one that an application can get twice.

    A request of HTTP's that is whole, or what comes in a WebSocket after its handshake; part
    of an answer of HTTP's is not, since no network doubles that.
    """
    head, end, body = data.partition(b"\r\n\r\n")
    if re.match(rb"(GET|POST) ", head):
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        upgrades = re.search(rb"upgrade: *websocket", head, re.IGNORECASE)
        return bool(end) and not upgrades and len(body) == int(length[1] if length else 0)
    return not is_first and data[0] in (0x81, 0x82)  # a whole text or binary message


class Rude:
    """A member without manners, who is at it in a thread of their own."""

    def __init__(self, url: str, manners: str) -> None:
        """Be rude at this socket's address, in one of the ways in MANNERS."""
        self._url = url
        self._once = MANNERS[manners]
        self._socket = Socket(url)
        self._over = threading.Event()
        self._times = 0
        self._thread = threading.Thread(target=self._go_on)

    def _go_on(self) -> None:
        while not self._over.wait(0.001):
            self._socket = self._once(self._url, self._socket)
            self._times += 1

    def wait_until_at_it(self) -> None:
        """Wait until this has gone on for a while."""
        deadline = time.monotonic() + 30
        while self._times < 50:
            assert time.monotonic() < deadline, f"only {self._times} times in half a minute"
            time.sleep(PAUSE)

    def __enter__(self) -> "Rude":
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Break off, also where the server has stopped listening to it."""
        self._over.set()
        self._socket.abort()
        self._thread.join()
        self._socket.abort()


def never_reads(url: str, socket: Socket) -> Socket:
    """Ask and never read an answer: the buffers fill up."""
    socket.say(ask())
    return socket


def reconnects(url: str, socket: Socket) -> Socket:
    """Ask, break off and connect again at once."""
    socket.say(ask())
    socket.abort()
    return Socket(url)


def sends_garbage(url: str, socket: Socket) -> Socket:
    """Send what is no message, more than a thousand in a second."""
    socket.say(*["{" * 50] * 10)
    return socket


MANNERS: dict[str, Callable[[str, Socket], Socket]] = {
    manners.__name__: manners for manners in (never_reads, reconnects, sends_garbage)
}
