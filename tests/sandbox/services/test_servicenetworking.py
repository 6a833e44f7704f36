"""Service Networking: the private connection of a network, from nothing to nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.calls import Cloud
from tests.sandbox.services import networked
from tests.sandbox.services.networked import CONNECTIONS, FORCED, compute, connect, connections, reserve
from tests.sandbox.test_conditions import under

PEERING = "servicenetworking-googleapis-com"


@pytest.fixture(name="net")
def _net(cloud: Cloud) -> Cloud:
    """A project with the network net1 and the range psa1 in it."""
    cloud.enable("compute", "servicenetworking")
    networked.make_network(cloud)
    reserve(cloud)
    return cloud


def _body(cloud: Cloud, *ranges: str, network: str = "net1") -> dict[str, Any]:
    where = f"projects/{cloud.number}/global/networks/{network}"
    return {"network": where, "reservedPeeringRanges": list(ranges)}


def _force(cloud: Cloud, *ranges: str) -> dict[str, Any]:
    return cloud.wait(cloud.ok("PATCH", FORCED, _body(cloud, *ranges)))


def _delete(cloud: Cloud, network: str = "net1") -> dict[str, Any]:
    body = {"consumerNetwork": f"projects/{cloud.number}/global/networks/{network}"}
    return cloud.wait(cloud.ok("POST", f"{CONNECTIONS}/-", body))


def _peerings(cloud: Cloud) -> list[dict[str, Any]]:
    return cloud.ok("GET", f"{networked.COMPUTE}/global/networks/net1").get("peerings", [])


def test_a_network_has_no_connection_at_first(net: Cloud) -> None:
    """The answer is empty, without an empty list in it."""
    where = f"projects/{net.number}/global/networks/net1"
    assert net.ok("GET", f"{CONNECTIONS}?network={where}") == {}


def test_a_connection_is_made_by_an_operation_and_found_in_the_list(net: Cloud) -> None:
    """The operation has no metadata, its answer no service; the list names it; the network is peered."""
    started = net.ok("POST", CONNECTIONS, _body(net, "psa1"))
    assert set(started) == {"name"}
    assert started["name"].startswith(f"operations/pssn.p24-{net.number}-")
    made = {**_body(net, "psa1"), "peering": PEERING}
    kind = "type.googleapis.com/google.cloud.servicenetworking.v1.Connection"
    assert net.wait(started)["response"] == {"@type": kind, **made}
    assert connections(net) == [{**made, "service": "services/servicenetworking.googleapis.com"}]
    (peering,) = _peerings(net)
    assert (peering["name"], peering["state"]) == (PEERING, "ACTIVE")


def test_all_services_may_be_asked_at_once(net: Cloud) -> None:
    """Clients that list `services/-` find the same connection."""
    connect(net, "psa1")
    where = f"projects/{net.number}/global/networks/net1"
    assert net.ok("GET", f"/v1/services/-/connections?network={where}")["connections"] == connections(net)


def test_a_forced_patch_makes_a_connection(net: Cloud) -> None:
    """It is the call that works whether there is one or not."""
    assert _force(net, "psa1")["response"]["reservedPeeringRanges"] == ["psa1"]
    assert len(connections(net)) == 1


def test_making_it_again_takes_the_same_ranges_in_any_order(net: Cloud) -> None:
    """Ranges are names, without an order; other ones are refused in the operation."""
    reserve(net, "psa2", address="10.40.0.0")
    connect(net, "psa1", "psa2")
    assert "error" not in connect(net, "psa2", "psa1")
    error = connect(net, "psa1")["error"]
    assert error["code"] == 9
    assert error["message"].startswith(
        "Cannot modify allocated ranges in CreateConnection. Please use Update"
    )
    assert error["message"].endswith("Existing allocated IP ranges: [psa2, psa1].")


def test_a_range_that_is_not_of_the_network_is_not_found(net: Cloud) -> None:
    """Neither one that does not exist, nor one of another network."""
    networked.make_network(net, "net2")
    reserve(net, "other", "net2", address="10.60.0.0")
    for name in ("none", "other"):
        error = connect(net, name)["error"]
        assert error == {"code": 9, "message": f"allocated IP range '{name}' not found in network"}
    assert connections(net) == []


def test_a_network_is_named_by_its_projects_number(net: Cloud) -> None:
    """The API takes no project id, and says which form it wants."""
    where = f"projects/{net.project}/global/networks/net1"
    refused = net.get(f"{CONNECTIONS}?network={where}")
    assert (refused.status, refused.error["status"]) == (400, "INVALID_ARGUMENT")
    assert "project number" in refused.error["message"]


def test_a_range_is_taken_away_by_force_alone(net: Cloud) -> None:
    """Adding one needs none."""
    reserve(net, "psa2", address="10.40.0.0")
    connect(net, "psa1")
    added = net.wait(net.ok("PATCH", f"{CONNECTIONS}/-", _body(net, "psa1", "psa2")))
    assert added["response"]["reservedPeeringRanges"] == ["psa1", "psa2"]
    refused = net.wait(net.ok("PATCH", f"{CONNECTIONS}/-", _body(net, "psa2")))
    assert refused["error"]["code"] == 9
    assert _force(net, "psa2")["response"]["reservedPeeringRanges"] == ["psa2"]


def test_a_removed_peering_leaves_the_connection_behind(net: Cloud) -> None:
    """It is in no list any more, stands in the way of other ranges, and comes back with the ranges it had."""
    reserve(net, "psa2", address="10.40.0.0")
    connect(net, "psa1")
    compute(net, "POST", "global/networks/net1/removePeering", {"name": PEERING})
    assert (connections(net), _peerings(net)) == ([], [])
    assert connect(net, "psa2")["error"]["code"] == 9
    assert connect(net)["response"]["reservedPeeringRanges"] == ["psa1"]
    assert len(connections(net)) == 1


def test_a_deleted_connection_is_gone_from_both_sides(net: Cloud) -> None:
    """No connection, no peering; another deletion says that there is none."""
    connect(net, "psa1")
    gone = _delete(net)
    assert gone["name"].startswith("operations/dcf.p40-")
    assert "error" not in gone
    assert (connections(net), _peerings(net)) == ([], [])
    assert _delete(net)["error"]["code"] == 5
    assert "error" not in connect(net, "psa1")


def test_a_network_takes_one_change_of_its_peering_at_a_time(net: Cloud) -> None:
    """In Compute Engine's words, while the first one takes its time."""
    with under(net, operations={"servicenetworking.*": 0.5}):
        started = net.ok("POST", CONNECTIONS, _body(net, "psa1"))
        refused = net.post(CONNECTIONS, _body(net, "psa1"))
        assert refused.status == 400
        assert "peering operation in progress" in refused.error["message"]
        net.wait(started)
        net.wait(net.ok("POST", CONNECTIONS, _body(net, "psa1")))


def test_the_agent_gets_its_role_with_its_first_work_and_needs_it(net: Cloud) -> None:
    """Whoever takes it away is told what the agent lacks; nothing gives it back."""
    connect(net, "psa1")
    policy = net.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    agent = f"serviceAccount:service-{net.number}@service-networking.iam.gserviceaccount.com"
    role = {"role": "roles/servicenetworking.serviceAgent", "members": [agent]}
    assert role in policy["bindings"]
    policy["bindings"].remove(role)
    net.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": policy})
    for done in (_force(net, "psa1"), _delete(net)):
        text = f"Required 'compute.globalAddresses.list' permission for 'projects/{net.number}'"
        assert done["error"] == {"code": 7, "message": text}


def test_the_api_has_to_be_enabled_in_the_networks_project(cloud: Cloud) -> None:
    """Nothing in the path names the project: the network does."""
    where = f"projects/{cloud.number}/global/networks/net1"
    for refused in (
        cloud.get(f"{CONNECTIONS}?network={where}"),
        cloud.post(CONNECTIONS, {"network": where, "reservedPeeringRanges": ["psa1"]}),
        cloud.post(f"{CONNECTIONS}/-", {"consumerNetwork": where}),
    ):
        assert refused.status == 403
        assert refused.error["details"][0]["reason"] == "SERVICE_DISABLED"
