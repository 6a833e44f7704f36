"""VPC networks."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.networking import compute_names, networks, quotas, vpc
from reconciler.sandbox.services import compute_lists, compute_rules
from reconciler.sandbox.services.compute_operations import start
from reconciler.sandbox.store import Body, Missing
from reconciler.sandbox.web.fields import changeable, check_change
from reconciler.sandbox.world import Request, World

_MTU: Final = (1300, 8896)
SCHEMA: Final = "compute.Network"
_IPV6: Final = frozenset({"enableUlaInternalIpv6", "internalIpv6Range"})


def register(world: World) -> None:
    """Say what operations on networks do."""

    def done(_: Mapping[str, Any], __: object) -> None:
        return

    operations = world.operations
    operations.register(
        "compute.networks.insert", done, lambda arguments, _: _forget(world, arguments["target"])
    )
    operations.register("compute.networks.patch", lambda arguments, _: _do_patch(world, arguments))
    operations.register(
        "compute.networks.switchToCustomMode", lambda arguments, _: _do_patch(world, arguments)
    )
    operations.register("compute.networks.removePeering", lambda arguments, _: _do_unpeer(world, arguments))
    operations.register("compute.networks.delete", lambda arguments, _: _do_delete(world, arguments))


def shown(world: World, project: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A network as it is answered."""
    name = networks.network_name(project, body["name"])
    within = [
        compute_names.link(f"{_below(one['region'])}/subnetworks/{one['name']}")
        for one in networks.subnetworks(world, project, body["name"])
    ]
    answer = {
        "kind": "compute#network",
        **body,
        "selfLink": compute_names.link(name),
        "selfLinkWithId": compute_names.link(networks.network_name(project, body["id"])),
    }
    return {**answer, **({"subnetworks": within} if within else {})}


def found(world: World, request: Request) -> tuple[str, Body]:
    """(relative name, body) of the network that a request names. Raises ApiError 404."""
    wanted = request.params["network"]
    body = networks.find(world, request.project, wanted)
    if body is None:
        raise compute_rules.missing(networks.network_name(request.project, wanted))
    return networks.network_name(request.project, body["name"]), body


def get(world: World, request: Request) -> dict[str, Any]:
    """networks.get."""
    _, body = found(world, request)
    return compute_names.in_version(shown(world, request.project, body), request.version)


def listing(world: World, request: Request) -> dict[str, Any]:
    """networks.list."""
    bodies = [shown(world, request.project, body) for body in networks.listed(world, request.project)]
    return compute_lists.listed(request, "network", f"projects/{request.project}/global/networks", bodies)


def insert(world: World, request: Request) -> dict[str, Any]:
    """networks.insert: there at once, and ready when the operation is done."""
    name = compute_rules.check_name(request.body)
    target = networks.network_name(request.project, name)
    networks.prepare(world, request.project)
    body: Body = {
        "id": compute_names.number(),
        "creationTimestamp": compute_names.local_time(world.clock()),
        "name": name,
        **_fields(request.body),
    }
    with world.store.transaction():
        if world.store.get(networks.NETWORK, target) is not None:
            raise compute_rules.exists(target)
        quotas.check(world, request.project, "NETWORKS")
        world.store.put(networks.NETWORK, target, body)
        if body["autoCreateSubnetworks"]:
            networks.create_auto_subnetworks(world, request.project, name, world.clock())
        return start(world, request, "insert", target, body, {})


def patch(world: World, request: Request) -> dict[str, Any]:
    """networks.patch: what is not in the body stays."""
    target, body = found(world, request)
    check_change(SCHEMA, body, request.body)
    fields = {name: value for name, value in request.body.items() if changeable(SCHEMA, name)}
    if "routingConfig" in fields:
        fields["routingConfig"] = {**body["routingConfig"], **fields["routingConfig"]}
    _check(fields)
    if fields.get("enableUlaInternalIpv6") and "internalIpv6Range" not in {**body, **fields}:
        fields["internalIpv6Range"] = _ula_range()
    operation_type = "updateNetwork" if _IPV6 & set(fields) else "compute.networks.patch"
    return start(world, request, operation_type, target, body, {"fields": fields})


def switch_to_custom_mode(world: World, request: Request) -> dict[str, Any]:
    """networks.switchToCustomMode: its subnetworks are the user's from now on."""
    target, body = found(world, request)
    if not body["autoCreateSubnetworks"]:
        raise compute_rules.unusable("Network is already a custom subnet mode network.")
    fields = {"fields": {"autoCreateSubnetworks": False}}
    return start(world, request, "switchToCustomMode", target, body, fields)


def remove_peering(world: World, request: Request) -> dict[str, Any]:
    """networks.removePeering."""
    target, body = found(world, request)
    name = request.body.get("name", "")
    if not name:
        raise compute_rules.required("name")
    if name not in [one["name"] for one in body.get("peerings", ())]:
        raise ApiError(400, f"There is no peering ({name}) for the network.", reason="badRequest")
    return start(world, request, "removePeering", target, body, {"peering": name})


def delete(world: World, request: Request) -> dict[str, Any]:
    """networks.delete; that something still needs it is the operation's error."""
    target, body = found(world, request)
    return start(world, request, "delete", target, body, {})


def _fields(sent: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of an insert's body, with the defaults."""
    if "autoCreateSubnetworks" not in sent or "IPv4Range" in sent:
        why = "Legacy networks cannot be created: say whether the network makes its subnetworks itself."
        raise compute_rules.invalid(
            "resource.autoCreateSubnetworks", sent.get("autoCreateSubnetworks", ""), why
        )
    _check(sent)
    routing = {"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY"}
    fields: dict[str, Any] = {
        "autoCreateSubnetworks": sent["autoCreateSubnetworks"],
        "routingConfig": {**routing, **sent.get("routingConfig", {})},
        "networkFirewallPolicyEnforcementOrder": sent.get(
            "networkFirewallPolicyEnforcementOrder", "AFTER_CLASSIC_FIREWALL"
        ),
    }
    fields |= {key: sent[key] for key in ("description", "mtu") if sent.get(key)}
    if sent.get("enableUlaInternalIpv6"):
        fields["enableUlaInternalIpv6"] = True
        fields["internalIpv6Range"] = sent.get("internalIpv6Range") or _ula_range()
    if sent.get("networkProfile"):
        fields["networkProfile"] = compute_names.link(compute_names.relative(sent["networkProfile"]))
    return fields


def _check(sent: Mapping[str, Any]) -> None:
    mtu = sent.get("mtu")
    if mtu and not _MTU[0] <= mtu <= _MTU[1]:
        why = f"Must be greater than or equal to {_MTU[0]} and less than or equal to {_MTU[1]}."
        raise compute_rules.invalid("resource.mtu", mtu, why)


def _ula_range() -> str:
    """A /48 of fd20::/20, drawn at random and written as Compute does."""
    low, middle = secrets.randbelow(0x1000), secrets.randbelow(0x10000)
    return f"fd20:{low:x}:{middle:x}:0:0:0:0:0/48"


def _below(region_link: str) -> str:
    return compute_names.relative(region_link)


def _do_patch(world: World, arguments: Mapping[str, Any]) -> None:
    _update(world, arguments["target"], arguments["fields"])


def _update(world: World, target: str, fields: Mapping[str, Any]) -> None:
    try:
        world.store.update(networks.NETWORK, target, lambda body: {**body, **fields})
    except Missing as error:
        raise compute_rules.missing(target) from error


def _do_unpeer(world: World, arguments: Mapping[str, Any]) -> None:
    gone = arguments["peering"]
    try:
        vpc.set_peerings(world, arguments["target"], lambda all_: [o for o in all_ if o["name"] != gone])
    except Missing as error:
        raise compute_rules.missing(arguments["target"]) from error


def _do_delete(world: World, arguments: Mapping[str, Any]) -> None:
    target = arguments["target"]
    project, name = target.split("/")[1], target.split("/")[4]
    with world.store.transaction():
        body = world.store.get(networks.NETWORK, target)
        if body is None:
            return
        if user := _user(world, project, name, own=body["autoCreateSubnetworks"]):
            raise compute_rules.in_use("network", target, user)
        _forget(world, target)


def _user(world: World, project: str, name: str, *, own: bool) -> str:
    """What keeps a network from being deleted; *own*: subnetworks that it made itself go with it."""
    wanted = compute_names.link(networks.network_name(project, name))
    for body in networks.subnetworks(world, project, name):
        if not (own and body["name"] == name):
            return f"{_below(body['region'])}/subnetworks/{body['name']}"
    for key, body in world.store.list(networks.ADDRESS, f"projects/{project}/"):
        if body.get("network") == wanted:
            return key
    return next(iter(networks.users(world, networks.network_name(project, name))), "")


def _forget(world: World, target: str) -> None:
    project, name = target.split("/")[1], target.split("/")[4]
    with world.store.transaction():
        for body in networks.subnetworks(world, project, name):
            world.store.delete(networks.SUBNETWORK, f"{_below(body['region'])}/subnetworks/{body['name']}")
        if world.store.get(networks.NETWORK, target) is not None:
            world.store.delete(networks.NETWORK, target)
