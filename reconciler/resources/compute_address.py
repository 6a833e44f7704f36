"""The range of a network that is reserved for Google's services: a database's private address comes from it.

Compute Engine ignores labels when an address is made, so they are set afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp import operations, retries
from reconciler.gcp.cloud import Cloud
from reconciler.gcp.vpc_access import relative
from reconciler.model import Desired, Observed, Ref
from reconciler.server import networks
from reconciler.server.naming import Names, labels_of, mark_of
from reconciler.spec.deployment import Deployment

PEERING = "peering"
"""The option of `destroy` with which range and connection go."""
STAYS = (
    "left in place: the peering with Google's services uses it; other databases of the network may, too, and Google "
    "refuses to let it go for days after the last one is gone; it costs nothing"
)


class Address:
    """`compute.address`: the deployment's own range; none where the spec names an existing one."""

    name: str = "compute.address"
    api: str = "compute.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """A range of the size asked for, anywhere in the network's private addresses."""
        del names
        networking = deployment.networking
        body = {
            "addressType": "INTERNAL",
            "purpose": "VPC_PEERING",
            "network": networks.network(deployment),
            "prefixLength": networking.peering_prefix_length,
            **flat.prefixed("labels", labels_of(deployment)),
        }
        at = deployment.origin
        yield Desired(
            ref(deployment),
            body if networking.private and not networking.peering_range else None,
            fixed=frozenset({"addressType", "purpose", "network", "prefixLength"}),
            permanent=True,
            stays_because=STAYS,
            goes_with=PEERING,
            mark=mark_of(deployment),
            origins={
                "": at("networking.database_ip"),
                "network": at("networking.network"),
                "prefixLength": at("networking.peering_prefix_length"),
            },
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """The range; it has no version but its labels' fingerprint."""
        found: Any = cloud.found(f"reading range {ref.short}", _get(cloud, ref).execute)
        if found is None:
            return None
        body = {
            "addressType": found.get("addressType"),
            "purpose": found.get("purpose"),
            "network": relative(str(found.get("network", ""))),
            "prefixLength": found.get("prefixLength"),
            **flat.prefixed("labels", found.get("labels")),
        }
        busy = "being reserved" if found.get("status") == "RESERVING" else ""
        return Observed(ref, body, version=str(found.get("labelFingerprint", "")), busy=busy)

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Reserve it and label it; one that is there already is labelled."""
        about = f"reserving range {desired.ref.short}"
        body = {key: value for key, value in (desired.body or {}).items() if "." not in key}
        addresses = cloud.api("compute", "v1").globalAddresses()
        request = addresses.insert(project=_project(desired.ref), body={**body, "name": desired.ref.short})
        try:
            _await(cloud, about, desired.ref, cloud.call(about, request.execute))
        except errors.AlreadyThere:
            cloud.note("it exists already")
        _label(cloud, desired, desired.body or {})

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Nothing but its labels can be changed; other people's labels stay."""
        about = f"waiting for range {desired.ref.short}"
        if observed.busy:
            operations.await_state(
                cloud, about, operations.SHORT,
                lambda: cloud.call(about, _get(cloud, desired.ref).execute),
                lambda found: "being reserved" if found.get("status") == "RESERVING" else "",
            )  # fmt: skip
        if fields:
            _label(cloud, desired, fields)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Give it back."""
        about = f"deleting range {ref.short}"
        request = (
            cloud.api("compute", "v1").globalAddresses().delete(project=_project(ref), address=ref.short)
        )
        try:
            operation = cloud.call(about, request.execute, retries.ADDRESS)
        except errors.NotThere:
            return
        _await(cloud, about, ref, operation)


def ref(deployment: Deployment) -> Ref:
    """The deployment's own range."""
    return Ref(Address.name, networks.own_range(deployment))


def _project(ref: Ref) -> str:
    return ref.name.split("/")[1]


def _get(cloud: Cloud, ref: Ref) -> Any:
    return cloud.api("compute", "v1").globalAddresses().get(project=_project(ref), address=ref.short)


def _label(cloud: Cloud, desired: Desired, fields: Collection[str]) -> None:
    """Set the labels of *fields*, on the fingerprint read just now."""
    about = f"labelling range {desired.ref.short}"
    live = cloud.call(about, _get(cloud, desired.ref).execute)
    labels = flat.with_map(live.get("labels"), flat.under("labels", desired.body or {}, fields))
    if labels == (live.get("labels") or {}):
        return
    addresses = cloud.api("compute", "v1").globalAddresses()
    body = {"labels": labels, "labelFingerprint": live.get("labelFingerprint")}
    request = addresses.setLabels(project=_project(desired.ref), resource=desired.ref.short, body=body)
    _await(cloud, about, desired.ref, cloud.call(about, request.execute, retries.ADDRESS))


def _await(cloud: Cloud, about: str, ref: Ref, operation: Any) -> None:
    reader = cloud.api("compute", "v1").globalOperations()
    operations.await_operation(
        cloud,
        about,
        operations.SHORT,
        operation,
        lambda name: reader.get(project=_project(ref), operation=name).execute(),
        lambda running: str(running.get("status", "waiting")).lower(),
    )
