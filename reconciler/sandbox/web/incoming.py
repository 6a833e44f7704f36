"""A request's head and body, read off a socket, as strictly as Google's front end reads them.

What could be understood in two ways is refused: two parties must not disagree on where a request ends.
"""

from __future__ import annotations

import io
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

MAX_TARGET: Final = 16 * 1024
MAX_HEAD: Final = 32 * 1024
"""Bytes of a request's headers, and of the trailers behind a chunked body."""
MAX_HEADERS: Final = 200
IDLE_SECONDS: Final = 610.0
"""How long a connection may be idle between requests, as at Google's front end."""
HEAD_SECONDS: Final = 60.0
"""How long a head may take once it has begun, however slowly it drips."""
STALL_SECONDS: Final = 600.0
"""How long a body may stand still."""
DRAIN: Final = 1 << 20
"""An unread body up to this size is read away so that the connection can be used again; beyond it, it is closed."""
_START: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^\s\x00-\x1f\x7f]+) (HTTP/1\.[01])")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_HOST: Final = re.compile(r"[0-9A-Za-z._~!$&'()*+,;=%-]*(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_LENGTH: Final = re.compile(r"[0-9]{1,19}")
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(;[^\r\n]*)?\r\n")
_LINE: Final = 8 * 1024
_WITH_LENGTH: Final = ("POST", "PUT")


class Malformed(Exception):
    """What came in is no HTTP request that Google's front end takes; *status* is what it answers."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Head:
    """A request's first line and headers."""

    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]

    def get(self, name: str) -> str | None:
        """The first header of that (lower-case) name."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        """Every header of that (lower-case) name."""
        return [value for key, value in self.headers if key.lower() == name]

    def length(self) -> int | None:
        """The body's length in bytes, None where it comes in chunks. Raises Malformed."""
        lengths, codings = self.all("content-length"), self.all("transfer-encoding")
        if codings:
            if lengths or self.version == "HTTP/1.0" or [one.lower() for one in codings] != ["chunked"]:
                raise Malformed("its transfer encoding is not chunked alone")
            return None
        if len(lengths) > 1 or not all(_LENGTH.fullmatch(one) for one in lengths):
            raise Malformed("its length is given twice, or is no number")
        if not lengths and self.method in _WITH_LENGTH:
            raise Malformed(f"{self.method} requests require a Content-length header", 411)
        return int(lengths[0]) if lengths else 0


class Incoming(io.RawIOBase):
    """What comes in on a socket, within the time that is given for it. Raises TimeoutError after that."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._until = 0.0
        self._each = IDLE_SECONDS

    def within(self, seconds: float) -> None:
        """Let everything from now on come within so many seconds."""
        self._until = time.monotonic() + seconds

    def each(self, seconds: float) -> None:
        """Let each piece from now on take so many seconds."""
        self._until, self._each = 0.0, seconds

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill *buffer* with what there is; 0 at the end."""
        left = self._until - time.monotonic() if self._until else self._each
        if left <= 0:
            raise TimeoutError("the client is too slow")
        self._sock.settimeout(left)
        return self._sock.recv_into(buffer)


class Body(io.RawIOBase):
    """A request's body as a stream that ends where the body ends. Asks for it first where the client waits.

    A subclass of io.RawIOBase because io.BufferedReader takes nothing else.
    """

    def __init__(self, source: io.BufferedReader, length: int | None, ask: Callable[[], None] | None) -> None:
        self._source = source
        self._chunked = length is None
        self._left = length or 0
        self._over = length == 0
        self._ask = ask

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill *buffer* with what there is; 0 at the end. Raises EOFError where the client went away."""
        if self._over:
            return 0
        if self._ask is not None:
            self._ask()
            self._ask = None
        if self._chunked and self._left == 0 and not self._next_chunk():
            return 0
        piece = self._source.read1(min(len(buffer), self._left))
        if not piece:
            raise EOFError("the client closed the connection before the end of its request")
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        if self._left == 0 and self._chunked:
            self._end_chunk()
        elif self._left == 0:
            self._over = True
        return len(piece)

    def finish(self) -> bool:
        """Read away what is left; False where that is too much, or was never asked for."""
        if self._over:
            return True
        if self._ask is not None:
            return False
        window, budget = memoryview(bytearray(65536)), DRAIN
        while budget > 0:
            size = self.readinto(window)
            if size == 0:
                return True
            budget -= size
        return False

    def _next_chunk(self) -> bool:
        found = _SIZE.fullmatch(self._source.readline(_LINE))
        if found is None:
            raise Malformed("a chunk has no proper size")
        self._left = int(found[1], 16)
        if self._left == 0:
            _headers(self._source)
            self._over = True
            return False
        return True

    def _end_chunk(self) -> None:
        if self._source.read(2) != b"\r\n":
            raise Malformed("a chunk is longer or shorter than it says")


def read_head(reader: io.BufferedReader) -> Head | None:
    """The next request's head, or None at the end of the connection. Raises Malformed."""
    incoming = cast("Incoming", reader.raw)
    incoming.each(IDLE_SECONDS)
    if not reader.peek(1):
        return None
    incoming.within(HEAD_SECONDS)
    line = reader.readline(MAX_TARGET)
    if line in (b"\r\n", b"\n"):
        line = reader.readline(MAX_TARGET)
    if len(line) >= MAX_TARGET and not line.endswith(b"\n"):
        raise Malformed("its URL is too long", 414)
    found = _START.fullmatch(line.decode("latin-1").removesuffix("\n").removesuffix("\r"))
    if found is None:
        raise Malformed("its first line is malformed")
    head = Head(found[1], found[2], found[3], _headers(reader))
    hosts = head.all("host")
    needed = head.version == "HTTP/1.1" and head.method != "CONNECT"
    if len(hosts) > 1 or (needed and not hosts) or not all(_HOST.fullmatch(one) for one in hosts):
        raise Malformed("it does not name one host")
    incoming.each(STALL_SECONDS)
    return head


def _headers(reader: io.BufferedReader) -> list[tuple[str, str]]:
    """The headers, or the trailers, up to the empty line. Raises Malformed."""
    headers: list[tuple[str, str]] = []
    left = MAX_HEAD
    while (line := reader.readline(left + 1)) not in (b"\r\n", b"\n"):
        left -= len(line)
        if left < 0 or len(headers) >= MAX_HEADERS:
            raise Malformed("its headers are too large", 431)
        name, colon, value = line.decode("latin-1").removesuffix("\n").removesuffix("\r").partition(":")
        if not line.endswith(b"\n") or not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise Malformed("a header is none")
        headers.append((name, value.strip(" \t")))
    return headers
