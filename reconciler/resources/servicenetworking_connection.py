"""Private services access: one range's part in the peering of a network with Google's services.

A network has one such connection for all its databases, so what is ours is the membership of one range: it is added to
the ranges of others, and taken away from among them. The API has no GET, no etag and no labels for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp import operations, retries
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.resources import compute_address, compute_network
from reconciler.server import networks
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

SERVICE = "services/servicenetworking.googleapis.com"
PEERING = f"{SERVICE}/connections/servicenetworking-googleapis-com"
LEFT_OVER = "Cannot modify allocated ranges in CreateConnection"
"""What is answered where somebody cut the peering and Google still keeps its ranges."""
IN_USE = "still using this connection"
NOT_OURS = "left in place: its range was there before this deployment"


class Connection:
    """`servicenetworking.connection`; its one field says that the range is among those of the connection."""

    name: str = "servicenetworking.connection"
    api: str = "servicenetworking.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The deployment's range, its own or the one that the spec names, among the network's reserved ranges."""
        del names
        networking = deployment.networking
        at = deployment.origin
        yield Desired(
            ref(deployment),
            {"reservedPeeringRanges": networks.range_name(deployment)} if networking.private else None,
            needs=(compute_address.ref(deployment), *_network(deployment)),
            permanent=True,
            stays_because=NOT_OURS if networking.peering_range else compute_address.STAYS,
            goes_with="" if networking.peering_range else compute_address.PEERING,
            lane=f"peering:{networks.network(deployment)}",
            origins={
                "": at("networking.database_ip"),
                "reservedPeeringRanges": at("networking.peering_range"),
            },
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """None where the network is not connected, or connected with other ranges alone."""
        ranges = _ranges(cloud, ref)
        return Observed(ref, {"reservedPeeringRanges": ref.short}) if ref.short in ranges else None

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Connect the network, or add the range to those that are connected already; none of them goes."""
        about = f"connecting range {desired.ref.short} with Google's services"

        def attempt() -> None:
            # Read before each attempt: an operation of an earlier run may have done it meanwhile.
            ranges = _ranges(cloud, desired.ref)
            if desired.ref.short in ranges:
                return
            if ranges:
                _patch(cloud, about, desired.ref, [*ranges, desired.ref.short], force=False)
            else:
                _connect(cloud, about, desired.ref)
            if desired.ref.short not in _ranges(cloud, desired.ref):
                # Without an etag, whoever writes at the same time may write over us.
                raise errors.VersionMoved(
                    f"{about}: somebody else is changing the connection at the same time"
                )

        retries.persist(retries.PEERING, attempt, cloud.pause)

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """It is there or it is not: nothing of it can change."""
        self.create(cloud, desired)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Take the range out of the connection; the connection itself goes with its last range."""
        about = f"disconnecting range {ref.short} from Google's services"

        def attempt() -> None:
            ranges = _ranges(cloud, ref)
            if ref.short not in ranges:
                return
            others = [one for one in ranges if one != ref.short]
            if others:
                _patch(cloud, about, ref, others, force=True)
                return
            body = {"consumerNetwork": _numbered(cloud, ref)}
            request = _connections(cloud).deleteConnection(name=PEERING, body=body)
            _await(cloud, about, cloud.call(about, request.execute, retries.NEVER))

        try:
            retries.persist(retries.PEERING, attempt, cloud.pause)
        except (errors.OperationFailed, errors.Refused) as error:
            if IN_USE not in error.message:
                raise
            raise errors.OperationFailed(
                error.message,
                way_out="Google keeps it for days after the last database is gone. Run this again then, or leave it: "
                "it costs nothing, and the next private database of the network uses it.",
            ) from error


def ref(deployment: Deployment) -> Ref:
    """The membership of the deployment's range in its network's connection; a name of ours, as Google has none."""
    return Ref(
        Connection.name, f"{networks.network(deployment)}/peeredRanges/{networks.range_name(deployment)}"
    )


def reserved(cloud: Cloud, network: str) -> list[str]:
    """The ranges that *network*, by its full name, has for Google's services."""
    return _ranges(cloud, Ref(Connection.name, network))


def _network(deployment: Deployment) -> tuple[Ref, ...]:
    return (compute_network.ref(deployment),) if deployment.networking.private else ()


def _connections(cloud: Cloud) -> Any:
    return cloud.api("servicenetworking", "v1").services().connections()


def _numbered(cloud: Cloud, ref: Ref) -> str:
    """The network as the API wants it, by its project's number."""
    _, project, _, _, short, *_ = ref.name.split("/")
    return f"projects/{_number(cloud, project)}/global/networks/{short}"


def _number(cloud: Cloud, project: str) -> str:
    if project == cloud.project and cloud.project_number:
        return cloud.project_number
    request = cloud.api("cloudresourcemanager", "v1").projects().get(projectId=project)
    about = f"reading project {project}"
    return cloud.once(("number", project), lambda: str(cloud.call(about, request.execute)["projectNumber"]))


def _ranges(cloud: Cloud, ref: Ref) -> list[str]:
    """The ranges of the network's connection; none where there is no connection, or no network."""
    request = _connections(cloud).list(parent=SERVICE, network=_numbered(cloud, ref))
    found: Any = cloud.found(f"reading the connections of {ref.name.split('/')[4]}", request.execute)
    listed = flat.items(found or {}, "connections")
    reserved: list[list[str]] = [one.get("reservedPeeringRanges") or [] for one in listed]
    return [name for names in reserved for name in names]


def _connect(cloud: Cloud, about: str, ref: Ref) -> None:
    network = _numbered(cloud, ref)

    def post(ranges: list[str]) -> None:
        body = {"network": network, "reservedPeeringRanges": ranges}
        request = _connections(cloud).create(parent=SERVICE, body=body)
        _await(cloud, about, cloud.call(about, request.execute, retries.NEVER))

    try:
        post([ref.short])
    except (errors.OperationFailed, errors.Refused) as error:
        if LEFT_OVER not in error.message:
            raise
        cloud.note("somebody cut the peering: restoring the ranges that it had")
        post([])


def _patch(cloud: Cloud, about: str, ref: Ref, ranges: list[str], *, force: bool) -> None:
    body = {"network": _numbered(cloud, ref), "reservedPeeringRanges": ranges}
    request = _connections(cloud).patch(
        name=PEERING, updateMask="reservedPeeringRanges", force=force, body=body
    )
    _await(cloud, about, cloud.call(about, request.execute, retries.NEVER))


def _await(cloud: Cloud, about: str, operation: Any) -> None:
    reader = cloud.api("servicenetworking", "v1").operations()
    operations.await_operation(
        cloud,
        about,
        operations.SHORT,
        operation,
        lambda name: reader.get(name=name).execute(),
        lambda _running: "waiting for the peering",
    )
