"""Whatever comes in on the sandbox's port: a proper answer or a closed connection, and then the next is served."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import seeds
from tests.fuzz.targets import ALIVE, Http, exchange, sandbox

QUICK = settings(
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
    derandomize=True,
)
WORDS = st.sampled_from([*seeds.HEADERS]) | st.binary(max_size=20)
CHUNKS = st.lists(
    st.sampled_from(
        [
            b"3\r\nabc\r\n",
            b"0\r\n\r\n",
            b"0x1\r\na\r\n",
            b"FFFFFFFFFFFFFFFF\r\n",
            b"-1\r\n",
            b"1;" + b"x" * 9000,
            b"\r\n",
        ]
    ),
    max_size=5,
).map(b"".join)


@pytest.fixture(scope="module", name="http")
def _http() -> Generator[Http]:
    with sandbox() as running:
        yield running


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request out of parts that fit badly, sometimes with bytes changed, sometimes followed by another."""
    whole = b""
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(seeds.PATHS)).encode() + draw(st.just(b"") | st.binary(max_size=6))
        host = draw(st.sampled_from(seeds.HOSTS)).encode()
        headers = tuple(draw(st.lists(WORDS, max_size=3)))
        body = draw(st.sampled_from(seeds.BODIES) | CHUNKS | st.binary(max_size=30))
        whole += seeds.request(draw(st.sampled_from(seeds.METHODS)), path, host, headers, body)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(whole) - 1))
        whole = whole[:at] + draw(st.binary(max_size=4)) + whole[at + draw(st.integers(0, 3)) :]
    return whole


@QUICK
@given(requests(), st.sampled_from([1, 1, 1, 7]))
def test_any_request_is_answered(http: Http, data: bytes, pieces: int) -> None:
    """In one go or in pieces: no fault inside, and the sandbox goes on."""
    http.request(data, pieces)


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes_are_answered(http: Http, data: bytes) -> None:
    """What is no request at all is a 4xx, or the end of the connection."""
    http.request(data)


@pytest.mark.parametrize("data", seeds.requests())
def test_every_seed_is_answered(http: Http, data: bytes) -> None:
    """Each path once with GET and with POST, so that a failure here names its request."""
    http.request(data)


POST = b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
ODD = {
    "a target that is no URL": (b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a target with a bad address": (b"GET http://[x]/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a port of odd digits": (b"CONNECT run.googleapis.com:4\xb23 HTTP/1.1\r\n\r\n", 403),
    "a port without end": (b"CONNECT run.googleapis.com:" + b"9" * 9000 + b" HTTP/1.1\r\n\r\n", 403),
    "a host of odd letters": (b"CONNECT \xe9.googleapis.com:443 HTTP/1.1\r\n\r\n", 403),
    "a host with a path": (b"CONNECT ../x.googleapis.com:443 HTTP/1.1\r\n\r\n", 403),
    "a host without end": (b"CONNECT " + b"a." * 500 + b"googleapis.com:443 HTTP/1.1\r\n\r\n", 403),
    "a huge body that never comes": (POST + b"Content-Length: 9223372036854775807\r\n\r\nx", 404),
    "a huge chunk that never comes": (POST + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nx", 404),
}


@pytest.mark.parametrize(("data", "status"), ODD.values(), ids=ODD)
def test_what_looks_like_a_request_is_refused(http: Http, data: bytes, status: int) -> None:
    """Each with its status."""
    http.request(data)
    assert exchange(http.port, data).startswith(f"HTTP/1.1 {status} ".encode())


JSON = {
    "nested": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "nested a little": b'{"a":' * 150 + b"1" + b"}" * 150,
    "NaN": b'{"labels":{"a":NaN}}',
    "infinite": b'{"labels":{"a":1e999}}',
    "half a character": b'{"labels":{"a":"\\ud800"}}',
    "a payload that is none": b'{"payload":5}',
    "no UTF-8": b'{"labels":{"a":"\xff"}}',
}


@pytest.mark.parametrize("body", JSON.values(), ids=JSON)
@pytest.mark.parametrize(
    "path", [f"/v1/projects/{seeds.PROJECT}/secrets?secretId=x", "/storage/v1/b", "/v1/token"]
)
def test_json_that_cannot_be_kept_is_a_400(http: Http, path: str, body: bytes) -> None:
    """At an API, at storage and where tokens are exchanged."""
    host = (
        b"storage.googleapis.com"
        if "storage" in path
        else b"sts.googleapis.com"
        if "token" in path
        else b"secretmanager.googleapis.com"
    )
    sent = seeds.request(b"POST", path.encode(), host, (b"Content-Type: application/json",), body)
    http.request(sent)
    assert exchange(http.port, sent).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 403 "))


def test_headers_without_end_take_no_memory(http: Http) -> None:
    """They are cut off after some kilobytes, however many come."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    http.request(
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: " + b"b" * 8000 + b"\r\n" * 1 + b"X: 1\r\n" * 2_000_000
    )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_slow_senders_hold_up_nobody(http: Http) -> None:
    """Fifty that have sent half a head, and fifty half a body: everybody else is served at once."""
    half = (b"GET / HTT", POST + b"Content-Length: 10\r\n\r\nabc")
    held = [socket.create_connection(("127.0.0.1", http.port), 10) for _ in range(100)]
    try:
        for number, one in enumerate(held):
            one.sendall(half[number % 2])
        answers: list[bytes] = []
        asking = [
            threading.Thread(target=lambda: answers.append(exchange(http.port, ALIVE))) for _ in range(10)
        ]
        for one in asking:
            one.start()
        for one in asking:
            one.join(10)
        assert len(answers) == 10
        assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    finally:
        for one in held:
            one.close()
