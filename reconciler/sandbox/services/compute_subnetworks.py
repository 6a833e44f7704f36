"""Subnetworks of VPC networks."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any, Final

from reconciler.sandbox.networking import compute_names, networks
from reconciler.sandbox.services import compute_lists, compute_ranges, compute_rules
from reconciler.sandbox.services.compute_operations import start
from reconciler.sandbox.services.compute_places import region_of
from reconciler.sandbox.services.compute_subnetwork_fields import checked, new, patched
from reconciler.sandbox.store import Body, Missing
from reconciler.sandbox.world import Request, World

_COUNTED: Final = ("id", "creationTimestamp")
"""Fields that are no part of what a fingerprint is of."""


def register(world: World) -> None:
    """Say what operations on subnetworks do."""

    def done(_: Mapping[str, Any], __: object) -> None:
        return

    def change(arguments: Mapping[str, Any], _: object) -> None:
        _update(world, arguments["target"], arguments["fields"])

    operations = world.operations
    operations.register(
        "compute.subnetworks.insert", done, lambda arguments, _: _forget(world, arguments["target"])
    )
    operations.register(
        "compute.subnetworks.delete", lambda arguments, _: _forget(world, arguments["target"])
    )
    for verb in ("patch", "setPrivateIpGoogleAccess", "expandIpCidrRange"):
        operations.register(f"compute.subnetworks.{verb}", change)


def shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """A subnetwork as it is answered."""
    name = f"{compute_names.relative(body['region'])}/subnetworks/{body['name']}"
    return {
        "kind": "compute#subnetwork",
        **body,
        "selfLink": compute_names.link(name),
        "fingerprint": fingerprint(body),
    }


def fingerprint(body: Mapping[str, Any]) -> str:
    """The version of a subnetwork."""
    return compute_names.fingerprint({key: value for key, value in body.items() if key not in _COUNTED})


def found(world: World, request: Request) -> tuple[str, Body]:
    """(relative name, body) of the subnetwork that a request names. Raises ApiError 404."""
    networks.prepare(world, request.project)
    wanted = request.params["subnetwork"]
    within = f"projects/{request.project}/regions/{region_of(request).name}/subnetworks"
    body = world.store.get(networks.SUBNETWORK, f"{within}/{wanted}")
    if body is None and wanted.isdigit():
        rows = world.store.list(networks.SUBNETWORK, f"{within}/")
        body = next((one for _, one in rows if one["id"] == wanted), None)
    if body is None:
        raise compute_rules.missing(f"{within}/{wanted}")
    return f"{within}/{body['name']}", body


def get(world: World, request: Request) -> dict[str, Any]:
    """subnetworks.get."""
    return compute_names.in_version(shown(found(world, request)[1]), request.version)


def listing(world: World, request: Request) -> dict[str, Any]:
    """subnetworks.list."""
    networks.prepare(world, request.project)
    within = f"projects/{request.project}/regions/{region_of(request).name}/subnetworks"
    rows = world.store.list(networks.SUBNETWORK, f"{within}/")
    return compute_lists.listed(request, "subnetwork", within, [shown(body) for _, body in rows])


def aggregated(world: World, request: Request) -> dict[str, Any]:
    """subnetworks.aggregatedList."""
    networks.prepare(world, request.project)
    places: dict[str, list[Mapping[str, Any]]] = {}
    for _, body in world.store.list(networks.SUBNETWORK, f"projects/{request.project}/regions/"):
        places.setdefault(f"regions/{body['region'].rpartition('/')[2]}", []).append(shown(body))
    return compute_lists.aggregated(request, "subnetwork", "subnetworks", places)


def insert(world: World, request: Request) -> dict[str, Any]:
    """subnetworks.insert: there at once, and ready when the operation is done."""
    name = compute_rules.check_name(request.body)
    region = region_of(request).name
    target = f"projects/{request.project}/regions/{region}/subnetworks/{name}"
    network = compute_ranges.network_of(world, request)
    body: Body = {
        "id": compute_names.number(),
        "creationTimestamp": compute_names.local_time(world.clock()),
        "name": name,
        "network": compute_names.link(networks.network_name(request.project, network["name"])),
        "region": compute_names.link(f"projects/{request.project}/regions/{region}"),
        **new(request.body, network),
    }
    with world.store.transaction():
        if world.store.get(networks.SUBNETWORK, target) is not None:
            raise compute_rules.exists(target)
        compute_ranges.check_free(world, request.project, network, body)
        world.store.put(networks.SUBNETWORK, target, body)
        return start(world, request, "insert", target, body, {})


def patch(world: World, request: Request) -> dict[str, Any]:
    """subnetworks.patch, on the fingerprint that was read last."""
    target, body = found(world, request)
    if not request.body.get("fingerprint"):
        raise compute_rules.required("resource.fingerprint")
    if request.body["fingerprint"] != fingerprint(body):
        raise compute_rules.not_met("Invalid fingerprint.")
    network = compute_ranges.network_named(world, request.project, body)
    fields = patched(request.body, body, network)
    with world.store.transaction():
        compute_ranges.check_free(world, request.project, network, {**body, **fields}, before=body)
        return start(world, request, "patch", target, body, {"fields": fields})


def set_private_ip_google_access(world: World, request: Request) -> dict[str, Any]:
    """subnetworks.setPrivateIpGoogleAccess."""
    target, body = found(world, request)
    fields = {"privateIpGoogleAccess": bool(request.body.get("privateIpGoogleAccess"))}
    return start(world, request, "setPrivateIpGoogleAccess", target, body, {"fields": fields})


def expand_ip_cidr_range(world: World, request: Request) -> dict[str, Any]:
    """subnetworks.expandIpCidrRange: a range can only grow."""
    target, body = found(world, request)
    text = request.body.get("ipCidrRange", "")
    if not text:
        raise compute_rules.required("ipCidrRange")
    wanted = compute_rules.check_range(text, "ipCidrRange")
    if not IPv4Network(body["ipCidrRange"]).subnet_of(wanted) or text == body["ipCidrRange"]:
        why = f"The new IP range must contain the range of the subnetwork, {body['ipCidrRange']}, and more."
        raise compute_rules.invalid("ipCidrRange", text, why)
    fields = {"ipCidrRange": text, "gatewayAddress": str(wanted[1])}
    network = compute_ranges.network_named(world, request.project, body)
    with world.store.transaction():
        compute_ranges.check_free(world, request.project, network, {**body, **fields}, before=body)
        return start(world, request, "expandIpCidrRange", target, body, {"fields": fields})


def delete(world: World, request: Request) -> dict[str, Any]:
    """subnetworks.delete."""
    target, body = found(world, request)
    network = compute_ranges.network_named(world, request.project, body)
    if network["autoCreateSubnetworks"] and body["name"] == network["name"]:
        raise compute_rules.unusable("Cannot delete auto subnetwork from an auto subnet mode network.")
    link = compute_names.link(target)
    rows = world.store.list(networks.ADDRESS, f"projects/{request.project}/regions/")
    inside = [key for key, one in rows if one.get("subnetwork") == link]
    if user := next(iter([*inside, *networks.users(world, target)]), ""):
        raise compute_rules.in_use("subnetwork", target, user)
    return start(world, request, "delete", target, body, {})


def _update(world: World, target: str, fields: Mapping[str, Any]) -> None:
    try:
        world.store.update(networks.SUBNETWORK, target, lambda body: checked({**body, **fields}))
    except Missing as error:
        raise compute_rules.missing(target) from error


def _forget(world: World, target: str) -> None:
    if world.store.get(networks.SUBNETWORK, target) is not None:
        world.store.delete(networks.SUBNETWORK, target)
