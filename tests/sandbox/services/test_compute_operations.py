"""compute#operation and Compute Engine's manners: waiting, refusing, listing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.calls import Cloud
from tests.sandbox.services.networked import COMPUTE, REGION, compute, make_network, make_subnetwork
from tests.sandbox.test_conditions import under

NETWORKS = f"{COMPUTE}/global/networks"
NET1 = {"name": "net1", "autoCreateSubnetworks": False}
INSERT = "compute.networks.insert"


@pytest.fixture(name="own")
def _own(cloud: Cloud) -> Cloud:
    """A project with Compute Engine enabled."""
    cloud.enable("compute")
    return cloud


def test_an_operation_runs_from_0_to_100(own: Cloud) -> None:
    """Never pending where it was recorded; its times are California's; who asked is named."""
    with under(own, operations={INSERT: 0.5}):
        started = own.ok("POST", NETWORKS, NET1)
        shown = own.ok("GET", f"{COMPUTE}/global/operations/{started['name']}")
        assert (shown["status"], shown["progress"]) == ("RUNNING", 0)
        done = own.ok("POST", f"{COMPUTE}/global/operations/{started['name']}/wait")
    assert done.pop("endTime")[-6:] in ("-07:00", "-08:00")
    assert done == {**started, "status": "DONE", "progress": 100}
    target = f"https://www.googleapis.com/compute/v1/projects/{own.project}/global/networks/net1"
    assert (done["kind"], done["operationType"], done["targetLink"]) == (
        "compute#operation",
        "insert",
        target,
    )
    assert done["targetId"] == own.ok("GET", f"{NETWORKS}/net1")["id"]
    assert own.ok("GET", f"{COMPUTE}/global/operations/{done['id']}") == {
        **done,
        "endTime": shown_end(own, done),
    }


def shown_end(cloud: Cloud, operation: dict[str, Any]) -> str:
    """When an operation ended."""
    return cloud.ok("GET", f"{COMPUTE}/global/operations/{operation['name']}")["endTime"]


def test_operations_of_a_region_are_there(own: Cloud) -> None:
    """They name the region, and are not found among the global ones."""
    make_network(own)
    body = {"name": "sub1", "ipCidrRange": "10.0.0.0/24", "network": "global/networks/net1"}
    started = own.ok("POST", f"{COMPUTE}/regions/{REGION}/subnetworks", body)
    region = f"https://www.googleapis.com/compute/v1/projects/{own.project}/regions/{REGION}"
    assert started["region"] == region
    waited = own.ok("POST", f"{COMPUTE}/regions/{REGION}/operations/{started['name']}/wait")
    assert waited["status"] == "DONE"
    missing = own.get(f"{COMPUTE}/global/operations/{started['name']}")
    text = f"The resource 'projects/{own.project}/global/operations/{started['name']}' was not found"
    assert (missing.status, missing.error["message"]) == (404, text)


def test_a_resource_is_there_and_not_ready_while_it_is_made(own: Cloud) -> None:
    """It can be read; a second insert finds it; a change or a deletion is to come back later."""
    with under(own, operations={INSERT: 1}):
        started = own.ok("POST", NETWORKS, NET1)
        assert own.get(f"{NETWORKS}/net1").status == 200
        assert own.post(NETWORKS, NET1).status == 409
        refused = own.call("DELETE", f"{NETWORKS}/net1")
        own.ok("POST", f"{COMPUTE}/global/operations/{started['name']}/wait")
    text = f"The resource 'projects/{own.project}/global/networks/net1' is not ready"
    assert (refused.status, refused.error["message"]) == (400, text)
    assert refused.error["errors"][0]["reason"] == "resourceNotReady"
    compute(own, "DELETE", "global/networks/net1")


def test_an_insert_that_google_fails_leaves_nothing(own: Cloud) -> None:
    """200, then an operation with an error, then 404; asked again, it works."""
    with under(own, faults=[{"method": INSERT, "fault": "operation-error"}]):
        started = own.ok("POST", NETWORKS, NET1)
        done = own.ok("POST", f"{COMPUTE}/global/operations/{started['name']}/wait")
    assert done["error"]["errors"][0]["code"] == "INTERNAL_ERROR"
    assert (done["httpErrorStatusCode"], done["httpErrorMessage"]) == (500, "INTERNAL SERVER ERROR")
    assert own.get(f"{NETWORKS}/net1").status == 404
    make_network(own)


def test_a_request_with_an_id_is_carried_out_once(own: Cloud) -> None:
    """The second one is answered with the operation of the first."""
    path = f"{NETWORKS}?requestId=4b5f6f7c-0d6e-4b5c-9d4e-2a3b4c5d6e7f"
    first = own.ok("POST", path, NET1)
    assert first["clientOperationId"] == "4b5f6f7c-0d6e-4b5c-9d4e-2a3b4c5d6e7f"
    assert own.ok("POST", path, NET1)["name"] == first["name"]


def test_a_project_that_is_not_there_is_not_found(own: Cloud) -> None:
    """As for any other resource of Compute Engine."""
    answered = own.get("/compute/v1/projects/no-such-project/global/networks")
    assert (answered.status, answered.error["message"]) == (
        404,
        "The resource 'projects/no-such-project' was not found",
    )


def test_an_api_that_is_not_enabled_says_so_in_both_shapes(fresh: Cloud) -> None:
    """`errors[]` of the classic shape, `status` and `details` of the newer one."""
    answered = fresh.get(NETWORKS)
    assert (answered.status, answered.error["status"]) == (403, "PERMISSION_DENIED")
    entry = answered.error["errors"][0]
    assert (entry["domain"], entry["reason"]) == ("usageLimits", "accessNotConfigured")
    assert entry["extendedHelp"] == "https://console.developers.google.com"
    assert "Compute Engine API has not been used in project" in entry["message"]


def test_a_quota_is_a_403(own: Cloud) -> None:
    """Where every other API answers 429."""
    with under(own, quotas=[{"method": "compute.*", "requests": 1, "seconds": 60}]):
        own.ok("GET", NETWORKS)
        answered = own.get(NETWORKS)
    assert answered.status == 403
    entry = answered.error["errors"][0]
    assert (entry["domain"], entry["reason"]) == ("usageLimits", "rateLimitExceeded")
    assert "of service 'compute.googleapis.com' for consumer 'project_number:" in entry["message"]


def test_a_missing_permission_is_named(own: Cloud) -> None:
    """With the resource that it is missing on."""
    nobody = own.bearer(own.account("nobody-in-networks"))
    answered = nobody.post(NETWORKS, NET1)
    name = f"projects/{own.project}/global/networks/net1"
    assert (answered.status, answered.error["errors"][0]["reason"]) == (403, "forbidden")
    assert answered.error["message"] == f"Required 'compute.networks.create' permission for '{name}'"


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("name = net1", ["net1"]),
        ('name eq ".*\\bnet1\\b.*"', ["net1"]),
        ("name ne net.", ["default"]),
        ("name != net1", ["default", "net2"]),
        ("(name = net1) OR (name = net2)", ["net1", "net2"]),
        ("autoCreateSubnetworks = false AND description:ours", ["net2"]),
        ("(routingConfig.routingMode = REGIONAL) (mtu > 1460)", ["net2"]),
        ("description:*", ["default", "net2"]),
        ("NOT description:*", ["net1"]),
    ],
)
def test_lists_are_filtered(own: Cloud, expression: str, names: list[str]) -> None:
    """AIP-160 comparisons, and regular expressions that the whole value must match."""
    make_network(own)
    fields = {"name": "net2", "description": "ours", "mtu": 1500}
    compute(own, "POST", "global/networks", {"autoCreateSubnetworks": False, **fields})
    listed = own.ok("GET", f"{NETWORKS}?filter={_quoted(expression)}")
    assert [one["name"] for one in listed.get("items", [])] == names


@pytest.mark.parametrize("expression", ["name =", "(name = a", "= a", "name ~ a", "name = a)"])
def test_a_malformed_filter_is_refused(own: Cloud, expression: str) -> None:
    """400, not an empty list."""
    answered = own.get(f"{NETWORKS}?filter={_quoted(expression)}")
    assert (answered.status, answered.error["errors"][0]["reason"]) == (400, "invalid")


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def test_lists_come_in_pages_and_in_order(own: Cloud) -> None:
    """A token leads on; the newest first where that is asked for."""
    make_network(own)
    make_subnetwork(own, "sub1", "10.0.0.0/24")
    first = own.ok("GET", f"{NETWORKS}?maxResults=1")
    assert [one["name"] for one in first["items"]] == ["default"]
    rest = own.ok("GET", f"{NETWORKS}?maxResults=1&pageToken={first['nextPageToken']}")
    assert [one["name"] for one in rest["items"]] == ["net1"]
    assert "nextPageToken" not in rest
    newest = own.ok("GET", f"{NETWORKS}?orderBy=creationTimestamp%20desc")
    assert [one["name"] for one in newest["items"]] == ["net1", "default"]
    assert newest["kind"] == "compute#networkList"
    together = own.ok("GET", f"{COMPUTE}/aggregated/subnetworks?filter=name%20%3D%20sub1")["items"]
    assert [key for key, place in together.items() if "subnetworks" in place] == [f"regions/{REGION}"]


def test_regions_zones_and_the_project_are_shown(own: Cloud) -> None:
    """As far as gcloud asks for them."""
    region = own.ok("GET", f"{COMPUTE}/regions/europe-west1")
    assert [link.rpartition("/")[2] for link in region["zones"]] == [
        f"europe-west1-{letter}" for letter in "bcd"
    ]
    zones = own.ok("GET", f"{COMPUTE}/zones?filter=name%3Aeurope-west1-")["items"]
    assert own.ok("GET", f"{COMPUTE}/zones/{zones[0]['name']}") == zones[0]
    project = own.ok("GET", COMPUTE)
    assert project["defaultServiceAccount"] == f"{own.number}-compute@developer.gserviceaccount.com"
    assert own.get(f"{COMPUTE}/regions/nowhere1").status == 404
    assert own.get(f"{COMPUTE}/zones/nowhere1-a").status == 404


def test_what_is_not_emulated_says_so(own: Cloud) -> None:
    """A clear 404, also for what is left out of the document."""
    answered = own.get(f"{COMPUTE}/global/firewalls")
    assert (answered.status, answered.error["details"][0]["reason"]) == (404, "sandboxNotEmulated")
