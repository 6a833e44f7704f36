"""Addresses and reserved ranges: global and of a region, internal and external."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.networking import compute_names, networks, quotas, vpc
from reconciler.sandbox.services import compute_lists, compute_picking, compute_ranges, compute_rules
from reconciler.sandbox.services.compute_operations import start, start_and_wait
from reconciler.sandbox.services.compute_places import region_of
from reconciler.sandbox.store import Body, Missing
from reconciler.sandbox.world import Request, World

NO_LABELS: Final = "42WmSpB8rSM="
"""The labelFingerprint of a resource without labels, the same for all of Compute Engine."""
RANGE: Final = "VPC_PEERING"


def register(world: World) -> None:
    """Say what operations on addresses do."""
    for collection in ("addresses", "globalAddresses"):
        world.operations.register(
            f"compute.{collection}.insert",
            lambda arguments, _: _do_insert(world, arguments),
            lambda arguments, _: _forget(world, arguments["target"]),
        )
        world.operations.register(
            f"compute.{collection}.setLabels", lambda arguments, _: _do_set_labels(world, arguments)
        )
        world.operations.register(
            f"compute.{collection}.delete", lambda arguments, _: _forget(world, arguments["target"])
        )


def collection(request: Request) -> str:
    """Where the addresses are that a request is about: "projects/p/global/addresses"."""
    if "region" not in request.params:
        return f"projects/{request.project}/global/addresses"
    return f"projects/{request.project}/regions/{region_of(request).name}/addresses"


def shown(world: World, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """An address as it is answered."""
    labels = body.get("labels")
    users = networks.users(world, name)
    answer = {
        "kind": "compute#address",
        **body,
        "selfLink": compute_names.link(name),
        "labelFingerprint": compute_names.fingerprint(labels) if labels else NO_LABELS,
    }
    if users:
        answer |= {"status": "IN_USE", "users": [compute_names.link(user) for user in users]}
    return answer


def found(world: World, request: Request) -> tuple[str, Body]:
    """(relative name, body) of the address that a request names. Raises ApiError 404."""
    wanted = str(request.params.get("address") or request.params.get("resource"))
    within = collection(request)
    body = world.store.get(networks.ADDRESS, f"{within}/{wanted}")
    if body is None and wanted.isdigit():
        rows = world.store.list(networks.ADDRESS, f"{within}/")
        body = next((one for _, one in rows if one["id"] == wanted), None)
    if body is None:
        raise compute_rules.missing(f"{within}/{wanted}")
    return f"{within}/{body['name']}", body


def get(world: World, request: Request) -> dict[str, Any]:
    """addresses.get and globalAddresses.get."""
    return compute_names.in_version(shown(world, *found(world, request)), request.version)


def listing(world: World, request: Request) -> dict[str, Any]:
    """addresses.list and globalAddresses.list."""
    within = collection(request)
    rows = world.store.list(networks.ADDRESS, f"{within}/")
    return compute_lists.listed(request, "address", within, [shown(world, name, body) for name, body in rows])


def aggregated(world: World, request: Request) -> dict[str, Any]:
    """addresses.aggregatedList."""
    places: dict[str, list[Mapping[str, Any]]] = {"global": []}
    for name, body in world.store.list(networks.ADDRESS, f"projects/{request.project}/"):
        place = name.split("/", 2)[2].rpartition("/addresses/")[0]
        places.setdefault(place, []).append(shown(world, name, body))
    return compute_lists.aggregated(request, "address", "addresses", places)


def insert(world: World, request: Request) -> dict[str, Any]:
    """addresses.insert and globalAddresses.insert. Labels are not taken here; setLabels sets them."""
    within = collection(request)
    target = f"{within}/{compute_rules.check_name(request.body)}"
    body: Body = {
        "id": compute_names.number(),
        "creationTimestamp": compute_names.local_time(world.clock()),
        "name": request.body["name"],
        "description": request.body.get("description", ""),
        **_fields(world, request),
        "status": "RESERVING",
    }
    with world.store.transaction():
        if world.store.get(networks.ADDRESS, target) is not None:
            raise compute_rules.exists(target)
        _check_quota(world, request, body["addressType"])
        world.store.put(networks.ADDRESS, target, body)
        return start(world, request, "insert", target, body, {})


def set_labels(world: World, request: Request) -> dict[str, Any]:
    """addresses.setLabels and globalAddresses.setLabels: replaces them all, on the fingerprint that was read last."""
    target, body = found(world, request)
    if request.body.get("labelFingerprint") != shown(world, target, body)["labelFingerprint"]:
        raise compute_rules.not_met("Labels fingerprint either invalid or resource labels have changed")
    labels = request.body.get("labels", {})
    compute_rules.check_labels(labels)
    return start_and_wait(world, request, "setLabels", target, body, {"labels": labels})


def delete(world: World, request: Request) -> dict[str, Any]:
    """addresses.delete and globalAddresses.delete.

    A range may go while a private connection draws on it: the connection stays, and the range is free for others.
    """
    target, body = found(world, request)
    if user := next(iter(networks.users(world, target)), ""):
        raise compute_rules.in_use("address", target, user)
    return start(world, request, "delete", target, body, {})


def _check_quota(world: World, request: Request, kind: str) -> None:
    """Raise ApiError 403 where the project has as many as it may; inside a subnetwork nobody counts them."""
    region = str(request.params.get("region", ""))
    if kind == "EXTERNAL":
        quotas.check(world, request.project, "STATIC_ADDRESSES", region)
    elif not region:
        quotas.check(world, request.project, "GLOBAL_INTERNAL_ADDRESSES")


def _fields(world: World, request: Request) -> dict[str, Any]:
    """What is kept of an insert's body, with the defaults. Raises ApiError."""
    sent = request.body
    kind = sent.get("addressType", "EXTERNAL")
    fields: dict[str, Any] = {"addressType": kind, "networkTier": sent.get("networkTier", "PREMIUM")}
    if "region" in request.params:
        fields["region"] = compute_names.link(
            f"projects/{request.project}/regions/{request.params['region']}"
        )
    if kind == "EXTERNAL":
        return {**fields, **_external(request)}
    purpose = sent.get("purpose") or ("GCE_ENDPOINT" if "region" in request.params else "")
    if not purpose:
        raise compute_rules.required("resource.purpose")
    fields["purpose"] = purpose
    if "address" in sent:
        fields["address"] = _address(sent["address"])
    if "subnetwork" in sent:
        fields["subnetwork"] = compute_names.link(_subnetwork(world, request))
    if "region" not in request.params:
        fields |= _global_internal(world, request, purpose)
    return fields


def _external(request: Request) -> dict[str, Any]:
    sent = request.body
    for name in ("purpose", "network", "subnetwork"):
        if sent.get(name) and not (name == "purpose" and sent[name] == "NAT_AUTO"):
            why = "The field cannot be specified with external address."
            raise compute_rules.invalid(f"resource.{name}", sent[name], why)
    if sent.get("address"):
        why = "Specified IP address is not available: it is none that was given to this project."
        raise compute_rules.invalid("resource.address", sent["address"], why)
    if sent.get("ipVersion") == "IPV6":
        raise ApiError(404, "The sandbox does not emulate external IPv6 addresses.", reason="notFound")
    return {"ipVersion": "IPV4"} if sent.get("ipVersion") == "IPV4" else {}


def _global_internal(world: World, request: Request, purpose: str) -> dict[str, Any]:
    sent = request.body
    if purpose not in (RANGE, "PRIVATE_SERVICE_CONNECT"):
        why = "A global internal address is for VPC_PEERING or PRIVATE_SERVICE_CONNECT."
        raise compute_rules.invalid("resource.purpose", purpose, why)
    network = compute_ranges.network_of(world, request)
    name = networks.network_name(request.project, network["name"])
    fields: dict[str, Any] = {"network": compute_names.link(name)}
    if purpose != RANGE:
        if not sent.get("address"):
            raise compute_rules.required("resource.address")
        return fields
    length = sent.get("prefixLength")
    if not length:
        raise compute_rules.required("resource.prefixLength")
    if not 8 <= length <= 30:
        why = "Must be greater than or equal to 8 and less than or equal to 30."
        raise compute_rules.invalid("resource.prefixLength", length, why)
    if sent.get("address"):
        _check_begin(sent["address"], length)
    return {**fields, "prefixLength": length}


def _check_begin(address: str, length: int) -> None:
    found = IPv4Network(f"{_address(address)}/{length}", strict=False)
    if str(found.network_address) != address:
        why = f"The address is not the first of a range with prefix length {length}."
        raise compute_rules.invalid("resource.address", address, why)


def _address(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError as error:
        raise compute_rules.invalid("resource.address", text, "Must be a valid IPv4 address.") from error


def _subnetwork(world: World, request: Request) -> str:
    text = request.body["subnetwork"]
    place = f"regions/{request.params.get('region', '')}/subnetworks"
    name = vpc.full_name(world, request.project, place, text)
    parts = name.split("/")
    if "/" not in text or len(parts) != 6 or parts[2::2] != ["regions", "subnetworks"]:
        raise compute_rules.invalid("resource.subnetwork", text, "The URL is malformed.")
    if vpc.subnetwork(world, name) is None:
        why = "The referenced subnetwork resource cannot be found."
        raise compute_rules.invalid("resource.subnetwork", text, why)
    return name


def _do_insert(world: World, arguments: Mapping[str, Any]) -> None:
    target = arguments["target"]
    try:
        with world.store.transaction():
            body = world.store.get(networks.ADDRESS, target)
            if body is not None and body["status"] == "RESERVING":
                fields = compute_picking.pick(world, target, body)
                world.store.put(networks.ADDRESS, target, {**body, **fields, "status": "RESERVED"})
    except ApiError:
        _forget(world, target)
        raise


def _do_set_labels(world: World, arguments: Mapping[str, Any]) -> None:
    def change(body: Body) -> Body:
        kept = {key: value for key, value in body.items() if key != "labels"}
        return {**kept, **({"labels": arguments["labels"]} if arguments["labels"] else {})}

    try:
        world.store.update(networks.ADDRESS, arguments["target"], change)
    except Missing as error:
        raise compute_rules.missing(arguments["target"]) from error


def _forget(world: World, target: str) -> None:
    if world.store.get(networks.ADDRESS, target) is not None:
        world.store.delete(networks.ADDRESS, target)
