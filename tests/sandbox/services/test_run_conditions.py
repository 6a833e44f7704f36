"""Cloud Run that takes its time, fails, or is bound by an organisation's policies."""

from typing import Any

import pytest

from tests.sandbox.calls import Answered, Cloud
from tests.sandbox.services.pushed import REGION, finished
from tests.sandbox.test_conditions import under

PLACE = f"/v2/projects/{{P}}/locations/{REGION}"
WEB = f"{PLACE}/services/web"
JOB = f"{PLACE}/jobs/job"
HELLO = "us-docker.pkg.dev/cloudrun/container/hello"
EVERYTHING = {"vpcAccess": {"networkInterfaces": [{"network": "default"}], "egress": "ALL_TRAFFIC"}}


def _service(**fields: Any) -> dict[str, Any]:
    template = {"containers": [{"image": HELLO}], **fields.pop("template", {})}
    return {"template": template, **fields}


def _job(**task: Any) -> dict[str, Any]:
    image = "us-docker.pkg.dev/cloudrun/container/job"
    return {"template": {"template": {"containers": [{"image": image}], **task}}}


def _refusal(answered: Answered) -> tuple[int, str, str]:
    error = answered.json["error"]
    return answered.status, error["status"], error["message"]


def _create(cloud: Cloud, body: dict[str, Any]) -> dict[str, Any]:
    return cloud.ok("POST", f"{PLACE}/services?serviceId=web", body)


def _ready(resource: dict[str, Any]) -> tuple[bool, str]:
    return resource.get("reconciling", False), resource["terminalCondition"]["state"]


def test_traffic_from_everywhere_can_be_forbidden(cloud: Cloud) -> None:
    """Also in a change of a service that was open before, and by v1; what is internal is taken."""
    finished(cloud, _create(cloud, _service()))
    with under(cloud, organization_policies=["run.allowedIngress"]):
        created = cloud.call("POST", f"{PLACE}/services?serviceId=other", _service())
        changed = cloud.call("PATCH", WEB, {"labels": {"a": "b"}, **_service()})
        finished(
            cloud,
            cloud.ok("PATCH", f"{WEB}?updateMask=ingress", {"ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY"}),
        )
    words = 'with annotation "run.googleapis.com/ingress" set to the default value all.'
    for answered, attempt in ((created, "CreateService"), (changed, "UpdateService")):
        text = f"Constraint constraints/run.allowedIngress violated for attempting {attempt} {words}"
        assert _refusal(answered) == (400, "FAILED_PRECONDITION", text)
    assert cloud.ok("GET", WEB)["ingress"] == "INGRESS_TRAFFIC_INTERNAL_ONLY"


@pytest.mark.parametrize(
    ("access", "value"),
    [
        ({}, "null"),
        ({"vpcAccess": {"networkInterfaces": [{"network": "default"}]}}, "private-ranges-only"),
    ],
)
def test_traffic_past_the_network_can_be_forbidden(cloud: Cloud, access: dict[str, Any], value: str) -> None:
    """A job without a network, or with only private ranges through it, is refused; all through it is taken."""
    with under(cloud, organization_policies=["run.allowedVPCEgress"]):
        refused = cloud.call("POST", f"{PLACE}/jobs?jobId=job", _job(**access))
        cloud.ok("POST", f"{PLACE}/jobs?jobId=job&validateOnly=true", _job(**EVERYTHING))
    where = f'attempting CreateJob with annotation "run.googleapis.com/vpc-access-egress" set to {value}.'
    text = f"Constraint constraints/run.allowedVPCEgress violated for {where}"
    assert _refusal(refused) == (400, "FAILED_PRECONDITION", text)


def test_a_service_that_is_being_made_says_so(cloud: Cloud) -> None:
    """Pending, with what was asked for and without a ready revision; afterwards neither is true."""
    with under(cloud, operations={"run.projects.locations.services.*": 1.0}):
        operation = _create(cloud, _service())
        during = cloud.ok("GET", WEB)
        done = finished(cloud, operation)
    assert "done" not in operation
    assert _ready(during) == (True, "CONDITION_PENDING")
    assert (during["generation"], during.get("observedGeneration", "")) == ("1", "")
    assert "latestReadyRevision" not in during
    assert _ready(done["response"]) == (False, "CONDITION_SUCCEEDED")


def test_a_change_under_way_leaves_the_old_revision_serving(cloud: Cloud) -> None:
    """The new generation is shown at once, the ready revision only when it is."""
    before = finished(cloud, _create(cloud, _service()))["response"]
    with under(cloud, operations={"run.projects.locations.services.*": 1.0}):
        operation = cloud.ok("PATCH", WEB, _service(template={"timeout": "17s"}))
        during = cloud.ok("GET", WEB)
        finished(cloud, operation)
    assert _ready(during) == (True, "CONDITION_PENDING")
    assert (during["generation"], during["observedGeneration"]) == ("2", "1")
    assert during["latestReadyRevision"] == before["latestReadyRevision"]
    assert cloud.ok("GET", WEB)["latestReadyRevision"] != before["latestReadyRevision"]


def test_a_roll_out_that_fails_inside_leaves_the_old_revision(cloud: Cloud) -> None:
    """An operation that ends with an error: the service is changed and not ready, and can be changed again."""
    before = finished(cloud, _create(cloud, _service()))["response"]
    fault = {"method": "run.projects.locations.services.patch", "fault": "operation-error"}
    with under(cloud, faults=[fault]):
        failed = finished(cloud, cloud.ok("PATCH", WEB, _service(template={"timeout": "17s"})))
    after = cloud.ok("GET", WEB)
    assert failed["error"]["code"] == 13
    assert _ready(after) == (False, "CONDITION_FAILED")
    assert (after["generation"], after["template"]["timeout"]) == ("2", "17s")
    assert after["latestReadyRevision"] == before["latestReadyRevision"]
    again = finished(cloud, cloud.ok("PATCH", WEB, _service(template={"timeout": "18s"})))
    assert _ready(again["response"]) == (False, "CONDITION_SUCCEEDED")


def test_a_job_that_is_being_made_says_so(cloud: Cloud) -> None:
    """It is pending for as long as its operation lasts."""
    with under(cloud, operations={"run.projects.locations.jobs.create": 1.0}):
        operation = cloud.ok("POST", f"{PLACE}/jobs?jobId=job", _job())
        during = cloud.ok("GET", JOB)
        finished(cloud, operation)
    assert _ready(during) == (True, "CONDITION_PENDING")
    assert _ready(cloud.ok("GET", JOB)) == (False, "CONDITION_SUCCEEDED")
