"""A container as the front door sees it: connections kept open, everything streamed, HTTP/1.1 or h2c."""

import contextlib
import http.client
import select
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

_READ = 256 * 1024


class UpstreamError(Exception):
    """The container did not answer properly."""


class NotListening(UpstreamError):
    """The container does not take connections; nothing of the request was sent."""


@dataclass(frozen=True)
class Outgoing:
    """A request to a container; `body` is None where there is none, `length` None where it is not known."""

    method: str
    target: str
    host: str
    headers: Sequence[tuple[str, str]]
    body: Iterator[bytes] | None = None
    length: int | None = None


@dataclass(frozen=True)
class Received:
    """A container's answer; `body` yields as it comes, and must be read to its end or closed."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: Iterator[bytes]


class Connection(Protocol):
    """One connection to a container."""

    def exchange(self, outgoing: Outgoing, timeout: float) -> Received:
        """Send a request, and return when the answer's headers are here."""
        ...

    def idle(self) -> bool:
        """Whether another request can go out on it."""
        ...

    def close(self) -> None:
        """Drop it."""
        ...


class Pool:
    """The connections to one container."""

    def __init__(self, port: int, *, h2c: bool) -> None:
        self.port = port
        self._h2c = h2c
        self._lock = threading.Lock()
        self._free: list[Connection] = []

    def exchange(self, outgoing: Outgoing, timeout: float) -> Received:
        """Send a request over a free connection. Raises UpstreamError, or TimeoutError."""
        connection = self._take(timeout)
        received = connection.exchange(outgoing, timeout)
        return Received(received.status, received.headers, self._returning(connection, received.body))

    def close(self) -> None:
        """Drop every free connection."""
        with self._lock:
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    def _take(self, timeout: float) -> Connection:
        while True:
            with self._lock:
                connection = self._free.pop() if self._free else None
            if connection is None:
                return self._open(timeout)
            if connection.idle():
                return connection

    def _open(self, timeout: float) -> Connection:
        try:
            if self._h2c:
                from reconciler.sandbox.runtime.upstream_h2 import H2Connection

                return H2Connection(self.port, timeout)
            return H1Connection(self.port, timeout)
        except OSError as error:
            raise NotListening(f"the container does not take connections: {error}") from error

    def _returning(self, connection: Connection, body: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from body
        except BaseException:
            connection.close()
            raise
        if connection.idle():
            with self._lock:
                self._free.append(connection)
        else:
            connection.close()


class H1Connection:
    """HTTP/1.1 to a container."""

    def __init__(self, port: int, timeout: float) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self._http.connect()
        self._busy = False

    def close(self) -> None:
        """Drop the connection."""
        self._http.close()

    def idle(self) -> bool:
        """Whether it is open, and the last answer was read to its end."""
        return self._http.sock is not None and not self._busy and not _readable(self._http.sock)

    def exchange(self, outgoing: Outgoing, timeout: float) -> Received:
        """Send a request and return its answer as soon as its headers are here. Raises UpstreamError."""
        self._busy = True
        self._http.sock.settimeout(timeout)
        try:
            self._http.putrequest(outgoing.method, outgoing.target, skip_host=True, skip_accept_encoding=True)
            self._http.putheader("Host", outgoing.host)
            for name, value in outgoing.headers:
                self._http.putheader(name, value)
            chunked = outgoing.body is not None and outgoing.length is None
            if chunked:
                self._http.putheader("Transfer-Encoding", "chunked")
            self._http.endheaders()
            # A container may answer before it has read everything, and close: its answer counts.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._send(outgoing.body, chunked=chunked)
            answer = self._http.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise
            raise UpstreamError(str(error) or type(error).__name__) from error
        return Received(answer.status, answer.getheaders(), self._body(answer))

    def _send(self, body: Iterator[bytes] | None, *, chunked: bool) -> None:
        for piece in body or ():
            if chunked and piece:
                self._http.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            elif piece:
                self._http.send(piece)
        if chunked:
            self._http.send(b"0\r\n\r\n")

    def _body(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        try:
            while piece := answer.read1(_READ):
                yield piece
            if answer.length:
                raise UpstreamError("the container broke off its answer")
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, TimeoutError):
                raise
            raise UpstreamError(f"the container broke off its answer: {error}") from error
        # read1 does not notice the end of a body of known length, and the connection waits for it.
        answer.close()
        self._busy = False


def _readable(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])
