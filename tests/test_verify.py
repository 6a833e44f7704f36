"""Proof that a user can work: each check holds on a good server, and fails on the server that it is there for."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from reconciler import errors, verify
from reconciler.target import Target
from reconciler.verify import Check

URL = "https://mlflow-1.europe-west1.run.app"
BASIC = Target(URL, "basic", username="ada", password="s3cret-word")
IAM = Target(URL, "iam", token="a-token-nobody-sees")
OPEN = Target(URL, "none")


@dataclass
class Mlflow:
    """As much of a server as the checks look at. *broken* names what it does wrong."""

    target: Target
    broken: str = ""
    artifact: bytes = b""
    runs: list[str] = field(default_factory=list[str])
    metric: dict[str, Any] = field(default_factory=dict[str, Any])
    hosts: set[str] = field(default_factory=set[str])

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What a request is answered."""
        self.hosts.add(request.headers["host"])
        if self.broken == "down":
            raise httpx.ConnectError("refused", request=request)
        if self.broken == "inside":
            return httpx.Response(404, text="<title>Error: Page not found</title>")
        if request.url.path == "/health":
            return httpx.Response(500 if self.broken == "sick" else 200, text="OK")
        if not self._let_in(request):
            return httpx.Response(401 if self.target.mode == "basic" else 403)
        origin = request.headers.get("origin", URL)
        if origin != URL and self.broken != "cors":
            return httpx.Response(403, text="Cross-origin request blocked")
        if self.broken == "origin" and "origin" in request.headers:
            return httpx.Response(403, text="Cross-origin request blocked")
        return self._work(request, request.url.path.split("/mlflow", 1)[-1])

    def _let_in(self, request: httpx.Request) -> bool:
        given = request.headers.get("authorization", "")
        if self.target.mode == "none" or self.broken == "open":
            return self.broken != "closed"
        if self.broken == "any password" and given:
            return True
        login = f"{self.target.username}:{self.target.password}".encode()
        return given in {f"Basic {base64.b64encode(login).decode()}", f"Bearer {self.target.token}"} - {
            "Bearer "
        }

    def _work(self, request: httpx.Request, path: str) -> httpx.Response:
        is_json = request.headers.get("content-type") == "application/json"
        body: dict[str, Any] = json.loads(request.content) if is_json else {}
        if self.broken == "html":
            return httpx.Response(200, text="<html>please log in</html>")
        if path.startswith("-artifacts"):
            return self._artifact(request)
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "/experiments/search": lambda: {"experiments": []},
            "/experiments/get-by-name": lambda: {"experiment": {"experiment_id": "7"}},
            "/runs/create": lambda: {
                "run": {"info": {"run_id": "r1", "artifact_uri": "mlflow-artifacts:/7/r1"}}
            },
            "/runs/log-metric": lambda: self.metric.update(body) or {},
            "/runs/get": lambda: {"run": {"data": {"metrics": [self.metric] if self.metric else []}}},
            "/runs/delete": lambda: self.runs.append("deleted") or {},
        }
        if self.broken == "forgets" and path == "/runs/log-metric":
            return httpx.Response(200, json={})
        return httpx.Response(200, json=answers[path]())

    def _artifact(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            if self.broken == "32 MiB" and len(request.content) > 32 * 2**20:
                return httpx.Response(413)
            self.artifact = request.content[:-1] if self.broken == "cuts" else request.content
            return httpx.Response(200, json={})
        if request.method == "DELETE":
            self.artifact = b""
            return httpx.Response(204)
        return httpx.Response(200, content=self.artifact)


@pytest.fixture(name="checks")
def _checks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[Check], Mlflow]]:
    """The checks of a server that is broken in one way."""
    make = httpx.Client

    def run(target: Target, broken: str = "", *, write: bool = True) -> tuple[list[Check], Mlflow]:
        server = Mlflow(target, broken)

        def client(**options: Any) -> httpx.Client:
            options.update(http2=False, transport=httpx.MockTransport(server.answer))
            return make(**options)

        monkeypatch.setattr(httpx, "Client", client)
        return list(verify.verify(target, write=write)), server

    return run


Checks = Callable[..., tuple[list[Check], Mlflow]]


@pytest.mark.parametrize("target", [BASIC, IAM, OPEN])
def test_a_good_server_passes_every_check(checks: Checks, target: Target) -> None:
    """Whatever the login, and nothing is left behind on the server."""
    made, server = checks(target)
    assert [check for check in made if not check.passed] == []
    assert "byte for byte" in made[-2].name
    assert (server.artifact, server.runs) == (b"", ["deleted"])
    verify.refuse_if_failed(made)


@pytest.mark.parametrize(
    ("target", "broken", "failed"),
    [
        (BASIC, "down", "answers under its URL"),
        (BASIC, "sick", "answers under its URL"),
        (BASIC, "open", "refuses the anonymous"),
        (IAM, "open", "refuses the anonymous"),
        (BASIC, "any password", "refuses a wrong password"),
        (OPEN, "closed", "lets everybody in, as auth mode none asks"),
        (BASIC, "origin", "lets a user in, with the page's own Host and Origin"),
        (BASIC, "cors", "refuses another site's page"),
        (BASIC, "forgets", "takes a run and a metric"),
        (BASIC, "html", "takes a run and a metric"),
        (BASIC, "32 MiB", "takes an artifact of 33 MiB and gives it back, byte for byte"),
        (BASIC, "cuts", "takes an artifact of 33 MiB and gives it back, byte for byte"),
    ],
)
def test_each_check_fails_on_the_server_it_is_there_for(
    checks: Checks, target: Target, broken: str, failed: str
) -> None:
    """A check that cannot fail proves nothing."""
    made, _ = checks(target, broken)
    assert [check.passed for check in made if check.name == failed] == [False]
    with pytest.raises(errors.ReconcileError, match="checks failed"):
        verify.refuse_if_failed(made)


def test_a_server_that_is_down_is_asked_nothing_more(checks: Checks) -> None:
    """What could not mean anything is not tried."""
    made, _ = checks(BASIC, "down")
    assert len(made) == 1


@pytest.mark.parametrize("broken", ["", "origin"])
def test_nothing_is_written_where_that_was_not_asked_for_or_nobody_can_log_in(
    checks: Checks, broken: str
) -> None:
    """The read part never writes."""
    _, server = checks(BASIC, broken, write=bool(broken))
    assert (server.metric, server.artifact, server.runs) == ({}, b"", [])


def test_the_servers_own_host_is_asked_for_wherever_it_is_reached(checks: Checks) -> None:
    """Through a stand-in on this machine the Host is still the real one: that is what the allow list sees."""
    _, server = checks(replace(BASIC, connect_to="http://127.0.0.1:9470"))
    assert server.hosts == {"mlflow-1.europe-west1.run.app"}


@pytest.mark.parametrize("broken", ["down", "sick", "origin", "cors", "32 MiB", "html"])
def test_no_secret_is_told(checks: Checks, broken: str) -> None:
    """Neither a check's detail nor a target's text holds the password or the token."""
    for target in (BASIC, IAM):
        told = f"{checks(target, broken)[0]} {target}"
        assert "s3cret-word" not in told
        assert "a-token-nobody-sees" not in told
        assert base64.b64encode(b"ada:s3cret-word").decode() not in told


def test_an_internal_server_proves_only_that_it_is_closed(checks: Checks) -> None:
    """From outside nothing more can be known, and that is said; from inside every check is made."""
    internal = replace(BASIC, ingress="internal")
    made, _ = checks(internal, "inside")
    assert [(check.passed, check.name) for check in made] == [
        (True, "turns the internet away, as ingress internal asks"),
        (False, "lets a user in"),
    ]
    assert "in the project's networks" in made[-1].detail
    assert all(check.passed for check in checks(internal)[0])
    assert not checks(BASIC, "inside")[0][0].passed
