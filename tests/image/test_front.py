"""What nginx hands on, seen by an application of the test's own on MLflow's socket."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Generator
from typing import Any

import pytest

from tests.image import machine
from tests.image.machine import HOST, Postgres, Server

PROTOCOLS = pytest.mark.parametrize("http2", [False, True], ids=["http1", "h2c"])


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the path and the headers that it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        heard = {"path": self.path, **{name.lower(): value for name, value in self.headers.items()}}
        body = json.dumps(heard).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the library's name for it
        """Say nothing: there is no client address on a Unix socket to say."""


@pytest.fixture(scope="module", params=["none", "basic"])
def front(
    request: pytest.FixtureRequest, postgres: Postgres, search_path: str, migrated: str
) -> Generator[Server]:
    """A server with and without a login, whose nginx finds the echo where MLflow was."""
    auth: str = request.param
    variables = {"PATH": search_path, **machine.basic(postgres, migrated), "FRONT_AUTH": auth}
    with machine.started(["serve"], variables) as server:
        server.wait_until_open()
        path = server.run_dir() / "mlflow.sock"
        path.rename(path.with_name("old.sock"))  # nginx has made no connection to it yet
        with socketserver.ThreadingUnixStreamServer(str(path), Echo) as echo:
            echo.daemon_threads = True
            threading.Thread(target=echo.serve_forever, daemon=True).start()
            yield server
            echo.shutdown()


def heard(front: Server, path: str, http2: bool, **headers: str) -> dict[str, str]:
    """What arrives behind nginx."""
    with machine.client(front, http2=http2) as client:
        answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    return answer.json()


@PROTOCOLS
def test_the_host_arrives_as_it_was_sent(front: Server, http2: bool) -> None:
    """The name with its port, in both protocols; MLflow's check is exact."""
    assert heard(front, "/", http2)["host"] == HOST
    assert heard(front, "/", http2, Host="localhost:8080")["host"] == "localhost:8080"


@PROTOCOLS
def test_path_and_query_arrive_untouched(front: Server, http2: bool) -> None:
    """Nothing is decoded, merged or dropped on the way."""
    path = "/a%2Fb//c%20d?x=1&y=%26"
    assert heard(front, path, http2)["path"] == path


@PROTOCOLS
def test_the_login_stays_at_the_door(front: Server, http2: bool) -> None:
    """Where nginx asks for a login MLflow never sees it; where it does not, the header is not nginx's business."""
    arrived = heard(front, "/", http2)
    assert ("authorization" in arrived) == (front.variables["FRONT_AUTH"] == "none")


def test_who_asked_is_handed_on(front: Server) -> None:
    """The scheme that the outermost proxy saw, and the chain of addresses."""
    direct = heard(front, "/", False)
    assert direct["x-forwarded-proto"] == "http"
    assert direct["x-forwarded-for"] == "127.0.0.1"
    assert direct["x-forwarded-host"] == HOST
    behind = heard(front, "/", False, **{"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"})
    assert behind["x-forwarded-proto"] == "https"
    assert behind["x-forwarded-for"] == "198.51.100.7, 127.0.0.1"


def test_the_health_path_is_written_out(front: Server) -> None:
    """However /health was spelt, what arrives behind the unlocked door is /health."""
    status, body = machine.get_raw(front, "/api/../secret/../health?x=1")
    assert status == 200
    assert json.loads(body)["path"] == "/health?x=1"
