"""What a test can ask to go wrong: the network between, and members without manners.

The proxy is our own since nothing that is kept can be had: Toxiproxy's server is in no package
index that a test machine can be counted on to reach, mitmproxy brings 40 packages.
Faults of the server itself (killed in the middle, losing messages) are in laboratory.py.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from harness.members import Socket
from harness.protocol import ask

PAUSE = 0.05  # seconds between two looks
BYTES = 65536  # read at once
MESSAGES = (0x81, 0x82, 0xC1, 0xC2)  # how a WebSocket's message begins, and nothing of HTTP's


@dataclass(frozen=True)
class Weather:
    """How a network behaves: the chance of each fault, for each piece of data that passes."""

    cut: float = 0
    """The connection ends there and then, without a goodbye."""

    drop: float = 0
    """The data is lost, and TCP sends it again: nothing passes until the weather is fair."""

    duplicate: float = 0
    """A WebSocket's message arrives twice."""

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
        self._open: set[asyncio.StreamWriter] = set()
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

    def __exit__(self, *error: object) -> None:
        """End every connection, and itself."""
        self.weather = FAIR
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
            for writer in self._open:
                writer.transport.abort()
            if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(tasks, timeout=5)

        self._run(leave())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        dice = [Random(f"{self._seed}/{self._count}/{way}") for way in ("up", "down")]
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:  # the server is down
            writer.transport.abort()
            return
        self._open |= {writer, up_writer}
        await asyncio.gather(
            self._pump(reader, up_writer, dice[0]), self._pump(up_reader, writer, dice[1])
        )
        self._open -= {writer, up_writer}

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, dice: Random
    ) -> None:
        with suppress(OSError):  # one side has broken off
            await self._pass_on(source, sink, dice)
        sink.transport.abort()

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, dice: Random
    ) -> None:
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
            if duplicate < weather.duplicate and data[0] in MESSAGES:
                sink.write(data)
            await sink.drain()


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

    def __exit__(self, *error: object) -> None:
        """Break off, also where the server has stopped listening to it."""
        self._over.set()
        self._socket.abort()
        self._thread.join()
        self._socket.abort()


def never_reads(url: str, socket: Socket) -> Socket:
    """Ask and never read an answer."""
    socket.say(ask())
    return socket


def reconnects(url: str, socket: Socket) -> Socket:
    """Ask, break off and connect again at once."""
    socket.say(ask())
    socket.abort()
    return Socket(url)


def sends_garbage(url: str, socket: Socket) -> Socket:
    """Send what is no message, somewhat more than a thousand in a second."""
    socket.say(*["{" * 50] * 2)
    return socket


MANNERS: dict[str, Callable[[str, Socket], Socket]] = {
    manners.__name__: manners for manners in (never_reads, reconnects, sends_garbage)
}
