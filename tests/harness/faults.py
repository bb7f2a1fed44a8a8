"""Fault injection: a TCP proxy with network faults, and misbehaving clients.

The proxy is our own because the alternatives do not fit: Toxiproxy's server is not in a package
index that every test machine can reach, and mitmproxy installs 40 packages. Faults of the server
itself (a kill at a certain moment, lost messages) are in instrumented.py.
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

IN_TIME = 10
"""Seconds after the end of a fault within which every member must be on the next page (R1)."""

PAUSE = 0.05  # seconds between two polls
BYTES = 65536  # read at once
UPGRADE = b"Sec-WebSocket-Key"  # asks for a WebSocket
MESSAGES = (0x81, 0x82, 0xC1, 0xC2)  # first bytes of WebSocket messages; HTTP never begins so


@dataclass(frozen=True)
class NetworkFaults:
    """The probability of each fault of a network, for each piece of data."""

    cut: float = 0
    """The connection is aborted."""

    drop: float = 0
    """The data is lost and TCP repeats it: the connection stalls until the faults are NONE."""

    duplicate: float = 0
    """A WebSocket message arrives twice."""

    delay: float = 0
    """Not a probability, but the greatest delay of each piece, in seconds."""


NONE = NetworkFaults()
HEAVY = NetworkFaults(cut=0.1, drop=0.1, duplicate=0.2, delay=0.5)


class Proxy:
    """A TCP proxy on the loopback interface, in front of a server, which injects network faults.

    A context manager. The seed determines what happens to the n-th piece of data of the m-th
    connection, so that a run can be repeated, except for its timing.
    """

    def __init__(self, upstream: int, seed: int = 0) -> None:
        """Forward to the port `upstream`; nothing runs yet."""
        self.upstream = upstream
        self.faults = NONE
        self.blocks_sockets = False
        """Whether it cuts each connection on which a WebSocket is asked for, as some proxies do."""
        self.port = 0
        self._seed = seed
        self._open: set[asyncio.StreamWriter] = set()
        self._count = 0
        self._silent = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Its address, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Proxy":
        """Start."""
        self._thread.start()
        self.restore()
        return self

    def __exit__(self, *error: object) -> None:
        """End all connections, and stop."""
        self.faults = NONE
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def restore(self) -> None:
        """Accept connections, on the same port as before."""

        async def listen() -> None:
            self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

        self._run(listen())

    def cut(self) -> None:
        """Abort all connections and refuse new ones."""

        async def abort() -> None:
            if self._listener:
                self._listener.close()
            for writer in self._open:
                writer.transport.abort()
            if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(tasks, timeout=5)

        self._run(abort())

    def silence(self) -> None:
        """Let nothing through any more on the connections that are open, and close none."""
        self._silent = self._count

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        number = self._count
        seeds = [f"{self._seed}/{number}/{direction}" for direction in ("up", "down")]
        up_random, down_random = map(Random, seeds)
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:  # the server is down
            writer.transport.abort()
            return
        self._open |= {writer, up_writer}
        await asyncio.gather(
            self._pump(number, reader, up_writer, up_random),
            self._pump(number, up_reader, writer, down_random),
        )
        self._open -= {writer, up_writer}

    async def _pump(
        self, number: int, source: asyncio.StreamReader, sink: asyncio.StreamWriter, random: Random
    ) -> None:
        with suppress(OSError):  # one side has aborted
            await self._forward(number, source, sink, random)
        if number > self._silent:
            sink.transport.abort()

    async def _forward(
        self, number: int, source: asyncio.StreamReader, sink: asyncio.StreamWriter, random: Random
    ) -> None:
        while data := await source.read(BYTES):
            if number <= self._silent:
                continue
            if self.blocks_sockets and UPGRADE in data:
                return
            faults = self.faults
            await asyncio.sleep(faults.delay * random.random())
            cut, drop, duplicate = random.random(), random.random(), random.random()
            if cut < faults.cut:
                return
            if drop < faults.drop:
                while self.faults is not NONE:
                    await asyncio.sleep(PAUSE)
            sink.write(data)
            if duplicate < faults.duplicate and data[0] in MESSAGES:
                sink.write(data)
            await sink.drain()


class MisbehavingClient:
    """A client that misbehaves all the time, in a thread of its own."""

    def __init__(self, url: str, kind: str) -> None:
        """Connect to the address of a socket, to misbehave there in one of the ways in KINDS."""
        self._url = url
        self._misbehave = KINDS[kind]
        self._socket = Socket(url)
        self._stopped = threading.Event()
        self._times = 0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stopped.wait(0.001):
            self._socket = self._misbehave(self._url, self._socket)
            self._times += 1

    def wait_until_active(self) -> None:
        """Wait until it has misbehaved many times."""
        deadline = time.monotonic() + 30
        while self._times < 50:
            assert time.monotonic() < deadline, f"only {self._times} times in half a minute"
            time.sleep(PAUSE)

    def __enter__(self) -> "MisbehavingClient":
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop, even if the server does not read from the socket any more."""
        self._stopped.set()
        self._socket.abort()
        self._thread.join()
        self._socket.abort()


def never_reads(url: str, socket: Socket) -> Socket:
    """Ask and never read an answer."""
    socket.send(ask())
    return socket


def reconnects(url: str, socket: Socket) -> Socket:
    """Ask, abort the connection and connect again at once."""
    socket.send(ask())
    socket.abort()
    return Socket(url)


def sends_garbage(url: str, socket: Socket) -> Socket:
    """Send invalid messages, more than a thousand in a second."""
    socket.send(*["{" * 50] * 2)
    return socket


KINDS: dict[str, Callable[[str, Socket], Socket]] = {
    kind.__name__: kind for kind in (never_reads, reconnects, sends_garbage)
}
"""The ways in which a client can misbehave."""
