"""What stands in front of a service, with a real nginx behind it that speaks h2c and HTTP/1.1."""

import base64
import contextlib
import http.server
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox.runtime import front_door, probes, programs
from reconciler.sandbox.runtime.containers import free_port
from reconciler.sandbox.runtime.front_door import NotServing, Target
from reconciler.sandbox.runtime.revision import Probe
from reconciler.sandbox.runtime.upstream import Outgoing, Pool
from reconciler.sandbox.world import Visit, World
from tests.sandbox.runtime.worlds import Answered, make_world, visit

NAME = "projects/test-project/locations/europe-west9/services/web"
HOST = "web-123456789012.europe-west9.run.app"
MIB = 1 << 20
NGINX = """daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;
events {{}}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port}; http2 on; root {folder};
    location /file {{ try_files /file =404; }}
    location / {{ proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_buffering off; proxy_set_header Host $host; }}
  }}
}}
"""


class _Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """What came in, as JSON; some paths answer otherwise."""
        if self.path == "/redirect":
            self._answer(
                302, b"", Location=f"https://{HOST}/there", **{"Set-Cookie": "a=b; Secure; Domain=x; Path=/"}
            )
        elif self.path == "/slow":
            time.sleep(1.5)
            self._answer(200, b"late")
        elif self.path == "/large":
            self._answer(200, bytes(33 * MIB))
        else:
            seen = {"path": self.path, "method": self.command, "headers": dict(self.headers)}
            self._answer(200, json.dumps(seen).encode())

    do_HEAD = do_GET  # noqa: N815 -- the name is the library's

    def do_PUT(self) -> None:
        """The number of bytes that came."""
        total = 0
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                total += len(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        left = int(self.headers.get("Content-Length") or 0)
        while left and (piece := self.rfile.read(min(MIB, left))):
            left -= len(piece)
            total += len(piece)
        self._answer(200, str(total).encode())

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(BrokenPipeError):
                self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name is the library's
        """Nothing."""


@dataclass
class Door:
    """A service with one revision, and who stands behind it."""

    world: World
    h1: Pool
    h2: Pool
    service: dict[str, Any]
    h2c: bool = True
    timeout: float = 30
    notes: list[str] = field(default_factory=list[str])
    serving: bool = True

    def target(self, revision: str) -> Target:
        """The upstream that is chosen."""
        if not self.serving:
            raise NotServing(f"{revision} does not start")
        return Target(self.h2 if self.h2c else self.h1, self.h2c, self.timeout)

    def admitted(self, revision: str) -> contextlib.AbstractContextManager[None]:
        """Room without end."""
        del revision
        return contextlib.nullcontext()

    def note(self, revision: str, line: str) -> None:
        """Kept."""
        self.notes.append(f"{revision}: {line}")

    def ask(self, method: str = "GET", target: str = "/", body: bytes = b"", **headers: str) -> Answered:
        """One request from outside."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        serve: Callable[[Visit], None] = lambda one: front_door.answer(self.world, self, self.service, one)  # noqa: E731 -- a name for a closure
        return visit(serve, method, target, {"Host": "127.0.0.1:9480", **sent}, body)

    def open(self) -> None:
        """Let everybody in."""
        self.world.policies.add(NAME, "roles/run.invoker", "allUsers")


@pytest.fixture(scope="module", name="ports")
def _ports(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[int, int]]:
    """The ports of the echo server and of the nginx before it."""
    folder = tmp_path_factory.mktemp("nginx")
    echo = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    port = free_port()
    (folder / "file").write_bytes(bytes(100 * MIB))
    (folder / "conf").write_text(
        "user root;\n" * (os.getuid() == 0) + NGINX.format(folder=folder, port=port, behind=echo.server_port)
    )
    command = [str(programs.nginx()), "-c", str(folder / "conf"), "-p", str(folder), "-e", "stderr"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as nginx:
        assert probes.passes(Probe("tcp", "", 0, 10, 10, 1), port, threading.Event())
        yield echo.server_port, port
        nginx.terminate()
    echo.shutdown()
    echo.server_close()


@pytest.fixture(name="door")
def _door(top: Path, ports: tuple[int, int]) -> Iterator[Door]:
    """A service that nobody may call yet."""
    service = {
        "name": NAME,
        "ingress": "INGRESS_TRAFFIC_ALL",
        "urls": [f"https://{HOST}", "https://web-abc-od.a.run.app"],
        "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
        "latestReadyRevision": f"{NAME}/revisions/web-00001-abc",
    }
    door = Door(make_world(top), Pool(ports[0], h2c=False), Pool(ports[1], h2c=True), service)
    yield door
    door.h1.close()
    door.h2.close()


def _headers(answered: Answered) -> dict[str, str]:
    """What the container saw, by lower-case names."""
    return {name.lower(): value for name, value in json.loads(answered.body)["headers"].items()}


def test_strangers_are_refused_with_googles_page(door: Door) -> None:
    """No token: 403; a token that is none: 401."""
    refused = door.ask()
    assert refused.status == 403
    assert b"does not have permission to get URL <code>/</code>" in refused.body
    wrong = door.ask(Authorization="Bearer ya29.not-an-id-token")
    assert wrong.status == 401
    assert wrong.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


def test_an_invokers_token_for_this_service_opens(door: Door) -> None:
    """Not one for another service, not an expired one, not one of somebody without the role."""
    world = door.world
    world.policies.add(NAME, "roles/run.invoker", "user:ada@example.com")
    mint = world.identities.mint_id_token
    assert door.ask(Authorization=f"Bearer {mint('ada@example.com', f'https://{HOST}')}").status == 200
    assert (
        door.ask(Authorization=f"bearer {mint('ada@example.com', 'https://web-abc-od.a.run.app')}").status
        == 200
    )
    assert door.ask(Authorization=f"Bearer {mint('ada@example.com', 'https://other')}").status == 401
    assert (
        door.ask(Authorization=f"Bearer {mint('ada@example.com', f'https://{HOST}', seconds=-1)}").status
        == 401
    )
    assert door.ask(Authorization=f"Bearer {mint('bob@example.com', f'https://{HOST}')}").status == 403


def test_the_containers_own_login_travels_beside_the_token(door: Door) -> None:
    """X-Serverless-Authorization is looked at first; Authorization goes through untouched."""
    door.world.policies.add(NAME, "roles/run.invoker", "user:ada@example.com")
    token = door.world.identities.mint_id_token("ada@example.com", f"https://{HOST}")
    answered = door.ask(Authorization="Basic dTpw", X_Serverless_Authorization=f"Bearer {token}")
    assert answered.status == 200
    headers = _headers(answered)
    assert headers["authorization"] == "Basic dTpw"
    assert (
        headers["x-serverless-authorization"]
        == f"Bearer {token.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"
    )


def test_a_container_never_gets_a_token_it_could_use(door: Door) -> None:
    """The signature of Google's tokens is taken off on public services, too."""
    door.open()
    token = door.world.identities.mint_id_token("ada@example.com", f"https://{HOST}")
    answered = door.ask(Authorization=f"Bearer {token}")
    unsigned = f"Bearer {token.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"
    assert _headers(answered)["authorization"] == unsigned


def test_a_container_checks_other_peoples_tokens_itself(door: Door) -> None:
    """On a public service the token of another issuer arrives whole: containers there check logins of their own."""
    door.open()
    claims = base64.urlsafe_b64encode(b'{"iss": "https://login.acme.example"}').decode().rstrip("=")
    for token in (f"a.{claims}.signature", "a.b.signature"):
        assert _headers(door.ask(Authorization=f"Bearer {token}"))["authorization"] == f"Bearer {token}"


def test_a_container_sees_the_services_own_address(door: Door) -> None:
    """Host, Origin and Referer are those of the real URL; the proxy headers are Google's."""
    door.open()
    local = "http://127.0.0.1:9480"
    answered = door.ask(
        target="/a%2Fb?c=d", Origin=local, Referer=f"{local}/x", X_Forwarded_Proto="http", TE="trailers"
    )
    headers = _headers(answered)
    assert json.loads(answered.body)["path"] == "/a%2Fb?c=d"
    assert (headers["host"], headers["origin"], headers["referer"]) == (
        HOST,
        f"https://{HOST}",
        f"https://{HOST}/x",
    )
    assert (headers["x-forwarded-proto"], headers["forwarded"]) == ("https", 'for="127.0.0.1";proto=https')
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert "x-cloud-trace-context" in headers
    assert "te" not in headers


def test_a_foreign_origin_stays_foreign(door: Door) -> None:
    """What another web page sends must not look like our own."""
    door.open()
    for origin in ("https://evil.example", "http://127.0.0.1:94801", "null"):
        assert _headers(door.ask(Origin=origin))["origin"] == origin


def test_redirects_and_cookies_lead_back_to_the_local_address(door: Door) -> None:
    """A browser on http://127.0.0.1 would drop a Secure cookie and leave for a host that is not there."""
    door.open()
    answered = door.ask(target="/redirect")
    headers = {name.lower(): value for name, value in answered.headers.items()}
    assert headers["location"] == "http://127.0.0.1:9480/there"
    assert headers["set-cookie"] == "a=b; Path=/"


@pytest.mark.parametrize("h2c", [True, False])
def test_methods_and_empty_bodies_pass(door: Door, h2c: bool) -> None:
    """HEAD has no body; a PUT without one is a PUT of nothing. Many requests go over one connection."""
    door.open()
    door.h2c = h2c
    for _ in range(5):
        assert door.ask("HEAD").body == b""
        assert door.ask("PUT").body == b"0"
        assert door.ask("PUT", body=b"x" * 100_000).body == b"100000"


def test_http1_requests_end_at_32_mib_and_h2c_requests_do_not(door: Door) -> None:
    """Declared or chunked; with h2c up to the container there is no limit."""
    door.open()
    body = bytes(33 * MIB)
    assert door.ask("PUT", body=body).body == str(len(body)).encode()
    assert door.ask("PUT", body=body, Transfer_Encoding="chunked").body == str(len(body)).encode()
    door.h2c = False
    assert door.ask("PUT", body=body).status == 413
    assert door.ask("PUT", body=body, Transfer_Encoding="chunked").status == 413
    assert door.ask("PUT", body=bytes(31 * MIB)).status == 200


def test_a_large_answer_over_http1_is_an_error(door: Door) -> None:
    """Cloud Run answers 500 where an answer declares more than 32 MiB."""
    door.open()
    assert len(door.ask(target="/large").body) == 33 * MIB
    door.h2c = False
    assert door.ask(target="/large").status == 500
    assert "Response size was too large" in door.notes[-1]


def test_100_mib_go_up_and_down_quickly(door: Door) -> None:
    """At 50 MiB/s they take 2 s each way; twice that is given, because the machine does other things, too."""
    door.open()
    start = time.perf_counter()
    assert door.ask("PUT", body=bytes(100 * MIB)).status == 200
    up = time.perf_counter() - start
    answered = door.ask(target="/file")
    down = time.perf_counter() - start - up
    assert len(answered.body) == 100 * MIB
    assert (up < 4, down < 4) == (True, True), (up, down)


def test_a_request_ends_at_the_revisions_timeout(door: Door) -> None:
    """504 with the front end's words, and a line in the log."""
    door.open()
    door.timeout = 0.3
    for door.h2c in (True, False):
        assert (door.ask(target="/slow").status, door.ask(target="/slow").body) == (
            504,
            b"upstream request timeout",
        )
    assert "maximum request timeout" in door.notes[0]


def test_without_an_instance_there_is_503(door: Door) -> None:
    """Not started, and not there any more."""
    door.open()
    door.serving = False
    assert door.ask().status == 503
    door.serving = True
    door.h2 = Pool(free_port(), h2c=True)
    assert door.ask().status == 503


def test_an_internal_service_is_not_found_from_outside(door: Door) -> None:
    """404, whoever asks."""
    door.open()
    door.service["ingress"] = "INGRESS_TRAFFIC_INTERNAL_ONLY"
    assert door.ask().status == 404


def test_a_service_without_the_invoker_check_is_open(door: Door) -> None:
    """invokerIamDisabled is the other way to be public."""
    door.service["invokerIamDisabled"] = True
    assert door.ask().status == 200


def test_a_client_that_goes_away_does_not_spoil_the_next_answer(door: Door) -> None:
    """The connection of a broken-off answer is not used again."""
    received = door.h2.exchange(Outgoing("GET", "/file", HOST, []), 10)
    next(received.body)
    del received
    door.open()
    assert json.loads(door.ask().body)["path"] == "/"


def test_traffic_goes_to_the_revisions_by_their_shares_and_tags(door: Door) -> None:
    """All of it where there is one; a tagged host has its own."""
    door.service["trafficStatuses"] = [
        {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "web-1", "percent": 100},
        {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "web-2", "tag": "next"},
    ]
    assert front_door.choose_revision(door.service, HOST) == f"{NAME}/revisions/web-1"
    assert front_door.choose_revision(door.service, f"next---{HOST}") == f"{NAME}/revisions/web-2"
    assert front_door.choose_revision(door.service, f"other---{HOST}") is None


def test_a_load_balancer_passes_its_domain_on(door: Door) -> None:
    """The container sees the domain; a service that only load balancers reach lets it in, an internal one does not."""
    door.open()
    assert json.loads(door.ask(Host="mlflow.acme.example").body)["headers"]["Host"] == "mlflow.acme.example"
    door.service["ingress"] = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
    assert door.ask(Host="mlflow.acme.example").status == 200
    assert door.ask().status == 404
    door.service["ingress"] = "INGRESS_TRAFFIC_INTERNAL_ONLY"
    assert door.ask(Host="mlflow.acme.example").status == 404
