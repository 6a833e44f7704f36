"""HTTP on the sandbox's port: keep-alive, bodies of every kind, the proxy, and what is refused."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
import ssl
import time
from collections.abc import Generator

import pytest

from reconciler.sandbox.control import Running
from reconciler.sandbox.web import incoming, wire
from reconciler.sandbox.web.wire import Listener
from reconciler.sandbox.world import Visit

CHUNKED = (
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"
)
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def echo(visit: Visit) -> None:
    """Answers with what came in; below /stream in pieces, below /ignore without reading the body."""
    if visit.target.startswith("/ignore"):
        visit.respond(200, [], b"ignored")
    elif visit.target.startswith("/stream"):
        visit.respond(200, [], iter([b"one", b"", b"two"]))
    elif visit.target.startswith("/fail"):
        raise RuntimeError("a fault in what serves")
    else:
        seen = [visit.method, visit.host, visit.target, visit.body.read().decode()]
        visit.respond(200, [("Content-Type", "application/json")], json.dumps(seen).encode())


@pytest.fixture(name="listener")
def _listener() -> Generator[Listener]:
    listener = Listener(0, echo)
    yield listener
    listener.close()


def talk(port: int, sent: bytes) -> bytes:
    """Everything that comes back for *sent* until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(sent)
        received = b""
        while piece := sock.recv(65536):
            received += piece
    return received


def test_two_requests_share_a_connection(listener: Listener) -> None:
    """A chunked body is read to its end, and the next request starts right behind it."""
    received = talk(listener.port, CHUNKED + NEXT)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert b'["POST", "a", "/x", "abcdefg"]' in received
    assert b'["GET", "a", "/next", ""]' in received


def test_a_body_that_nobody_read_does_not_become_a_request(listener: Listener) -> None:
    """What was left of a body is read away before the next request."""
    sent = b"POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\nGET /bad HTTP/1.1\r\n" + NEXT
    received = talk(listener.port, sent)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert b"/bad" not in received


def test_a_stream_goes_out_in_chunks(listener: Listener) -> None:
    """Without a length an answer is chunked; an empty piece does not end it."""
    received = talk(listener.port, b"GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in received
    assert received.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_a_client_that_waits_is_told_to_go_on(listener: Listener) -> None:
    """100 Continue is sent when the body is wanted, and only then."""
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as sock:
        sock.sendall(head % b"/x")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"ok")
        assert b'"ok"' in sock.recv(1000)
    assert b"100 Continue" not in talk(listener.port, head % b"/ignore")


def test_a_fault_is_a_500_and_the_port_lives_on(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    """What goes wrong inside is answered, and the next connection is served."""
    assert talk(listener.port, b"GET /fail HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 500"
    )
    assert talk(listener.port, NEXT).startswith(b"HTTP/1.1 200")
    assert "a fault in what serves" in capsys.readouterr().err


POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CODED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nbroken header\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: +1\r\n\r\na",
        POST + b"Content-Length: 1_0\r\n\r\na",
        POST + b"Content-Length: 1, 1\r\n\r\na",
        POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
        POST + b"Content-Length: 1\r\nContent-Length: 5\r\n\r\nabcde",
        POST + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CODED + b"+3\r\nabc\r\n0\r\n\r\n",
        CODED + b"0x3\r\nabc\r\n0\r\n\r\n",
        CODED + b"-3\r\nabc\r\n0\r\n\r\n",
        CODED + b" 3\r\nabc\r\n0\r\n\r\n",
        CODED + b"3\nabc\r\n0\r\n\r\n",
        CODED + b"\r\nabc\r\n0\r\n\r\n",
        CODED + b"3\r\nabcde\r\n0\r\n\r\n",
        CODED + b"11111111111111111\r\nabc\r\n0\r\n\r\n",
        CODED + b"0\r\nbroken trailer\r\n\r\n",
    ],
)
def test_what_can_be_read_in_two_ways_is_a_400(listener: Listener, sent: bytes) -> None:
    """It is refused with the page of Google's front end, and the connection closed: nothing behind it is served."""
    received = talk(listener.port, sent + NEXT)
    assert received.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"malformed or illegal request" in received
    assert received.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 300 + b"\r\n", 431),
        (CODED + b"0\r\n" + b"X: 1234567890\r\n" * 3_000 + b"\r\n", 431),
        (POST + b"\r\n", 411),
    ],
)
def test_what_is_too_large_or_has_no_length_is_said(listener: Listener, sent: bytes, status: int) -> None:
    """Each with its own status; the answer arrives although not all was read."""
    assert talk(listener.port, sent).startswith(f"HTTP/1.1 {status} ".encode())


def test_what_is_large_and_proper_is_served(listener: Listener) -> None:
    """Headers of 30 KiB, many small chunks, trailers, a length with zeros before it."""
    large = b"GET /x HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 30_000 + b"\r\n\r\n"
    chunks = CODED + b"1\r\na\r\n" * 50 + b"0\r\nX-Sum: 1\r\n\r\n"
    padded = POST + b"Content-Length: 003\r\n\r\nabc"
    received = talk(listener.port, large + chunks + padded + NEXT)
    assert received.count(b"HTTP/1.1 200 OK") == 4
    assert b"a" * 50 in received


def test_a_head_that_drips_is_given_up(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has one time in all, however often a byte comes; a connection that waits for its next request does not."""
    monkeypatch.setattr(incoming, "HEAD_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as sock:
        assert not select.select([sock], [], [], 0.5)[0]
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 5:
                sock.sendall(b"G")
                if select.select([sock], [], [], 0.05)[0] and not sock.recv(1):
                    break
        assert time.monotonic() - began < 4


def test_slow_connections_cannot_take_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number they are closed at once; when one ends, the next is served."""
    monkeypatch.setattr(wire, "MOST_CONNECTIONS", 2)
    listener = Listener(0, echo)
    held = [socket.create_connection(("127.0.0.1", listener.port), timeout=10) for _ in range(2)]
    try:
        for one in held:
            one.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
            assert one.recv(100).startswith(b"HTTP/1.1 100")
        assert _served(listener.port) == b""
        held[0].close()
        deadline = time.monotonic() + 10
        while not (answered := _served(listener.port)):
            assert time.monotonic() < deadline
        assert answered.startswith(b"HTTP/1.1 200")
    finally:
        for one in held:
            one.close()
        listener.close()


def _served(port: int) -> bytes:
    try:
        return talk(port, NEXT)
    except ConnectionError:
        return b""


def test_a_closed_listener_frees_its_port(listener: Listener) -> None:
    """The port can be taken again at once."""
    listener.close()
    again = Listener(listener.port, echo)
    assert talk(again.port, NEXT).startswith(b"HTTP/1.1 200")
    again.close()


def proxied(running: Running, host: str) -> http.client.HTTPSConnection:
    """A connection to *host* through the sandbox's proxy that checks its certificate."""
    trusted = ssl.create_default_context(cafile=str(running.home / "tls" / "ca.pem"))
    connection = http.client.HTTPSConnection("127.0.0.1", running.port, timeout=10, context=trusted)
    connection.set_tunnel(host, 443)
    return connection


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("cloudresourcemanager.googleapis.com", "/v1/projects"),
        ("serviceusage.googleapis.com", "/v1/projects/shared-project/services"),
        ("www.googleapis.com", "/oauth2/v3/certs"),
    ],
)
def test_the_proxy_speaks_for_googles_hosts(running: Running, host: str, path: str) -> None:
    """CONNECT leads to the sandbox, with a certificate that its own authority signed."""
    connection = proxied(running, host)
    for _ in range(2):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())
    connection.close()


@pytest.mark.parametrize(
    "target", ["example.com:443", "storage.googleapis.com:80", "evilgoogleapis.com:443", "x"]
)
def test_the_proxy_leads_nowhere_else(running: Running, target: str) -> None:
    """Other hosts are refused, with a sentence that says why."""
    received = talk(running.port, f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
    assert received.startswith(b"HTTP/1.1 403")
    assert f"does not lead to {target}".encode() in received


def test_absolute_targets_are_served(running: Running) -> None:
    """A plain proxy request carries the host in its target."""
    sent = b"GET http://us-central1-run.sandbox/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    received = talk(running.port, sent)
    assert received.startswith(b"HTTP/1.1 404")
    assert b"sandboxNotEmulated" in received


def test_a_web_page_cannot_reach_the_apis(running: Running) -> None:
    """Neither through a name that points here, nor from a page that a browser has open."""
    for extra in (b"Host: rebound.example\r\n", b"Host: 127.0.0.1\r\nOrigin: https://evil.example\r\n"):
        head = b"POST /sandbox/v1/stop HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n"
        assert talk(running.port, head + extra + b"\r\n").startswith(b"HTTP/1.1 403")
