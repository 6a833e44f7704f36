"""What a sandbox does when it is told how to behave."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox.control import Running
from reconciler.sandbox.store import Store
from reconciler.sandbox.weather.conditions import FAULTS, Conditions, Unusable
from reconciler.sandbox.world import utc_now
from tests.sandbox.calls import APIS, Cloud, new_project

CONDITIONS = "/sandbox/v1/conditions"
SECRETS = "/v1/projects/{P}/secrets"


@contextmanager
def under(cloud: Cloud, **conditions: Any) -> Generator[None]:
    """The conditions for as long as the block lasts."""
    cloud.ok("PUT", CONDITIONS, conditions)
    try:
        yield
    finally:
        cloud.ok("PUT", CONDITIONS, {})


def faults(cloud: Cloud) -> list[dict[str, Any]]:
    """The account of the faults."""
    return cloud.ok("GET", CONDITIONS)["faults"]


def secret(cloud: Cloud, name: str) -> Any:
    """Create a secret."""
    body: dict[str, Any] = {"replication": {"automatic": {}}}
    return cloud.post(f"{SECRETS}?secretId={name}", body)


@pytest.mark.parametrize(
    ("fault", "reason"), [("429", "RESOURCE_EXHAUSTED"), ("500", "INTERNAL"), ("503", "UNAVAILABLE")]
)
def test_a_fault_is_answered_in_place_of_the_call_and_is_used_up(
    cloud: Cloud, fault: str, reason: str
) -> None:
    """Nothing is carried out while it lasts; afterwards the same request works; the account says which it met."""
    method = "secretmanager.projects.secrets.create"
    with under(cloud, faults=[{"method": method, "fault": fault}]):
        refused = secret(cloud, "one")
        assert (refused.status, refused.error["status"]) == (int(fault), reason)
        assert cloud.get(f"{SECRETS}/one").status == 404
        assert secret(cloud, "one").status == 200
        account = faults(cloud)
    assert account == [
        {"method": method, "fault": fault, "fired": 1, "at": [f"POST /v1/projects/{cloud.project}/secrets"]}
    ]


def test_a_502_is_the_front_ends_page_and_no_json(cloud: Cloud) -> None:
    """Clients have to live without a body that they can read."""
    with under(cloud, faults=[{"method": "secretmanager.*", "fault": "502"}]):
        answered = secret(cloud, "one")
    assert answered.status == 502
    assert answered.headers["content-type"].startswith("text/html")


def test_a_fault_may_let_some_requests_pass_first(cloud: Cloud) -> None:
    """`skip` counts the matching requests before it, `times` those that it meets; others are not touched."""
    rule = {"method": "secretmanager.projects.secrets.list", "fault": "503", "skip": 1, "times": 2}
    with under(cloud, faults=[rule]):
        assert cloud.get(f"{SECRETS}/none").status == 404
        assert [cloud.get(SECRETS).status for _ in range(4)] == [200, 503, 503, 200]


@pytest.mark.parametrize(("fault", "there"), [("reset-before", 404), ("reset-after", 200)])
def test_a_reset_breaks_the_connection_before_or_after_the_work(cloud: Cloud, fault: str, there: int) -> None:
    """The client learns nothing in either case; what was done differs."""
    with under(cloud, faults=[{"method": "secretmanager.projects.secrets.create", "fault": fault}]):
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
            secret(cloud, "one")
        assert len(faults(cloud)[0]["at"]) == 1
    assert cloud.get(f"{SECRETS}/one").status == there


def test_a_hanging_answer_never_comes(cloud: Cloud) -> None:
    """The client's own patience ends it."""
    with under(cloud, faults=[{"method": "secretmanager.projects.secrets.list", "fault": "hang"}]):
        connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=0.3)
        connection.request("GET", SECRETS.replace("{P}", cloud.project))
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()


def test_a_stale_read_answers_what_was_read_last(cloud: Cloud) -> None:
    """It needs an earlier read of the same URL; the next one is right again."""
    with under(cloud, faults=[{"method": "secretmanager.projects.secrets.get", "fault": "stale"}]):
        assert cloud.get(f"{SECRETS}/one").status == 404
        secret(cloud, "one")
        assert cloud.get(f"{SECRETS}/one").status == 404
        assert cloud.get(f"{SECRETS}/one").status == 200


def test_an_operation_fails_on_googles_side(cloud: Cloud) -> None:
    """It begins as ever; its end is an error, told by a 200, and nothing was made."""
    repositories = "/v1/projects/{P}/locations/europe-west9/repositories"
    rule = {"method": "artifactregistry.projects.locations.repositories.create", "fault": "operation-error"}
    with under(cloud, faults=[rule]):
        started = cloud.ok("POST", f"{repositories}?repositoryId=one", {"format": "DOCKER"})
        assert "done" not in started
        assert cloud.wait(started)["error"] == {"code": 13, "message": "An internal error has occurred."}
        assert cloud.get(f"{repositories}/one").status == 404


def test_operations_take_the_time_that_was_set_for_their_method(cloud: Cloud) -> None:
    """Until it is over the operation is not done, `done` is left out, and what it makes is not there."""
    repositories = "/v1/projects/{P}/locations/europe-west9/repositories"
    with under(cloud, operations={"artifactregistry.*": 0.5}):
        begun = time.monotonic()
        started = cloud.ok("POST", f"{repositories}?repositoryId=one", {"format": "DOCKER"})
        early = cloud.ok("GET", f"/v1/{started['name']}")
        assert "done" not in early
        assert cloud.get(f"{repositories}/one").status == 404
        assert cloud.wait(started)["response"]["name"].endswith("/one")
        assert time.monotonic() - begun >= 0.5


def test_a_quota_refuses_what_is_too_much(cloud: Cloud) -> None:
    """The requests of one project within the span are counted; the refusal names metric, limit and consumer."""
    with under(cloud, quotas=[{"method": "secretmanager.projects.secrets.*", "requests": 2, "seconds": 60}]):
        assert [cloud.get(SECRETS).status for _ in range(3)] == [200, 200, 429]
        error = cloud.get(SECRETS).error
        other = new_project(cloud.port, *APIS)
        assert other.get(SECRETS).status == 200
    assert error["message"] == (
        "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute' of service "
        f"'secretmanager.googleapis.com' for consumer 'project_number:{cloud.number}'."
    )
    assert error["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"


def test_latency_is_added_to_every_answer(cloud: Cloud) -> None:
    """One request takes at least that long."""
    with under(cloud, latency=0.2):
        begun = time.monotonic()
        cloud.get(SECRETS)
        assert time.monotonic() - begun >= 0.2


def test_whoever_calls_without_a_token_can_be_somebody_with_fewer_rights(cloud: Cloud) -> None:
    """The operator owns everything; a caller who was granted nothing is refused."""
    with under(cloud, caller="user:reviewer@sandbox.example"):
        assert cloud.get(SECRETS).status == 403
    assert cloud.get(SECRETS).status == 200


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"fault": []}, "'fault' was unexpected"),
        ({"faults": [{"method": "run.*", "fault": "404"}]}, "faults.0.fault: '404' is not one of"),
        ({"operations": {"run.*": "slow"}}, "operations.run.*: 'slow' is not of type 'number'"),
        ({"caller": "somebody"}, "caller: 'somebody' does not match"),
        ({"organization_policies": ["be.nice"]}, "organization_policies.0: 'be.nice' is not one of"),
    ],
)
def test_a_document_that_says_nothing_usable_changes_nothing(cloud: Cloud, document: Any, said: str) -> None:
    """The message names the place; what was set before stays."""
    with under(cloud, latency=0.001):
        answered = cloud.call("PUT", CONDITIONS, document)
        assert answered.status == 400
        assert said in answered.error["message"]
        assert cloud.ok("GET", CONDITIONS) == {"latency": 0.001}


def subject(folder: Path, document: dict[str, Any]) -> Conditions:
    """Conditions of a store of their own."""
    conditions = Conditions(Store(folder / "state.db"), utc_now)
    conditions.replace(document)
    return conditions


def test_realistic_durations_are_googles_divided(tmp_path: Path) -> None:
    """An instance's creation takes minutes; a method with a time of its own keeps it; propagation follows."""
    conditions = subject(
        tmp_path, {"realistic": 10, "operations": {"run.*": 3}, "propagation": {"policies": 1}}
    )
    assert conditions.seconds("sqladmin.instances.insert") == 45
    assert conditions.seconds("run.projects.locations.services.create") == 3
    assert (conditions.propagation("accounts"), conditions.propagation("policies")) == (6, 1)
    assert subject(tmp_path, {}).seconds("sqladmin.instances.insert") == 0


def test_conditions_survive_a_restart(tmp_path: Path) -> None:
    """They are part of the sandbox's state."""
    subject(tmp_path, {"organization_policies": ["sql.restrictPublicIp"]})
    again = Conditions(Store(tmp_path / "state.db"), utc_now)
    assert again.forbids("sql.restrictPublicIp")
    assert not again.forbids("iam.disableServiceAccountKeyCreation")


def test_a_fault_is_consumed_once_however_many_ask_at_once(tmp_path: Path) -> None:
    """Two threads never share one."""
    conditions = subject(tmp_path, {"faults": [{"method": "*", "fault": "503", "times": 5}]})
    met: list[str] = []
    threads = [
        threading.Thread(target=lambda: met.append(conditions.fault("run.x", FAULTS, "GET /")))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert met.count("503") == 5


def test_an_unusable_document_says_all_that_is_wrong(tmp_path: Path) -> None:
    """Every finding at once, each with its place."""
    with pytest.raises(Unusable) as raised:
        subject(tmp_path, {"latency": -1, "realistic": "yes"})
    assert len(raised.value.findings) == 2


def test_faults_and_conditions_are_in_the_log(running: Running, cloud: Cloud) -> None:
    """A line of a call that a fault met says so; one that got no answer has status 0."""
    rule = {"method": "secretmanager.projects.secrets.create", "fault": "reset-after"}
    with under(cloud, faults=[rule]), pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        secret(cloud, "in-the-log")
    lines = (running.home / "logs" / "requests.jsonl").read_text()
    line = next(line for line in lines.splitlines() if cloud.project in line and "reset-after" in line)
    assert '"status": 0' in line
