"""Working on the sandbox as somebody: tokens, the environment that carries them, and what they may do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx
import pytest

from reconciler.sandbox import acting, control
from reconciler.sandbox.control import Running
from reconciler.sandbox.errors import SandboxError
from tests.sandbox.calls import Cloud

REVIEWER = "user:reviewer@sandbox.example"


def _as(running: Running, cloud: Cloud, member: str) -> Cloud:
    return Cloud(cloud.port, cloud.project, cloud.number, acting.token(member, running.home))


def _granted(cloud: Cloud, role: str, member: str) -> None:
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    policy["bindings"].append({"role": role, "members": [member]})
    cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": policy})


def test_whoever_bears_a_token_has_that_members_roles(running: Running, cloud: Cloud) -> None:
    """None at first; then those that an ordinary policy grants."""
    reviewer = _as(running, cloud, REVIEWER)
    assert reviewer.get("/v3/projects/{P}").status == 403
    _granted(cloud, "roles/browser", REVIEWER)
    assert reviewer.get("/v3/projects/{P}").status == 200
    assert reviewer.get("/v1/projects/{P}/secrets").status == 403


def test_a_token_tells_whose_it_is(running: Running) -> None:
    """As oauth2.googleapis.com/tokeninfo does; a made-up one tells nothing."""
    asked = {"access_token": acting.token(REVIEWER, running.home)}
    told = httpx.post(f"{running.endpoint}/tokeninfo", data=asked)
    assert told.json()["email"] == "reviewer@sandbox.example"
    unknown = httpx.post(f"{running.endpoint}/tokeninfo", data={"access_token": "made-up"})
    assert (unknown.status_code, unknown.json()["error"]) == (400, "invalid_token")


@pytest.mark.parametrize(
    "member", ["reviewer", "user:reviewer", "allUsers", "serviceAccount:no@p.iam.example.com"]
)
def test_only_members_that_can_call_get_tokens(running: Running, member: str) -> None:
    """Somebody with an address; a service account has to be there."""
    with pytest.raises(SandboxError):
        acting.token(member, running.home)


def test_the_environment_keeps_the_token_out_of_sight(running: Running) -> None:
    """gcloud and the shell read it from a file that nobody else can; credentials are not switched off."""
    lines = acting.env(REVIEWER, running.home)
    assert "ya29." not in lines
    shown = ["sh", "-c", 'eval "$1"; env', "sh", lines]
    told = subprocess.run(
        shown, env={"PATH": os.environ["PATH"], acting.WITHOUT_CREDENTIALS: "true"}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    variables = dict(line.split("=", 1) for line in told.stdout.splitlines() if "=" in line)
    path = Path(variables["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert variables["MLFLOW_RECONCILE_ACCESS_TOKEN"] == path.read_text()
    assert acting.WITHOUT_CREDENTIALS not in variables


def test_an_identity_token_is_the_bearers(running: Running) -> None:
    """What verify shows a server's front door says who runs it."""
    audience = "https://x-1.europe-west1.run.app"
    token = acting.identity_token(running.endpoint, audience, acting.token(REVIEWER, running.home))
    from reconciler.sandbox.iam import identities

    assert identities.claims_of(token)["email"] == "reviewer@sandbox.example"
    with pytest.raises(SandboxError):
        acting.identity_token(running.endpoint, audience, "made-up")


def test_what_was_asked_can_be_forgotten(home: Path, port: int) -> None:
    """So that the next run alone is seen."""
    started = control.start(home, port, "first-project").running
    Cloud(port, "first-project").get("/v1/projects/{P}/services")
    asked = acting.asked(started.home)
    assert ("user:operator@sandbox.example", "serviceusage.services.list") in {
        (one["member"], one["permission"]) for one in asked
    }
    acting.forget(started.home)
    assert acting.asked(started.home) == []
