"""Serverless VPC Access: connectors, their limits and their states."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.calls import Cloud
from tests.sandbox.services.networked import (
    COMPUTE,
    CONNECTORS,
    REGION,
    make_connector,
    make_network,
    make_subnetwork,
    quota,
)
from tests.sandbox.test_conditions import under

CON1 = f"{CONNECTORS}/con1"
CAPTURED = {
    "ipCidrRange": "10.8.0.0/28",
    "machineType": "e2-micro",
    "maxInstances": 3,
    "maxThroughput": 300,
    "minInstances": 2,
    "minThroughput": 200,
    "network": "net1",
    "state": "READY",
}


@pytest.fixture(name="net")
def _net(cloud: Cloud) -> Cloud:
    """A project with the network net1."""
    cloud.enable("vpcaccess")
    make_network(cloud)
    return cloud


def _refused(cloud: Cloud, name: str = "con1", **fields: Any) -> str:
    """What the API says of a connector that it does not take."""
    body = {"network": "net1", "ipCidrRange": "10.8.0.0/28", "minInstances": 2, "maxInstances": 3, **fields}
    answered = cloud.post(f"{CONNECTORS}?connectorId={name}", body)
    assert (answered.status, answered.error["status"]) == (400, "INVALID_ARGUMENT")
    return answered.error["message"]


def test_a_connector_reads_as_captured(net: Cloud) -> None:
    """A throughput of 100 Mbps for each instance; times in v1beta1 alone."""
    done = make_connector(net)
    shown = {"name": f"projects/{net.project}/locations/{REGION}/connectors/con1", **CAPTURED}
    assert done["response"] == {"@type": "type.googleapis.com/google.cloud.vpcaccess.v1.Connector", **shown}
    assert net.ok("GET", CON1) == shown
    assert set(net.ok("GET", CON1.replace("/v1/", "/v1beta1/"))) - set(shown) == {
        "createTime",
        "lastRestartTime",
    }
    assert net.ok("GET", CONNECTORS) == {"connectors": [shown]}
    assert net.ok("GET", CONNECTORS.replace(REGION, "-")) == {"connectors": [shown]}


def test_an_operation_says_what_it_is_about(net: Cloud) -> None:
    """Its metadata has the method, the connector and, at its end, the time."""
    metadata = make_connector(net)["metadata"]
    assert metadata["method"] == "google.cloud.vpcaccess.v1.VpcAccessService.CreateConnector"
    assert metadata["target"].endswith(f"/locations/{REGION}/connectors/con1")
    assert metadata["endTime"] >= metadata["createTime"]
    listed = net.get(f"/v1/projects/{{P}}/locations/{REGION}/operations", headers=_HOST).json["operations"]
    assert [one["metadata"] for one in listed] == [metadata]


def test_throughput_alone_becomes_instances(net: Cloud) -> None:
    """The older way to say the size; a least throughput of 200 where nobody says."""
    made = make_connector(net, minInstances=0, maxInstances=0, minThroughput=300, maxThroughput=400)
    assert (made["response"]["minInstances"], made["response"]["maxInstances"]) == (3, 4)
    other = make_connector(
        net, "con2", ipCidrRange="10.8.0.16/28", minInstances=0, maxInstances=0, maxThroughput=400
    )
    assert other["response"]["minThroughput"] == 200


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"minInstances": 1}, "must be at least 2"),
        ({"minInstances": 0}, "must be at least 2"),
        ({"maxInstances": 11}, "must be at most 10"),
        ({"minInstances": 3}, "must be less than the specified maximum instances value"),
        ({"maxInstances": 0}, "must be less than the specified maximum instances value"),
        ({"maxInstances": 0, "minInstances": 0, "maxThroughput": 350}, "multiple of 100"),
        ({"machineType": "n1-standard-1"}, "machine type"),
        ({"ipCidrRange": "10.8.0.0/27"}, "netmask of 28"),
        ({"ipCidrRange": "10.8.0.1/28"}, "Invalid IP CIDR range"),
        ({"ipCidrRange": ""}, "must be specified"),
        ({"subnet": {"name": "s"}}, "not both"),
    ],
)
def test_limits_are_kept(net: Cloud, fields: dict[str, Any], said: str) -> None:
    """What cannot be is refused at once, and nothing is left of it."""
    assert said in _refused(net, **fields)
    assert net.get(CON1).status == 404


@pytest.mark.parametrize("name", ["a", "Con", "1con", "con-", "c" * 26])
def test_a_connectors_name_has_25_characters_at_most(net: Cloud, name: str) -> None:
    """Letters, digits and hyphens, as the API's own pattern has it."""
    assert _refused(net, name) == "Connector ID must follow the pattern ^[a-z][-a-z0-9]{0,23}[a-z0-9]$."


def test_a_connector_that_nobody_sized_fails_and_has_to_be_deleted(net: Cloud) -> None:
    """The operation ends with an error, the connector is in ERROR, its name is taken until it is deleted."""
    failed = make_connector(net, minInstances=0, maxInstances=0)
    assert failed["error"] == {
        "code": 3,
        "message": "Operation failed: A Connector must specify either max_throughput or max_instances.",
    }
    assert net.ok("GET", CON1)["state"] == "ERROR"
    again = net.post(f"{CONNECTORS}?connectorId=con1", {"network": "net1", "ipCidrRange": "10.8.0.0/28"})
    assert (again.status, again.error["message"]) == (409, "Requested entity already exists")
    assert "error" not in net.wait(net.ok("DELETE", CON1))
    assert net.get(CON1).error == {
        "code": 404,
        "message": "The connector is not found.",
        "status": "NOT_FOUND",
    }
    assert make_connector(net)["response"]["state"] == "READY"


def test_a_range_that_is_in_use_is_refused_in_the_operation(net: Cloud) -> None:
    """By a subnetwork of the network, or by another connector."""
    make_subnetwork(net, "sub1", "10.9.0.0/24")
    make_connector(net, "con2")
    for cidr in ("10.9.0.16/28", "10.8.0.0/28"):
        error = make_connector(net, ipCidrRange=cidr)["error"]
        assert error["code"] == 3
        assert (
            "It conflicts with an existing subnetwork. Please delete the connector manually."
            in error["message"]
        )
        net.wait(net.ok("DELETE", CON1))


def test_googles_agent_has_to_be_an_editor(net: Cloud) -> None:
    """It is one from the beginning; without that role a connector ends in ERROR."""
    policy = net.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    agent = f"{net.number}@cloudservices.gserviceaccount.com"
    for binding in policy["bindings"]:
        binding["members"] = [one for one in binding["members"] if agent not in one]
    net.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": policy})
    said = f"Operation failed: Google APIs Service Agent ({agent}) needs editor role in the project."
    assert make_connector(net)["error"] == {"code": 7, "message": said}
    assert net.ok("GET", CON1)["state"] == "ERROR"


def test_a_connector_may_lie_in_a_subnetwork_of_its_own(net: Cloud) -> None:
    """A /28, in its region, that no other connector uses."""
    make_subnetwork(net, "small", "10.9.0.0/28")
    make_subnetwork(net, "large", "10.9.1.0/24")
    place: dict[str, Any] = {"network": "", "ipCidrRange": "", "subnet": {"name": "small"}}
    assert make_connector(net, **place)["response"]["subnet"] == {"name": "small"}
    assert "already used" in make_connector(net, "con2", **place)["error"]["message"]
    large = make_connector(net, "con3", **{**place, "subnet": {"name": "large"}})["error"]
    assert large["message"] == "Operation failed: Subnets used for VPC connectors must have a netmask of 28."
    assert (
        "not found"
        in make_connector(net, "con4", **{**place, "subnet": {"name": "none"}})["error"]["message"]
    )


def test_a_network_is_kept_for_its_connectors(net: Cloud) -> None:
    """The machines behind a connector are hidden, and still in the way."""
    make_connector(net)

    def deleted() -> dict[str, Any]:
        operation = net.ok("DELETE", f"{COMPUTE}/global/networks/net1")
        while operation["status"] != "DONE":
            operation = net.ok("GET", operation["selfLink"].partition(".com")[2])
        return operation

    assert deleted()["error"]["errors"][0]["code"] == "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"
    net.wait(net.ok("DELETE", CON1))
    assert "error" not in deleted()


def test_a_connector_grows_and_does_not_shrink(net: Cloud) -> None:
    """Machine type and instances are all that a patch may change; the throughput follows."""
    make_connector(net)
    mask = "?updateMask=minInstances,maxInstances,machineType"
    body = {"minInstances": 3, "maxInstances": 5, "machineType": "e2-standard-4"}
    grown = net.wait(net.ok("PATCH", f"{CON1}{mask}", body))["response"]
    assert (grown["minThroughput"], grown["maxThroughput"], grown["machineType"]) == (
        300,
        500,
        "e2-standard-4",
    )
    for path, sent in (
        (f"{CON1}{mask}", {**body, "minInstances": 2}),
        (f"{CON1}{mask}", {**body, "maxInstances": 4}),
        (f"{CON1}?updateMask=ipCidrRange", {"ipCidrRange": "10.8.1.0/28"}),
        (f"{CON1}?updateMask=maxThroughput", {"maxThroughput": 900}),
    ):
        assert net.call("PATCH", path, sent).status == 400
    assert net.ok("GET", CON1)["maxInstances"] == 5


def test_a_reader_sees_what_is_under_way(net: Cloud) -> None:
    """CREATING, UPDATING and DELETING, each refusing the next change; Google's own failure leaves an ERROR."""
    with under(net, operations={"vpcaccess.*": 0.3}):
        body = {"network": "net1", "ipCidrRange": "10.8.0.0/28", "minInstances": 2, "maxInstances": 3}
        for method, path, sent, state in (
            ("POST", f"{CONNECTORS}?connectorId=con1", body, "CREATING"),
            ("PATCH", f"{CON1}?updateMask=maxInstances", {"maxInstances": 4}, "UPDATING"),
            ("DELETE", CON1, None, "DELETING"),
        ):
            started = net.ok(method, path, sent)
            assert net.ok("GET", CON1)["state"] == state
            refused = net.call("DELETE", CON1)
            assert (refused.status, refused.error["status"]) == (400, "FAILED_PRECONDITION")
            assert "error" not in net.wait(started)
    failing = {"method": "vpcaccess.projects.locations.connectors.create", "fault": "operation-error"}
    with under(net, faults=[failing]):
        assert make_connector(net)["error"]["code"] == 13
    assert net.ok("GET", CON1)["state"] == "ERROR"


def test_locations_are_listed_and_others_do_not_exist(net: Cloud) -> None:
    """A region that has no connectors is refused as one that may not be seen."""
    found = net.get("/v1/projects/{P}/locations", headers=_HOST).json["locations"]
    assert REGION in [one["locationId"] for one in found]
    assert net.get(CONNECTORS.replace(REGION, "mars-north1")).status == 403


def test_the_api_has_to_be_enabled(cloud: Cloud) -> None:
    """As everywhere."""
    refused = cloud.get(CONNECTORS)
    assert refused.error["details"][0]["reason"] == "SERVICE_DISABLED"


_HOST = {"Host": "vpcaccess.googleapis.com"}


def test_machines_count_as_the_projects_own(net: Cloud) -> None:
    """A connector for whose machines the region has no CPUs left ends in ERROR; one that is gone counts no more."""
    with under(net, limits={"CPUS": 5}):
        make_connector(net)
        assert quota(net, "CPUS", f"/regions/{REGION}") == (4, 5)
        failed = make_connector(net, "con2", ipCidrRange="10.8.1.0/28")
        assert failed["error"]["message"] == "Operation failed: Insufficient CPU quota in region."
        assert failed["error"]["code"] == 9
        assert net.ok("GET", f"{CONNECTORS}/con2")["state"] == "ERROR"
        assert quota(net, "CPUS", f"/regions/{REGION}") == (4, 5)
        net.wait(net.ok("DELETE", CON1))
        assert quota(net, "CPUS", f"/regions/{REGION}") == (0, 5)
