"""Startup and liveness probes."""

import http.server
import socket
import threading
from collections.abc import Generator
from typing import Any

import h2.config
import h2.connection
import h2.events
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


def _health_server(listening: socket.socket, status: bytes) -> None:
    """Answer one call of the gRPC health checking protocol."""
    sock, _ = listening.accept()
    connection: Any = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    sock.sendall(connection.data_to_send())
    with sock:
        while data := sock.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.StreamEnded):
                    connection.send_headers(
                        event.stream_id, [(":status", "200"), ("content-type", "application/grpc")]
                    )
                    connection.send_data(event.stream_id, b"\x00\x00\x00\x00\x02" + status)
                    connection.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
            sock.sendall(connection.data_to_send())


@pytest.mark.parametrize(("status", "healthy"), [(b"\x08\x01", True), (b"\x08\x02", False)])
def test_a_grpc_probe_wants_to_hear_that_it_serves(status: bytes, healthy: bool) -> None:
    """NOT_SERVING is a failure; so is a port on which nobody speaks HTTP/2."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_health_server, args=(listening, status), daemon=True)
        thread.start()
        probe = Probe("grpc", "some.Service", 0, 1, 1, 1, port=listening.getsockname()[1])
        assert probes.answers(probe, 1) == healthy
        thread.join(10)
    assert not probes.answers(probe, 1)


def test_a_liveness_probe_fails_after_so_many_failures_in_a_row(port: int) -> None:
    """One that passes in between begins anew; each failure is told."""
    told: list[int] = []
    assert probes.fails(Probe("http", "/bad", 0, 0.02, 1, 3), port, threading.Event(), told.append)
    assert told == [1, 2, 3]
    gone = threading.Event()
    gone.set()
    assert not probes.fails(Probe("http", "/bad", 0, 0.02, 1, 1), port, gone, told.append)
