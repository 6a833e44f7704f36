"""HTTP/1.1 on a socket: requests in, answers out, CONNECT in between.

Written against the standard library's sockets because its own server sends an answer in two writes (40 ms each with
Nagle's algorithm) and can neither stream nor read chunked bodies. One thread per connection, keep-alive, and a body
that is never read unless somebody asks for it.
"""

from __future__ import annotations

import contextlib
import io
import re
import socket
import ssl
import struct
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, Final, cast
from urllib.parse import urlsplit

from reconciler.sandbox.web.incoming import (
    HEAD_SECONDS,
    MAX_HEAD,
    STALL_SECONDS,
    Body,
    Head,
    Incoming,
    Malformed,
    read_head,
)
from reconciler.sandbox.world import Accept, Content, CutOff, Headers, Visit

LINGER_SECONDS: Final = 1.0
MOST_CONNECTIONS: Final = 1000
"""Open connections of one port; those beyond are closed at once, so that slow ones cannot take every thread."""
WORDS: Final = {
    400: "Your client has issued a malformed or illegal request.",
    411: "POST requests require a <code>Content-length</code> header.",
    414: "The requested URL is too large to process.",
    431: "Your client issued a request whose headers were too large.",
}
PAGE: Final = (
    "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>Error {status} ({phrase})!!1</title>\n"
    "  <!-- {reason} -->\n  <p><b>{status}.</b> <ins>That’s an error.</ins>\n"
    "  <p>{text}  <ins>That’s all we know.</ins>\n"
)
_TO: Final = re.compile(r"((?=.{1,253}:)[0-9A-Za-z-]{1,63}(?:\.[0-9A-Za-z-]{1,63})*):([0-9]{1,5})")
"""What CONNECT may name: a host of letters and digits, of which certificates can be made, and a port."""
Tunnel = Callable[[str, int], "ssl.SSLContext | None"]
"""(host, port) of a CONNECT -> the TLS to speak with it, or None to refuse."""


@dataclass
class _Connection:
    sock: socket.socket
    reader: io.BufferedReader
    peer: tuple[str, int]
    port: int
    scheme: str = "http"
    through: str = ""
    """The host of the CONNECT that this connection tunnels to."""


@dataclass
class _Exchange:
    """One request and its one answer."""

    sock: socket.socket
    head: Head
    keep: bool
    """Whether the connection can take another request afterwards."""
    answered: bool = False

    def respond(self, status: int, headers: Headers, content: Content, /) -> None:
        """Send the answer."""
        self.answered = True
        extra = [] if self.keep else [("Connection", "close")]
        only = self.head.method == "HEAD"
        kept = _send(self.sock, self.head.version, status, [*headers, *extra], content, head_only=only)
        self.keep = self.keep and kept


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
            if len(self._open) >= MOST_CONNECTIONS:
                sock.close()
                continue
            self._open.add(sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(sock, peer), daemon=True).start()

    def _serve(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        connection = _Connection(sock, _reader(sock), peer, self.port)
        try:
            while self._one(connection):
                pass
        except (OSError, EOFError, ssl.SSLError):
            pass  # The client went away, or was too slow; there is nobody left to tell.
        except Malformed as error:
            _refuse(connection.sock, error)
        finally:
            self._open.discard(connection.sock)
            with contextlib.suppress(OSError):
                connection.sock.close()

    def _one(self, connection: _Connection) -> bool:
        head = read_head(connection.reader)
        if head is None:
            return False
        if head.method == "CONNECT":
            return self._connect(connection, head)
        exchange = _Exchange(connection.sock, head, keep=_keeps(head))
        body = _body(connection, head)
        visit = _visit(connection, head, body, exchange.respond)
        try:
            self._accept(visit)
        except CutOff:
            # Without lingering, closing sends a reset in place of an orderly end.
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        except (ConnectionError, TimeoutError, ssl.SSLError, EOFError):
            return False  # The client went away, or was too slow.
        except Malformed:
            # The body turned out to be none while it was read.
            if exchange.answered:
                return False
            raise
        except Exception:
            traceback.print_exc()
            if exchange.answered:
                return False  # half an answer is out: only the end of the connection tells the client
        if not exchange.answered:
            failed = b"The sandbox failed on this request; see its log.\n"
            exchange.respond(500, [("Content-Type", "text/plain")], failed)
        return exchange.keep and body.finish()

    def _connect(self, connection: _Connection, head: Head) -> bool:
        found = _TO.fullmatch(head.target)
        context = self._tunnel(found[1], int(found[2])) if self._tunnel is not None and found else None
        if found is None or context is None or connection.through:
            text = f"This is a sandbox: it stands in for Google Cloud and does not lead to {head.target}.\n"
            headers = [("Content-Type", "text/plain"), ("Connection", "close")]
            _send(connection.sock, head.version, 403, headers, text.encode(), head_only=False)
            return False
        connection.sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.sock.settimeout(HEAD_SECONDS)
        wrapped = context.wrap_socket(connection.sock, server_side=True)
        self._open.discard(connection.sock)
        self._open.add(wrapped)
        connection.sock, connection.reader = wrapped, _reader(wrapped)
        connection.scheme, connection.through = "https", found[1].lower()
        return True


def _reader(sock: socket.socket) -> io.BufferedReader:
    return io.BufferedReader(Incoming(sock), 65536)


def _keeps(head: Head) -> bool:
    wish = (head.get("connection") or "").lower()
    return "close" not in wish if head.version == "HTTP/1.1" else "keep-alive" in wish


def _body(connection: _Connection, head: Head) -> Body:
    length = head.length()
    ask = None
    if (head.get("expect") or "").lower() == "100-continue":
        sock = connection.sock
        ask = lambda: sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")  # noqa: E731 -- a name would say no more
    return Body(connection.reader, length, ask)


def _visit(
    connection: _Connection, head: Head, body: Body, respond: Callable[[int, Headers, Content], None]
) -> Visit:
    host, target = head.get("host") or connection.through, head.target
    if not target.startswith("/"):
        try:
            parts = urlsplit(target)
        except ValueError as error:
            raise Malformed("its target is no URL") from error
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


def _refuse(sock: socket.socket, error: Malformed) -> None:
    """Answer what is no request with the page of Google's front end, and the reason in a comment."""
    phrase = HTTPStatus(error.status).phrase
    page = PAGE.format(
        status=error.status, phrase=phrase, text=WORDS.get(error.status, WORDS[400]), reason=error
    )
    headers = [("Content-Type", "text/html; charset=UTF-8"), ("Connection", "close")]
    with contextlib.suppress(OSError):
        _send(sock, "HTTP/1.1", error.status, headers, page.encode(), head_only=False)
        # Closed while something is unread, the connection would be reset, and the answer lost with it.
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(LINGER_SECONDS)
        left = MAX_HEAD * 8
        while left > 0 and (piece := sock.recv(MAX_HEAD)):
            left -= len(piece)


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
    sock.settimeout(STALL_SECONDS)
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
def _closing(pieces: Iterator[bytes]) -> Generator[Iterator[bytes]]:
    try:
        yield pieces
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
