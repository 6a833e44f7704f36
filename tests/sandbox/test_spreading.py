"""What is changed and not seen everywhere at once: service accounts, enabled APIs, IAM policies."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from tests.sandbox.calls import Cloud

ACCOUNTS = "/v1/projects/{P}/serviceAccounts"
HOUR = 3600


@contextmanager
def behaving(cloud: Cloud, **conditions: Any) -> Generator[None]:
    """A sandbox under *conditions*, for as long as the block lasts."""
    cloud.ok("PUT", "/sandbox/v1/conditions", conditions)
    try:
        yield
    finally:
        cloud.ok("PUT", "/sandbox/v1/conditions", {})


def until(cloud: Cloud, method: str, path: str, body: Any, wanted: int, seconds: float) -> float:
    """Seconds until the answer has the status *wanted*; more than *seconds* is a failure."""
    started = time.monotonic()
    while (answered := cloud.call(method, path, body)).status != wanted:
        assert time.monotonic() - started < seconds, answered.body
        time.sleep(0.02)
    return time.monotonic() - started


def bound(cloud: Cloud, member: str, role: str = "roles/run.viewer") -> dict[str, Any]:
    """The request that grants *role* on the project to *member* alone, beside what is granted."""
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    return {"policy": {**policy, "bindings": [*policy["bindings"], {"role": role, "members": [member]}]}}


def test_a_new_account_comes_and_goes(cloud: Cloud) -> None:
    """Recorded: found, not found, found, a second creation refused, not found …; and no policy may name it."""
    with behaving(cloud, propagation={"accounts": HOUR}):
        email = cloud.account("comes-and-goes")
        path = f"{ACCOUNTS}/{email}"
        assert [cloud.get(path).status for _ in range(4)] == [200, 404, 200, 404]
        assert cloud.post(ACCOUNTS, {"accountId": "comes-and-goes"}).status == 409
        cloud.ok("GET", path)
        name = path[4:].replace("{P}", cloud.project)
        assert cloud.get(path).error["message"] == f"Service account {name} does not exist."
        refused = cloud.post("/v1/projects/{P}:setIamPolicy", bound(cloud, f"serviceAccount:{email}")).error
        assert (refused["code"], refused["message"]) == (400, f"Service account {email} does not exist.")
        listed = cloud.ok("GET", f"{ACCOUNTS}?pageSize=100")["accounts"]
        assert email not in [one["email"] for one in listed]
    assert [cloud.get(path).status for _ in range(3)] == [200] * 3
    cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", bound(cloud, f"serviceAccount:{email}"))


def test_a_new_account_is_there_once_its_time_has_come(cloud: Cloud) -> None:
    """After the seconds that were asked for, and not before."""
    with behaving(cloud, propagation={"accounts": 0.5}):
        email = cloud.account("there-at-last")
        grant = bound(cloud, f"serviceAccount:{email}")
        assert until(cloud, "POST", "/v1/projects/{P}:setIamPolicy", grant, 200, 5) > 0.2


def test_an_enabled_api_is_refused_for_a_while(fresh: Cloud) -> None:
    """Service Usage says ENABLED at once; the API itself says that it is disabled, until its time has come."""
    path = "/v1/projects/{P}/secrets"
    fresh.enable("cloudresourcemanager")
    with behaving(fresh, propagation={"services": 0.5}):
        fresh.enable("secretmanager", "cloudresourcemanager")
        state = fresh.ok("GET", "/v1/projects/{P}/services/secretmanager.googleapis.com")["state"]
        assert state == "ENABLED"
        error = fresh.get(path).error
        assert error["details"][0]["reason"] == "SERVICE_DISABLED"
        assert until(fresh, "GET", path, None, 200, 5) > 0.2
        # What a project begins with was never disabled.
        assert fresh.get("/storage/v1/b?project={P}").status == 200


def test_a_changed_policy_lets_in_later(cloud: Cloud) -> None:
    """It is shown at once, and counts after a while; so does what it takes away."""
    email = cloud.account("let-in-later")
    caller = cloud.bearer(email)
    with behaving(cloud, propagation={"policies": 0.5}):
        before = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
        grant = bound(cloud, f"serviceAccount:{email}", "roles/browser")
        shown = cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", grant)
        assert cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {}) == shown
        assert until(caller, "GET", "/v1/projects/{P}", None, 200, 5) > 0.2
        cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": {"bindings": before["bindings"]}})
        assert until(caller, "GET", "/v1/projects/{P}", None, 403, 5) > 0.2


def test_an_agent_is_there_once_it_was_asked_for(fresh: Cloud) -> None:
    """Enabling Cloud Run makes its agent and gives it its role; Secret Manager's is made when somebody asks."""
    fresh.enable("cloudresourcemanager", "secretmanager")
    agent = f"serviceAccount:service-{fresh.number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
    refused = fresh.post("/v1/projects/{P}:setIamPolicy", bound(fresh, agent)).error
    assert refused["message"] == f"Service account {agent.partition(':')[2]} does not exist."
    asked = "/v1beta1/projects/{P}/services/secretmanager.googleapis.com:generateServiceIdentity"
    made = fresh.ok("POST", asked)
    assert (made["done"], made["response"]["email"]) == (True, agent.partition(":")[2])
    fresh.ok("POST", "/v1/projects/{P}:setIamPolicy", bound(fresh, agent))
    asked = "/v1beta1/projects/{P}/services/compute.googleapis.com:generateServiceIdentity"
    assert set(fresh.ok("POST", asked)["response"]) == {"@type"}
    fresh.enable("run")
    bindings = fresh.ok("POST", "/v1/projects/{P}:getIamPolicy", {})["bindings"]
    robot = f"serviceAccount:service-{fresh.number}@serverless-robot-prod.iam.gserviceaccount.com"
    assert {"role": "roles/run.serviceAgent", "members": [robot]} in bindings
