"""A request's head and body, read off a socket."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_LINE: Final = 65536
MAX_HEADERS: Final = 200
DRAIN: Final = 1 << 20
"""An unread body up to this size is read away so that the connection can be used again; beyond it, it is closed."""


class Malformed(Exception):
    """What came in is no HTTP request that we understand."""


@dataclass(frozen=True)
class Head:
    """A request's first line and headers."""

    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]

    def get(self, name: str) -> str | None:
        """The first header of that (lower-case) name."""
        return next((value for key, value in self.headers if key.lower() == name), None)


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

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] -- one buffer type is all that BufferedReader passes
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
            self._source.readline(MAX_LINE)
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
        line = self._source.readline(MAX_LINE)
        try:
            self._left = int(line.split(b";")[0].strip(), 16)
        except ValueError as error:
            raise Malformed("a chunk has no size") from error
        if self._left == 0:
            while self._source.readline(MAX_LINE) not in (b"\r\n", b"\n", b""):
                pass
            self._over = True
            return False
        return True


def read_head(reader: io.BufferedReader) -> Head | None:
    """The next request's head, or None at the end of the connection. Raises Malformed."""
    line = reader.readline(MAX_LINE)
    while line in (b"\r\n", b"\n"):
        line = reader.readline(MAX_LINE)
    if not line:
        return None
    words = line.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Malformed("this port speaks HTTP/1.1")
    headers: list[tuple[str, str]] = []
    while (line := reader.readline(MAX_LINE)) not in (b"\r\n", b"\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip() or len(headers) >= MAX_HEADERS:
            raise Malformed("a header is malformed, or there are too many")
        headers.append((name, value.strip()))
    return Head(words[0], words[1], words[2], headers)
