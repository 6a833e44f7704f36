"""The VPC network that a private database is reached through: used as it is, never made and never changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from reconciler import errors
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.server import networks
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment


class Network:
    """`compute.network`."""

    name: str = "compute.network"
    api: str = "compute.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """That it is there; nothing where the database is public."""
        del names
        if deployment.networking.private:
            yield Desired(
                ref(deployment), {}, given=_sentence(ref(deployment)),
                origins={"": deployment.origin("networking.network")},
            )  # fmt: skip

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Nothing but that it is there."""
        _, project, _, _, short = ref.name.split("/")
        request = cloud.api("compute", "v1").networks().get(project=project, network=short)
        found: Any = cloud.found(f"reading network {short}", request.execute)
        return None if found is None else Observed(ref, {})

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Look whether it is there by now: Compute Engine brings the network `default` along when it is enabled."""
        if self.observe(cloud, desired.ref) is None:
            raise errors.Refused(f"{desired.ref.name} does not exist", way_out=desired.given)

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """The same: nothing of it is ours to change."""
        self.create(cloud, desired)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: it is not ours."""


def ref(deployment: Deployment) -> Ref:
    """The deployment's network."""
    return Ref(Network.name, networks.network(deployment))


def _sentence(ref: Ref) -> str:
    _, project, _, _, short = ref.name.split("/")
    return (
        "name an existing one as networking.network (gcloud compute networks list --project "
        f"{project}), or make it: gcloud compute networks create {short} --project {project} --subnet-mode=auto"
    )
