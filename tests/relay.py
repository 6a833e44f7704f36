"""A relay in front of a sandbox that counts requests, can delay or hinder them, and knows how deep the rounds were."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DROPPED = {"connection", "transfer-encoding", "keep-alive"}


READ_BY_POST = ("getIamPolicy", "testIamPermissions", "getEffectiveOrgPolicy")


@dataclass(frozen=True, slots=True)
class Passed:
    """One request that went through, with the body that was *sent*; *began* and *ended* in seconds of one clock."""

    method: str
    path: str
    status: int
    began: float
    ended: float
    sent: bytes = field(default=b"", repr=False)

    @property
    def about_the_lease(self) -> bool:
        """Whether it takes, renews or gives back the claim that keeps two applies apart."""
        return re.search(r"/secrets(/|\?.*secretId=)[a-z0-9-]+-lease($|[?&])", self.path) is not None

    @property
    def writes(self) -> bool:
        """Whether it could change something of the deployment: the lease is no part of that.

        Reading a policy is a POST in some APIs.
        """
        return (
            self.method != "GET"
            and not self.about_the_lease
            and not any(f":{read}" in self.path for read in READ_BY_POST)
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client is answered."""

    status: int
    reason: str
    content: bytes
    headers: tuple[tuple[str, str], ...] = ()


Hinder = Callable[[str, str, Callable[[], Reply]], Reply | None]
"""Given a request's method and path, and what forwards it: the answer, or None to break the connection off."""


@dataclass
class Relay:
    """Where to send requests (*url*), and what has gone through so far."""

    url: str
    passed: list[Passed] = field(default_factory=list[Passed])

    @property
    def writes(self) -> list[Passed]:
        """The requests that could change something."""
        return [request for request in self.passed if request.writes]

    @property
    def rounds(self) -> int:
        """How many requests had to wait for one another: the longest chain without an overlap."""
        count, end = 0, float("-inf")
        for request in sorted(self.passed, key=lambda request: request.ended):
            if request.began >= end:
                count, end = count + 1, request.ended
        return count


def _as_it_is(body: bytes) -> bytes:
    return body


def _let_through(method: str, path: str, forward: Callable[[], Reply]) -> Reply:
    del method, path
    return forward()


@contextmanager
def relay(
    endpoint: str,
    delay: float = 0.0,
    reshape: Callable[[bytes], bytes] = _as_it_is,
    understand: Callable[[bytes], bytes] = _as_it_is,
    hinder: Hinder = _let_through,
) -> Generator[Relay]:
    """A relay to *endpoint* (http://HOST:PORT) for as long as the block lasts.

    Each answer comes *delay* seconds late; a JSON answer becomes what *reshape* makes of it, and a JSON request what
    *understand* makes of it. *hinder* may do something else with a request than to forward it, or do more; a connection
    that it breaks off is noted with the status 0.
    """
    host = endpoint.split("://", 1)[1]
    log: list[Passed] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _pass_on(self) -> None:
            began = time.monotonic()
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if len(body) < length:  # who sent it was killed meanwhile: half a request is none
                self.close_connection = True
                return
            if (self.headers.get("Content-Type") or "").startswith("application/json") and body:
                body = understand(body)
            reply = hinder(self.command, self.path, lambda: self._forward(body))
            if delay:
                time.sleep(delay)
            status = reply.status if reply else 0
            log.append(Passed(self.command, self.path, status, began, time.monotonic(), body))
            if reply is None:
                self._break_off()
                return
            head = [f"HTTP/1.1 {reply.status} {reply.reason}"]
            head += [f"{k}: {v}" for k, v in reply.headers if k.lower() not in DROPPED | {"content-length"}]
            head += [f"Content-Length: {len(reply.content)}", "", ""]
            self.wfile.write("\r\n".join(head).encode() + reply.content)

        def _forward(self, body: bytes) -> Reply:
            connection = http.client.HTTPConnection(host, timeout=60)
            dropped = DROPPED | {"host", "content-length"}
            headers = {k: v for k, v in self.headers.items() if k.lower() not in dropped}
            connection.request(self.command, self.path, body, {**headers, "Host": host})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if (answer.getheader("Content-Type") or "").startswith("application/json") and content:
                content = reshape(content)
            return Reply(answer.status, answer.reason, content, tuple(answer.getheaders()))

        def _break_off(self) -> None:
            self.close_connection = True
            at_once = struct.pack("ii", 1, 0)  # a reset, as a broken line is felt, instead of an orderly end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            socket.close(self.connection.detach())

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815 -- http.server fixes these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- http.server fixes this name
            """Say nothing: `passed` is the log."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that was killed, or gave up, is no trouble of the relay's."""
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(request, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Relay(f"http://127.0.0.1:{server.server_port}", log)
    finally:
        server.shutdown()
        server.server_close()
