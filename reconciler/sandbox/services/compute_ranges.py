"""Where a subnetwork may lie: in a network that there is, on ranges that nobody else has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.networking import networks, vpc
from reconciler.sandbox.networking.regions import AUTO_MODE
from reconciler.sandbox.services import compute_rules
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

SMALLEST: Final = 29
"""The longest prefix that a subnetwork may have."""


def network_of(world: World, request: Request) -> Body:
    """The network that the `network` of an insert's body names, in the same project. Raises ApiError."""
    text = str(request.body.get("network", ""))
    if not text:
        raise compute_rules.required("resource.network")
    name = vpc.full_name(world, request.project, "global/networks", text)
    parts = name.split("/")
    if "/" not in text or len(parts) != 5 or parts[2:4] != ["global", "networks"]:
        raise compute_rules.invalid("resource.network", text, "The URL is malformed.")
    if parts[1] != request.project:
        why = "Cross project referencing is not allowed for this resource."
        raise compute_rules.invalid("resource.network", text, why)
    body = networks.find(world, request.project, parts[4])
    if body is None:
        raise compute_rules.missing(name)
    return body


def network_named(world: World, project: str, subnetwork: Mapping[str, Any]) -> Body:
    """The network of a subnetwork that is there."""
    name = str(subnetwork["network"]).rpartition("/")[2]
    body = networks.find(world, project, name)
    if body is None:
        raise compute_rules.missing(networks.network_name(project, name))
    return body


def check_free(
    world: World,
    project: str,
    network: Mapping[str, Any],
    body: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
) -> None:
    """Raise ApiError 400 where a range of the subnetwork *body* is somebody's; *before* is what it was itself."""
    own = {str(found) for _, found in _ranges(before)} if before else set[str]()
    me = f"/regions/{str(body['region']).rpartition('/')[2]}/subnetworks/{body['name']}"
    others = [one for one in networks.taken(world, project, network["name"]) if not one[1].endswith(me)]
    fresh: list[IPv4Network] = []
    for field, wanted in _ranges(body):
        if str(wanted) not in own:
            _check_auto(network, body, wanted, field)
            for held, who in others:
                if held.overlaps(wanted):
                    raise _conflict(field, wanted, held, who)
        if any(wanted.overlaps(other) for other in fresh):
            why = f"Invalid IPCidrRange: {wanted} conflicts with another range of the subnetwork."
            raise compute_rules.invalid(field, wanted, why)
        fresh.append(wanted)


def _ranges(body: Mapping[str, Any]) -> Iterator[tuple[str, IPv4Network]]:
    if body.get("ipCidrRange"):
        yield "resource.ipCidrRange", _small(str(body["ipCidrRange"]), "resource.ipCidrRange")
    for number, one in enumerate(networks.secondary(body)):
        field = f"resource.secondaryIpRanges[{number}].ipCidrRange"
        yield field, _small(str(one.get("ipCidrRange", "")), field)


def _small(text: str, field: str) -> IPv4Network:
    found = compute_rules.check_range(text, field)
    if found.prefixlen > SMALLEST:
        raise compute_rules.invalid(field, text, f"The smallest range has a prefix length of {SMALLEST}.")
    return found


def _check_auto(network: Mapping[str, Any], body: Mapping[str, Any], wanted: IPv4Network, field: str) -> None:
    own = body["name"] == network["name"]
    if network["autoCreateSubnetworks"] and not own and IPv4Network(AUTO_MODE).overlaps(wanted):
        why = f"Extended subnetworks in auto subnet mode networks cannot overlap with {AUTO_MODE}"
        raise compute_rules.invalid(field, wanted, why)


def _conflict(field: str, wanted: IPv4Network, held: IPv4Network, who: str) -> ApiError:
    if "/subnetworks/" in who:
        parts = who.split("/")
        why = f"conflicts with existing subnetwork '{parts[5]}' in region '{parts[3]}'."
    else:
        why = f"conflicts with reserved IP range '{held}'."
    return compute_rules.invalid(field, wanted, f"Invalid IPCidrRange: {wanted} {why}")
