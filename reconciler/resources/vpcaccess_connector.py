"""The Serverless VPC Access connector: small machines through which the server reaches a private database.

Connectors have no labels; the name is one that nobody else would choose. Machines and their numbers change in place,
and the numbers go up only; range, subnet and network never change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp import operations, retries, vpc_access
from reconciler.gcp.cloud import Cloud
from reconciler.model import Body, Desired, Json, Observed, Origin, Ref
from reconciler.resources import sqladmin_public_address
from reconciler.server import networks
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

MUTABLE = ("machineType", "minInstances", "maxInstances")
CHANGING = frozenset({"CREATING", "UPDATING", "DELETING"})
READY, BROKEN = "READY", "ERROR"
PLACE = frozenset({"network", "ipCidrRange", "subnet.name", "subnet.projectId"})
STUCK = (
    "the server goes through it meanwhile: apply egress: direct first, which takes this one away, then egress: "
    "connector again"
)


class Connector:
    """`vpcaccess.connector`; its field `state` tells whether it works."""

    name: str = "vpcaccess.connector"
    api: str = "vpcaccess.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The connector, where a private database is reached through one."""
        yield Desired(
            ref(names),
            _body(deployment) if networks.connected(deployment) else None,
            fixed=frozenset({"state", *PLACE}),
            stuck=dict.fromkeys((*PLACE, "minInstances", "maxInstances"), STUCK),
            only_up=frozenset({"minInstances", "maxInstances"}),
            effects={
                "machineType": "its machines are replaced one after the other",
                "state": "it could not be made, or broke: it is made again",
            },
            origins=_origins(deployment),
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Where it lies and how large it is; busy while it is made, changed or deleted."""
        found: Any = cloud.found(
            f"reading connector {ref.short}", _connectors(cloud).get(name=ref.name).execute
        )
        if found is None:
            return None
        state = str(found.get("state", ""))
        if state == BROKEN:  # nothing goes through it, wherever it lies
            return Observed(ref, {"state": BROKEN})
        return Observed(
            ref,
            {
                "state": READY,
                "network": found.get("network"),
                "ipCidrRange": found.get("ipCidrRange"),
                "subnet.name": flat.at(found, "subnet.name"),
                "subnet.projectId": flat.at(found, "subnet.projectId"),
                **{field: found.get(field) for field in MUTABLE},
            },
            busy=state if state in CHANGING else "",
        )

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create it and wait; one that is there already is as good, and one that is on its way is waited for."""
        about = f"creating connector {desired.ref.short}"
        parent, _, name = desired.ref.name.rpartition("/connectors/")
        body = flat.nested({key: value for key, value in (desired.body or {}).items() if value is not None})
        body.pop("state", None)
        request = _connectors(cloud).create(parent=parent, connectorId=name, body=body)
        try:
            _await(cloud, about, cloud.call(about, request.execute))
        except errors.AlreadyThere as error:
            if _settle(cloud, desired.ref):
                raise errors.VersionMoved(f"{about}: it was on its way already, there or gone") from error

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """PATCH of machines and numbers, once nothing else is going on."""
        about = f"updating connector {desired.ref.short}"
        if _settle(cloud, desired.ref) or observed.busy:
            raise errors.VersionMoved(f"{about}: it was being changed, or deleted")
        chosen = sorted(fields)
        body = {field: (desired.body or {})[field] for field in chosen}
        request = _connectors(cloud).patch(name=desired.ref.name, updateMask=",".join(chosen), body=body)
        _await(cloud, about, cloud.call(about, request.execute))

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Delete it, once nothing else is going on."""
        about = f"deleting connector {ref.short}"

        def attempt() -> None:
            _settle(cloud, ref)  # before each attempt: one whose answer was lost may have begun it
            try:
                operation = cloud.call(about, _connectors(cloud).delete(name=ref.name).execute, retries.NEVER)
            except errors.NotThere:
                return
            _await(cloud, about, operation)

        retries.persist(retries.READ, attempt, cloud.pause)


def ref(names: Names) -> Ref:
    """The deployment's connector."""
    return Ref(Connector.name, networks.connector(names))


def way_in(deployment: Deployment, names: Names) -> Body:
    """`vpcAccess` of everything of the deployment that runs in Cloud Run and needs the database."""
    networking = deployment.networking
    if not networking.private:
        return vpc_access.NOWHERE
    return {
        vpc_access.CONNECTOR: networks.connector(names) if networks.connected(deployment) else None,
        vpc_access.INTERFACE: None if networks.connected(deployment) else networks.subnetwork(deployment),
        vpc_access.EGRESS: networking.vpc_egress.upper().replace("-", "_"),
    }


def way_in_origins(deployment: Deployment, prefix: str) -> dict[str, Origin]:
    """Which keys ask for the fields of `way_in`, below *prefix* in the body."""
    at = deployment.origin
    return {
        f"{prefix}{vpc_access.CONNECTOR}": at("networking.egress"),
        f"{prefix}{vpc_access.INTERFACE}": at("networking.subnetwork"),
        f"{prefix}{vpc_access.EGRESS}": at("networking.vpc_egress"),
    }


def needs(deployment: Deployment, names: Names) -> tuple[Ref, ...]:
    """What must be in place before something uses `way_in`, or leaves it."""
    public = () if deployment.networking.private else (sqladmin_public_address.ref(names),)
    return (ref(names), *public)


def _body(deployment: Deployment) -> dict[str, Json]:
    networking, connector = deployment.networking, deployment.networking.connector
    shared = bool(connector.subnetwork)
    return {
        "state": READY,
        "network": None if shared else networking.network,
        "ipCidrRange": None if shared else connector.range,
        "subnet.name": connector.subnetwork or None,
        "subnet.projectId": networks.home(deployment) if shared else None,
        "machineType": connector.machine_type,
        "minInstances": connector.min_instances,
        "maxInstances": connector.max_instances,
    }


def _origins(deployment: Deployment) -> dict[str, Any]:
    at, below = deployment.origin, "networking.connector"
    return {
        "": at("networking.egress"),
        "network": at("networking.network"),
        "ipCidrRange": at(f"{below}.range"),
        "subnet.name": at(f"{below}.subnetwork"),
        "subnet.projectId": at("networking.host_project"),
        "machineType": at(f"{below}.machine_type"),
        "minInstances": at(f"{below}.min_instances"),
        "maxInstances": at(f"{below}.max_instances"),
    }


def _connectors(cloud: Cloud) -> Any:
    return cloud.api("vpcaccess", "v1").projects().locations().connectors()


def _settle(cloud: Cloud, ref: Ref) -> bool:
    """Wait until nothing is going on with it; gone is settled, too. Whether there was anything to wait for."""
    about = f"waiting for connector {ref.short}"
    seen: list[bool] = []

    def going_on(found: Mapping[str, Any]) -> str:
        seen.append(found.get("state") in CHANGING)
        return str(found["state"]).lower() if seen[-1] else ""

    operations.await_state(
        cloud,
        about,
        operations.SHORT,
        lambda: cloud.found(about, _connectors(cloud).get(name=ref.name).execute) or {},
        going_on,
    )
    return any(seen)


def _await(cloud: Cloud, about: str, operation: Any) -> None:
    reader = cloud.api("vpcaccess", "v1").projects().locations().operations()
    operations.await_operation(
        cloud,
        about,
        operations.SHORT,
        operation,
        lambda name: reader.get(name=name).execute(),
        lambda _running: "waiting for its machines",
    )
