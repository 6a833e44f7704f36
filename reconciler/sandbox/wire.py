"""HTTP/1.1 on a socket: requests in, answers out, CONNECT in between.

Written against the standard library's sockets because its own server sends an answer in two writes (40 ms each with
Nagle's algorithm) and can neither stream nor read chunked bodies. One thread per connection, keep-alive, and a body
that is never read unless somebody asks for it.
"""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, Final, cast
from urllib.parse import urlsplit

from reconciler.sandbox.world import Accept, Content, Headers, Visit

MAX_LINE: Final = 65536
MAX_HEADERS: Final = 200
DRAIN: Final = 1 << 20
"""An unread body up to this size is read away so that the connection can be used again; beyond it, it is closed."""
Tunnel = Callable[[str, int], "ssl.SSLContext | None"]
"""(host, port) of a CONNECT -> the TLS to speak with it, or None to refuse."""


class Malformed(Exception):  # noqa: N818 what the request is
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

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] one buffer type is all that BufferedReader passes
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


@dataclass
class _Connection:
    sock: socket.socket
    reader: io.BufferedReader
    peer: tuple[str, int]
    port: int
    scheme: str = "http"
    through: str = ""
    """The host of the CONNECT that this connection tunnels to."""


class Listener:
    """A served port of 127.0.0.1."""

    def __init__(self, port: int, accept: Accept, tunnel: Tunnel | None = None) -> None:
        self._socket = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port: int = self._socket.getsockname()[1]
        self._accept = accept
        self._tunnel = tunnel
        self._open: set[socket.socket] = set()
        self._closed = False
        threading.Thread(target=self._loop, name=f"port {self.port}", daemon=True).start()

    def close(self) -> None:
        """Stop accepting and free the port; answers under way are cut."""
        self._closed = True
        # A blocked accept() does not notice close(); shutting the socket down wakes it.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _loop(self) -> None:
        while not self._closed:
            try:
                sock, peer = self._socket.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(sock, peer), daemon=True).start()

    def _serve(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        connection = _Connection(sock, sock.makefile("rb", 65536), peer, self.port)
        self._open.add(sock)
        try:
            while self._one(connection):
                pass
        except (OSError, EOFError, ssl.SSLError):
            pass  # The client went away; there is nobody left to tell.
        except Malformed as error:
            with contextlib.suppress(OSError):
                _send(
                    connection.sock,
                    "HTTP/1.1",
                    400,
                    [("Connection", "close")],
                    f"{error}\n".encode(),
                    head_only=False,
                )
        finally:
            self._open.discard(sock)
            with contextlib.suppress(OSError):
                connection.sock.close()

    def _one(self, connection: _Connection) -> bool:
        head = read_head(connection.reader)
        if head is None:
            return False
        if head.method == "CONNECT":
            return self._connect(connection, head)
        keep = _keeps(head)
        body = _body(connection, head)
        answered = False

        def respond(status: int, headers: Headers, content: Content) -> None:
            nonlocal answered, keep
            answered = True
            extra = [] if keep else [("Connection", "close")]
            only = head.method == "HEAD"
            kept = _send(connection.sock, head.version, status, [*headers, *extra], content, head_only=only)
            keep = keep and kept

        visit = _visit(connection, head, body, respond)
        try:
            self._accept(visit)
        except (OSError, EOFError):
            return False
        except Exception:  # noqa: BLE001 one broken request must not take the server down
            traceback.print_exc()
        if not answered:
            respond(
                500, [("Content-Type", "text/plain")], b"The sandbox failed on this request; see its log.\n"
            )
        return keep and body.finish()

    def _connect(self, connection: _Connection, head: Head) -> bool:
        host, _, port = head.target.rpartition(":")
        context = self._tunnel(host, int(port)) if self._tunnel is not None and port.isdigit() else None
        if context is None or connection.through:
            text = f"This is a sandbox: it stands in for Google Cloud and does not lead to {head.target}.\n"
            headers = [("Content-Type", "text/plain"), ("Connection", "close")]
            _send(connection.sock, head.version, 403, headers, text.encode(), head_only=False)
            return False
        connection.sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        wrapped = context.wrap_socket(connection.sock, server_side=True)
        self._open.discard(connection.sock)
        self._open.add(wrapped)
        connection.sock, connection.reader = wrapped, wrapped.makefile("rb", 65536)
        connection.scheme, connection.through = "https", host
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


def _keeps(head: Head) -> bool:
    wish = (head.get("connection") or "").lower()
    return "close" not in wish if head.version == "HTTP/1.1" else "keep-alive" in wish


def _body(connection: _Connection, head: Head) -> Body:
    length = head.get("content-length")
    chunked = "chunked" in (head.get("transfer-encoding") or "").lower()
    if length is not None and (chunked or not length.isdigit()):
        raise Malformed("the length of the body is malformed")
    ask = None
    if (head.get("expect") or "").lower() == "100-continue":
        sock = connection.sock
        ask = lambda: sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")  # noqa: E731 a name would say no more
    return Body(connection.reader, None if chunked else int(length or 0), ask)


def _visit(
    connection: _Connection, head: Head, body: Body, respond: Callable[[int, Headers, Content], None]
) -> Visit:
    host, target = head.get("host") or connection.through, head.target
    if not target.startswith("/"):
        parts = urlsplit(target)
        host = parts.netloc or host
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Visit(
        method=head.method,
        target=target,
        headers=head.headers,
        body=cast("BinaryIO", io.BufferedReader(body, 1 << 16)),
        host=_without_port(host).lower(),
        scheme=connection.scheme,
        peer=connection.peer,
        local_port=connection.port,
        respond=respond,
    )


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _send(
    sock: socket.socket, version: str, status: int, headers: Headers, content: Content, *, head_only: bool
) -> bool:
    """Send one answer; False where the connection cannot be used again."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    names = {name.lower() for name, _ in headers}
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers)]
    bodiless = head_only or status in (204, 304) or status < 200
    chunked = False
    if isinstance(content, bytes):
        if "content-length" not in names and status not in (204, 304):
            lines.append(f"Content-Length: {len(content)}")
    elif "content-length" not in names and not bodiless:
        chunked = version == "HTTP/1.1"
        lines.append("Transfer-Encoding: chunked" if chunked else "Connection: close")
    start = "\r\n".join([*lines, "", ""]).encode("latin-1")
    if isinstance(content, bytes):
        sock.sendall(start if bodiless else start + content)
        return True
    with _closing(iter(content)) as pieces:
        sock.sendall(start)
        if bodiless:
            return True
        for piece in pieces:
            if piece:
                sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            sock.sendall(b"0\r\n\r\n")
    return chunked or "content-length" in names


@contextlib.contextmanager
def _closing(pieces: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    try:
        yield pieces
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
