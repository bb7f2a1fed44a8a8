"""A WebSocket as a program sees it that has nothing but the standard library: short messages."""

import base64
import os
import socket
import struct
import time
from types import TracebackType

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
"""What a frame can be; a server has no reason to send others here."""


class Closed(Exception):
    """The socket did not open, or is closed; the message says how."""


class WebSocket:
    """A socket to a server on this machine, as a page of that very server opens it."""

    def __init__(self, port: int, path: str, seconds: float = 10) -> None:
        """Open it; raises Closed if the server refuses it, or does not answer in time."""
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), seconds)
        except OSError as error:
            raise Closed(f"nobody answers: {error}") from error
        self._read = b""
        host, key = f"127.0.0.1:{port}", base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            f"Origin: http://{host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        self._deadline = time.monotonic() + seconds
        try:
            self._send("".join(f"{line}\r\n" for line in (*lines, "")).encode())
            status = self._until(b"\r\n\r\n").split(b"\r\n")[0].decode(errors="replace")
            if status.split()[1:2] != ["101"]:
                raise Closed(f"the server refused it: {status}")
        except Closed:
            self._socket.close()
            raise

    def say(self, text: str) -> None:
        """Send a message of less than 126 bytes; raises Closed if nobody takes it."""
        payload, mask = text.encode(), os.urandom(4)
        self._frame(TEXT, payload, mask)

    def hear(self, seconds: float) -> str:
        """Return the next message; raises Closed if none comes in time, or the socket is closed."""
        self._deadline = time.monotonic() + seconds
        while True:
            kind, payload = self._next()
            if kind == TEXT:
                return payload.decode(errors="replace")
            if kind == PING:
                self._frame(PONG, payload, os.urandom(4))
            if kind == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if len(payload) > 1 else "none"
                raise Closed(f"the server closed it (code {code})")

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> "WebSocket":
        """Return it: it is open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Hang up."""
        self.close()

    def _frame(self, kind: int, payload: bytes, mask: bytes) -> None:
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        self._send(bytes([0x80 | kind, 0x80 | len(payload)]) + mask + masked)

    def _next(self) -> tuple[int, bytes]:
        first, length = self._exactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        return first & 0x0F, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        while len(self._read) < count:
            self._more()
        found, self._read = self._read[:count], self._read[count:]
        return found

    def _until(self, end: bytes) -> bytes:
        while end not in self._read:
            self._more()
        found, _, self._read = self._read.partition(end)
        return found

    def _more(self) -> None:
        try:
            self._socket.settimeout(max(0.01, self._deadline - time.monotonic()))
            more = self._socket.recv(4096)
        except TimeoutError as error:
            raise Closed("no answer") from error
        except OSError as error:
            raise Closed(f"the connection broke: {error}") from error
        if not more:
            raise Closed("the server hung up")
        self._read += more

    def _send(self, content: bytes) -> None:
        try:
            self._socket.sendall(content)
        except OSError as error:
            raise Closed(f"the connection broke: {error}") from error
