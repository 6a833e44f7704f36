"""Whether the database has a public address, apart from the instance so that it comes first and goes last.

Not a resource of Google's but one setting of the instance. From public to private the server moves into the network
while both addresses are there; on the way back the public one is there before the server leaves the network.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from reconciler.gcp import fields as flat
from reconciler.gcp import operations, retries, sql_work
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.resources import sqladmin_instance
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

FIELD = "settings.ipConfiguration.ipv4Enabled"


class PublicAddress:
    """`sqladmin.public_address`."""

    name: str = "sqladmin.public_address"
    api: str = "sqladmin.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """One for a public database, none for a private one, whose server must have found its way there before."""
        private = deployment.networking.private
        yield Desired(
            ref(names),
            {FIELD: not private},
            needs=(sqladmin_instance.ref(names), *(_users(names) if private else ())),
            lane=sqladmin_instance.lane(names),
            part_of=sqladmin_instance.ref(names),
            effects={FIELD: _effect(deployment)},
            origins={"": deployment.origin("networking.database_ip")},
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Whether the instance has one, as its own kind has read it."""
        found = sqladmin_instance.read(cloud, _instance(ref))
        return None if found is None else Observed(ref, {FIELD: bool(flat.at(found, FIELD))})

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """The instance was made with it, or without it: nothing is left to do unless somebody was faster."""
        observed = self.observe(cloud, desired.ref)
        if observed is not None and observed.body != desired.body:
            self.update(cloud, desired, observed, (FIELD,))

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """One PATCH of the instance, when nothing else is going on with it."""
        about = f"updating instance {desired.ref.short}"
        sql_work.replan_if_busy(cloud, desired.ref.short)
        instances = cloud.api("sqladmin", "v1").instances()
        live: Any = cloud.call(
            about, instances.get(project=cloud.project, instance=desired.ref.short).execute
        )
        if bool(flat.at(live, FIELD)) is (desired.body or {})[FIELD]:
            return  # somebody was faster
        settings = {
            "settingsVersion": flat.at(live, "settings.settingsVersion"),
            "ipConfiguration": {"ipv4Enabled": (desired.body or {})[FIELD]},
        }
        request = instances.patch(
            project=cloud.project, instance=desired.ref.short, body={"settings": settings}
        )
        operations.sql_done(cloud, about, cloud.call(about, request.execute, retries.SQL))

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: it goes with the instance."""


def ref(names: Names) -> Ref:
    """The public address of the deployment's instance; a name of ours."""
    return Ref(PublicAddress.name, f"projects/{names.project}/publicAddresses/{names.instance_id}")


def _instance(ref: Ref) -> Ref:
    _, project, _, name = ref.name.split("/")
    return Ref(sqladmin_instance.Instance.name, f"projects/{project}/instances/{name}")


def _users(names: Names) -> tuple[Ref, ...]:
    """What has to have its way through the network first."""
    return (
        Ref("run.service", names.service),
        Ref("run.job", names.job),
        Ref("run.job", names.retention_job),
    )


def _effect(deployment: Deployment) -> str:
    if deployment.networking.private:
        return (
            "takes the public address away, once the server has its way through the network: whoever else reaches the "
            "database by it no longer does"
        )
    return (
        "gives the database a public address, which lets no network in; its private one stays for good, as Cloud SQL "
        "cannot take it away, and so does the peering that it needs"
    )
