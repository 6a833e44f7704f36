"""VPC networks for tests: made through Compute Engine's API, with ranges, connections and connectors in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.sandbox.calls import Cloud

REGION = "europe-west9"
COMPUTE = "/compute/v1/projects/{P}"
CONNECTIONS = "/v1/services/servicenetworking.googleapis.com/connections"
CONNECTORS = f"/v1/projects/{{P}}/locations/{REGION}/connectors"
FORCED = f"{CONNECTIONS}/-?updateMask=reservedPeeringRanges&force=true"


def compute(cloud: Cloud, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """A change of Compute Engine, done; *path* is below the project."""
    operation = cloud.ok(method, f"{COMPUTE}/{path}", body)
    while operation["status"] != "DONE":
        operation = cloud.ok("GET", operation["selfLink"].partition(".com")[2])
    assert "error" not in operation, operation
    return operation


def make_network(cloud: Cloud, name: str = "net1") -> str:
    """A network without subnetworks; its name with the project's number."""
    compute(cloud, "POST", "global/networks", {"name": name, "autoCreateSubnetworks": False})
    return f"projects/{cloud.number}/global/networks/{name}"


def make_subnetwork(cloud: Cloud, name: str, cidr: str, network: str = "net1", region: str = REGION) -> None:
    """A subnetwork."""
    where = f"projects/{cloud.project}/global/networks/{network}"
    body = {"name": name, "ipCidrRange": cidr, "network": where}
    compute(cloud, "POST", f"regions/{region}/subnetworks", body)


def reserve(
    cloud: Cloud, name: str = "psa1", network: str = "net1", *, prefix: int = 16, address: str = "10.20.0.0"
) -> None:
    """A range that is reserved for peering."""
    body: dict[str, Any] = {"name": name, "purpose": "VPC_PEERING", "addressType": "INTERNAL"}
    where = f"projects/{cloud.project}/global/networks/{network}"
    body |= {"prefixLength": prefix, "address": address, "network": where}
    compute(cloud, "POST", "global/addresses", body)


def connect(cloud: Cloud, *ranges: str, network: str = "net1") -> dict[str, Any]:
    """The operation of a new connection, done."""
    where = f"projects/{cloud.number}/global/networks/{network}"
    return cloud.wait(
        cloud.ok("POST", CONNECTIONS, {"network": where, "reservedPeeringRanges": list(ranges)})
    )


def connections(cloud: Cloud, network: str = "net1") -> list[dict[str, Any]]:
    """The connections of a network."""
    where = f"projects/{cloud.number}/global/networks/{network}"
    return cloud.ok("GET", f"{CONNECTIONS}?network={where}").get("connections", [])


def make_connector(cloud: Cloud, name: str = "con1", **fields: Any) -> dict[str, Any]:
    """The operation of a new connector, done; by default one of two to three instances in net1."""
    body: Mapping[str, Any] = {
        "network": "net1",
        "ipCidrRange": "10.8.0.0/28",
        "minInstances": 2,
        "maxInstances": 3,
        **fields,
    }
    return cloud.wait(cloud.ok("POST", f"{CONNECTORS}?connectorId={name}", body))


def quota(cloud: Cloud, metric: str, below: str = "") -> tuple[float, float]:
    """How much of *metric* there is, and how much there may be, in the project or in a region *below* it."""
    shown = cloud.ok("GET", f"{COMPUTE}{below}")["quotas"]
    return next((one["usage"], one["limit"]) for one in shown if one["metric"] == metric)
