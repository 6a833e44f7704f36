"""Startup probes."""

import http.server
import threading
from collections.abc import Generator

import pytest

from reconciler.sandbox.runtime import probes
from reconciler.sandbox.runtime.containers import free_port
from reconciler.sandbox.runtime.revision import Probe


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """200 below /good for who sends the header, 503 elsewhere."""
        self.send_response(200 if self.path == "/good" and self.headers["X-Probe"] == "1" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name is the library's
        """Nothing."""


@pytest.fixture(name="port")
def _port() -> Generator[int]:
    """A web server's port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def _http(path: str) -> Probe:
    return Probe("http", path, 0, 0.1, 0.1, 3, (("X-Probe", "1"),))


def test_a_listening_port_passes_a_tcp_probe(port: int) -> None:
    """A connection is enough."""
    assert probes.passes(Probe("tcp", "", 0, 1, 1, 1), port, threading.Event())


def test_an_http_probe_wants_a_good_status_and_sends_its_headers(port: int) -> None:
    """200 to 399; anything else is tried again until the time is over."""
    assert probes.passes(_http("/good"), port, threading.Event())
    assert not probes.passes(_http("/bad"), port, threading.Event())


def test_a_closed_port_fails_when_the_time_is_over() -> None:
    """Period times failures."""
    assert not probes.passes(Probe("tcp", "", 0, 0.1, 0.1, 2), free_port(), threading.Event())


def test_a_container_that_is_gone_is_not_waited_for() -> None:
    """Whatever time is left."""
    gone = threading.Event()
    gone.set()
    assert not probes.passes(Probe("tcp", "", 0, 240, 240, 1), free_port(), gone)
