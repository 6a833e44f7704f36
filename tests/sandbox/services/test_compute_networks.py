"""Compute Engine's networks: the one that is there, those that are made, and what keeps them from being deleted."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.sandbox.networking.regions import REGIONS
from tests.sandbox.calls import Cloud
from tests.sandbox.services.networked import COMPUTE, compute, make_network, make_subnetwork, reserve

NETWORKS = f"{COMPUTE}/global/networks"
ROOT = "https://www.googleapis.com/compute"


@pytest.fixture(name="own")
def _own(cloud: Cloud) -> Cloud:
    """A project with Compute Engine enabled."""
    cloud.enable("compute")
    return cloud


def _insert(cloud: Cloud, name: str, **fields: Any) -> dict[str, Any]:
    compute(cloud, "POST", "global/networks", {"name": name, "autoCreateSubnetworks": False, **fields})
    return cloud.ok("GET", f"{NETWORKS}/{name}")


def _failed(cloud: Cloud, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """The operation of a change that fails, done."""
    operation = cloud.ok(method, f"{COMPUTE}/{path}", body)
    while operation["status"] != "DONE":
        operation = cloud.ok("GET", operation["selfLink"].partition(".com")[2])
    return operation


def test_a_project_begins_with_the_network_default(own: Cloud) -> None:
    """Auto mode, a subnetwork of the same name in each region, on the ranges that Google documents."""
    default = own.ok("GET", f"{NETWORKS}/default")
    assert (default["autoCreateSubnetworks"], default["description"]) == (
        True,
        "Default network for the project",
    )
    assert {link.split("/")[-3] for link in default["subnetworks"]} == set(REGIONS)
    found = own.ok("GET", f"{COMPUTE}/regions/us-central1/subnetworks/default")
    assert (found["ipCidrRange"], found["gatewayAddress"]) == ("10.128.0.0/20", "10.128.0.1")
    assert "enableFlowLogs" not in found
    assert "logConfig" not in found


def test_the_network_default_stays_deleted(own: Cloud) -> None:
    """It is made once, and its subnetworks go with it."""
    compute(own, "DELETE", "global/networks/default")
    assert own.get(f"{NETWORKS}/default").status == 404
    assert "items" not in own.ok("GET", f"{COMPUTE}/regions/us-central1/subnetworks")
    assert "items" not in own.ok("GET", NETWORKS)


def test_a_custom_network_is_shown_with_its_defaults(own: Cloud) -> None:
    """What Compute fills in, its two links, and nothing of what was not asked for."""
    shown = _insert(own, "net1")
    own_id = shown.pop("id")
    assert own_id.isdigit()
    assert shown.pop("creationTimestamp")[-6:] in ("-07:00", "-08:00")
    assert shown == {
        "kind": "compute#network",
        "name": "net1",
        "autoCreateSubnetworks": False,
        "routingConfig": {"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY"},
        "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
        "selfLink": f"{ROOT}/v1/projects/{own.project}/global/networks/net1",
        "selfLinkWithId": f"{ROOT}/v1/projects/{own.project}/global/networks/{own_id}",
    }


def test_optional_fields_of_a_network_are_kept(own: Cloud) -> None:
    """MTU, description, routing mode, order of enforcement, and an IPv6 range that the server draws."""
    shown = _insert(
        own,
        "net1",
        mtu=1500,
        description="ours",
        routingConfig={"routingMode": "GLOBAL"},
        networkFirewallPolicyEnforcementOrder="BEFORE_CLASSIC_FIREWALL",
        enableUlaInternalIpv6=True,
    )
    assert (shown["mtu"], shown["description"]) == (1500, "ours")
    assert shown["routingConfig"] == {"routingMode": "GLOBAL", "bgpBestPathSelectionMode": "LEGACY"}
    assert shown["networkFirewallPolicyEnforcementOrder"] == "BEFORE_CLASSIC_FIREWALL"
    assert shown["internalIpv6Range"].startswith("fd20:")
    assert shown["internalIpv6Range"].endswith(":0:0:0:0:0/48")


def test_a_network_is_found_by_its_number_and_by_the_projects(own: Cloud) -> None:
    """Both stand for the names, in paths; answers name them."""
    shown = _insert(own, "net1")
    assert own.ok("GET", f"{NETWORKS}/{shown['id']}") == shown
    by_number = f"/compute/v1/projects/{own.number}/global/networks/net1"
    assert own.ok("GET", by_number)["selfLink"] == shown["selfLink"]


def test_beta_answers_with_links_of_its_own(own: Cloud) -> None:
    """The same network, linked to in the version that was asked."""
    _insert(own, "net1")
    shown = own.ok("GET", "/compute/beta/projects/{P}/global/networks/net1")
    assert shown["selfLink"] == f"{ROOT}/beta/projects/{own.project}/global/networks/net1"


@pytest.mark.parametrize(
    ("fields", "status", "reason", "message"),
    [
        (
            {"name": "Bad_Name"},
            400,
            "invalid",
            "Invalid value for field 'resource.name': 'Bad_Name'. Must be a match of regex "
            "'(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'",
        ),
        ({"name": "default"}, 409, "alreadyExists", "The resource '{N}/default' already exists"),
        (
            {"name": "n", "mtu": 9000},
            400,
            "invalid",
            "Invalid value for field 'resource.mtu': '9000'. "
            "Must be greater than or equal to 1300 and less than or equal to 8896.",
        ),
    ],
)
def test_what_cannot_be_made_is_refused(
    own: Cloud, fields: dict[str, Any], status: int, reason: str, message: str
) -> None:
    """In Compute Engine's words, with `errors` and without `status`."""
    answered = own.post(NETWORKS, {"autoCreateSubnetworks": False, **fields})
    text = message.replace("{N}", f"projects/{own.project}/global/networks")
    expected = {
        "code": status,
        "message": text,
        "errors": [{"message": text, "domain": "global", "reason": reason}],
    }
    assert (answered.status, answered.error) == (status, expected)


def test_a_network_that_says_no_mode_is_refused(own: Cloud) -> None:
    """It would be a legacy network, which nobody can make any more."""
    answered = own.post(NETWORKS, {"name": "old"})
    assert answered.status == 400
    assert "Legacy networks" in answered.error["message"]


def test_a_malformed_name_in_a_path_is_a_malformed_value(own: Cloud) -> None:
    """400 with the expression that it should match, not 404."""
    answered = own.get(f"{NETWORKS}/Bad_Name")
    assert (answered.status, answered.error["errors"][0]["reason"]) == (400, "invalid")
    assert "Invalid value for field 'network': 'Bad_Name'" in answered.error["message"]


def test_a_patch_changes_what_it_names(own: Cloud) -> None:
    """The rest stays; what is fixed may only be sent as it is."""
    _insert(own, "net1", description="ours")
    compute(own, "PATCH", "global/networks/net1", {"routingConfig": {"routingMode": "GLOBAL"}, "mtu": 1500})
    shown = own.ok("GET", f"{NETWORKS}/net1")
    assert shown["routingConfig"] == {"routingMode": "GLOBAL", "bgpBestPathSelectionMode": "LEGACY"}
    assert (shown["mtu"], shown["description"]) == (1500, "ours")
    compute(own, "PATCH", "global/networks/net1", {"description": "ours", "mtu": 1460})
    refused = own.call("PATCH", f"{NETWORKS}/net1", {"description": "theirs"})
    assert (refused.status, refused.error["errors"][0]["reason"]) == (400, "invalid")


@pytest.mark.parametrize("user", ["subnetwork", "address"])
def test_a_network_in_use_is_not_deleted(own: Cloud, user: str) -> None:
    """The request is taken; its operation says who is in the way, with the status that it would have had."""
    make_network(own)
    if user == "subnetwork":
        make_subnetwork(own, "sub1", "10.0.0.0/24", region="us-west1")
        who = f"projects/{own.project}/regions/us-west1/subnetworks/sub1"
    else:
        reserve(own)
        who = f"projects/{own.project}/global/addresses/psa1"
    ended = _failed(own, "DELETE", "global/networks/net1")
    text = (
        f"The network resource 'projects/{own.project}/global/networks/net1' is already being used by '{who}'"
    )
    assert ended["error"] == {"errors": [{"code": "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "message": text}]}
    assert (ended["httpErrorStatusCode"], ended["httpErrorMessage"]) == (400, "BAD REQUEST")
    assert own.get(f"{NETWORKS}/net1").status == 200


def test_a_network_becomes_custom_once(own: Cloud) -> None:
    """Its subnetworks stay, and can be deleted from then on."""
    path = "regions/us-central1/subnetworks/default"
    refused = own.call("DELETE", f"{COMPUTE}/{path}")
    assert refused.error["message"] == (
        "Invalid resource usage: 'Cannot delete auto subnetwork from an auto subnet mode network.'."
    )
    compute(own, "POST", "global/networks/default/switchToCustomMode")
    compute(own, "DELETE", path)
    assert own.call("POST", f"{NETWORKS}/default/switchToCustomMode").status == 400


def test_a_peering_that_is_not_there_cannot_be_removed(own: Cloud) -> None:
    """On record from Terraform's users."""
    body = {"name": "servicenetworking-googleapis-com"}
    answered = own.post(f"{NETWORKS}/default/removePeering", body)
    text = "There is no peering (servicenetworking-googleapis-com) for the network."
    assert (answered.status, answered.error["message"]) == (400, text)
