"""The subnet that the server, or its connector, takes addresses from: used as it is, never made and never changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from ipaddress import IPv4Network
from typing import Any

from reconciler import errors
from reconciler.gcp.cloud import Cloud
from reconciler.gcp.vpc_access import relative
from reconciler.model import Desired, Observed, Ref
from reconciler.server import networks
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment


class Subnetwork:
    """`compute.subnetwork`; its fields are its network and how many addresses it has."""

    name: str = "compute.subnetwork"
    api: str = "compute.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """That it is there, in the network, and large enough; nothing where no subnet is used."""
        del names
        at, network = deployment.origin, networks.network(deployment)
        if deployment.networking.private and deployment.networking.egress == "direct":
            least = networks.addresses_needed(deployment)
            yield Desired(
                Ref(self.name, networks.subnetwork(deployment)),
                {"network": network, "addresses": least},
                floors=frozenset({"addresses"}),
                given=f"instances take their addresses from it, {least} at least. {_ways(deployment)}",
                origins={"": at("networking.subnetwork"), "addresses": at("scaling.max_instances")},
            )
        elif networks.connected(deployment) and (used := networks.connector_subnetwork(deployment)):
            yield Desired(
                Ref(self.name, used),
                {"network": network, "addresses": 16},
                given=f"the connector takes all 16 addresses of a /28 for itself. {_ways(deployment)}",
                origins={"": at("networking.connector.subnetwork")},
            )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Its network, and the size of its primary range."""
        _, project, _, region, _, short = ref.name.split("/")
        subnetworks = cloud.api("compute", "v1").subnetworks()
        request = subnetworks.get(project=project, region=region, subnetwork=short)
        found: Any = cloud.found(f"reading subnet {short}", request.execute)
        if found is None:
            return None
        size = IPv4Network(found["ipCidrRange"]).num_addresses if found.get("ipCidrRange") else 0
        return Observed(ref, {"network": relative(str(found.get("network", ""))), "addresses": size})

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Look whether it is there by now, and as it must be."""
        found = self.observe(cloud, desired.ref)
        if found is None:
            raise errors.Refused(f"{desired.ref.name} does not exist", way_out=desired.given)
        wanted: dict[str, Any] = dict(desired.body or {})
        least = wanted["addresses"] if "addresses" in desired.floors else None
        size: Any = found.body["addresses"]
        fits = size >= least if least else size == wanted["addresses"]
        if found.body["network"] != wanted["network"] or not fits:
            raise errors.Refused(f"{desired.ref.name} is not as it must be", way_out=desired.given)

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """The same: nothing of it is ours to change."""
        self.create(cloud, desired)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: it is not ours."""


def _ways(deployment: Deployment) -> str:
    home, region, network = networks.home(deployment), deployment.region, deployment.networking.network
    return (
        f"Name another one (gcloud compute networks subnets list --project {home} --network {network}), or make one: "
        f"gcloud compute networks subnets create NAME --project {home} --network {network} --region {region} "
        "--range RANGE"
    )
