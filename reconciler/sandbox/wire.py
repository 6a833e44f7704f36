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
import struct
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from reconciler.sandbox.incoming import Body, Head, Malformed, read_head
from reconciler.sandbox.world import Accept, Content, CutOff, Headers, Visit

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
        connection = _Connection(sock, _reader(sock), peer, self.port)
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
        except CutOff:
            # Without lingering, closing sends a reset in place of an orderly end.
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        except (OSError, EOFError):
            return False
        except Exception:
            traceback.print_exc()
            if answered:
                return False  # half an answer is out: only the end of the connection tells the client
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
        connection.sock, connection.reader = wrapped, _reader(wrapped)
        connection.scheme, connection.through = "https", host
        return True


def _reader(sock: socket.socket) -> io.BufferedReader:
    return cast("io.BufferedReader", sock.makefile("rb", 65536))


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
        ask = lambda: sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")  # noqa: E731 -- a name would say no more
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
def _closing(pieces: Iterator[bytes]) -> Generator[Iterator[bytes]]:
    try:
        yield pieces
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
