"""Where a private database lives and how the server gets there: names of what exists already, and of what is made.

Names are Google's relative ones ("projects/P/global/networks/N"). The network, its subnets and its ranges belong to
the host project; the connector and the server to the deployment's own.
"""

from __future__ import annotations

import hashlib

from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

CONNECTOR_ROOM = 20
"""Characters that every page of Google's allows a connector's name; a hyphen counts for two on one of them."""
DIGEST = 6


def home(deployment: Deployment) -> str:
    """The project that the network belongs to."""
    return deployment.networking.host_project or deployment.project


def connected(deployment: Deployment) -> bool:
    """Whether the server goes to its database through a connector."""
    return deployment.networking.private and deployment.networking.egress == "connector"


def network(deployment: Deployment) -> str:
    """The network's full name."""
    return f"projects/{home(deployment)}/global/networks/{deployment.networking.network}"


def private_network(deployment: Deployment, field: str) -> dict[str, str]:
    """What an instance says in *field*: of a public one nothing, because one that was private keeps that address."""
    return {field: network(deployment)} if deployment.networking.private else {}


def subnetwork(deployment: Deployment) -> str:
    """The full name of the subnet that instances take their addresses from with egress `direct`."""
    short = deployment.networking.subnetwork or deployment.networking.network
    return f"projects/{home(deployment)}/regions/{deployment.region}/subnetworks/{short}"


def connector_subnetwork(deployment: Deployment) -> str:
    """The full name of the subnet that the connector's machines live in, "" where it has a range of its own."""
    short = deployment.networking.connector.subnetwork
    return f"projects/{home(deployment)}/regions/{deployment.region}/subnetworks/{short}" if short else ""


def own_range(deployment: Deployment) -> str:
    """The full name of the range that is reserved for Google's services where the spec names none.

    Several projects share a host project's names, so this one begins with the project.
    """
    short = f"{deployment.project}-{deployment.name}-range"
    return f"projects/{home(deployment)}/global/addresses/{short}"


def range_name(deployment: Deployment) -> str:
    """The short name of the range that the peering has for this deployment."""
    return deployment.networking.peering_range or own_range(deployment).rpartition("/")[2]


def connector(names: Names) -> str:
    """The connector's full name: connectors carry no labels, so a part of it could be nobody else's."""
    digest = hashlib.sha256(f"{names.project}/{names.name}".encode()).hexdigest()[:DIGEST]
    spoken = names.name.replace("-", "")[: CONNECTOR_ROOM - DIGEST - 2]
    return f"{names.location}/connectors/{spoken}-{digest}"


def addresses_needed(deployment: Deployment) -> int:
    """How many addresses the subnet of egress `direct` must have: for two revisions at a time, and for jobs."""
    return max(LEAST_ADDRESSES, 2 * deployment.scaling.max_instances + BESIDE)


LEAST_ADDRESSES = 64
"""Cloud Run asks for a /26 at least ("Direct VPC egress")."""
BESIDE = 8
"""The four that Google keeps in every subnet, and some for jobs."""


ROLE = "roles/compute.networkUser"


def agents(deployment: Deployment, project_number: str) -> tuple[str, ...]:
    """Google's own accounts of the deployment's project that need `ROLE` in the host project's network."""
    if deployment.networking.egress == "direct":
        return (f"service-{project_number}@serverless-robot-prod.iam.gserviceaccount.com",)
    return (
        f"service-{project_number}@gcp-sa-vpcaccess.iam.gserviceaccount.com",
        f"{project_number}@cloudservices.gserviceaccount.com",
    )


EVERYBODY = frozenset({"0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0"})
"""Ranges that are the whole internet, or half of it."""
