"""Private services access: the connection of a VPC network to Google's services, and the addresses they take from it.

A connection is what Google keeps; the network's own `peerings` say whether it is connected. Whoever deletes the
peering, or the network, leaves the connection behind: the next one on a network of that name finds it.

For Cloud SQL: `check` when a private address is asked for, `private_address` when the instance is made, `release` when
it is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.networking import compute_names, vpc
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World

CONNECTION: Final = "servicenetworking.connection"
"""The store's kind of a connection, by its network: "projects/P/global/networks/n"."""
SERVICE: Final = "servicenetworking.googleapis.com"
PEERING: Final = "servicenetworking-googleapis-com"
RELEASE: Final = "servicenetworking.services.connections.release"
"""By this name conditions set how long a deleted instance keeps its connection from being deleted."""
_BLOCK: Final = 24
"""Cloud SQL takes a /24 for each region ("Allocated range size")."""
_FIRST_HOST: Final = 3
_FLAGS: Final = {
    "autoCreateRoutes": True,
    "exchangeSubnetRoutes": True,
    "exportCustomRoutes": False,
    "exportSubnetRoutesWithPublicIp": False,
    "importCustomRoutes": False,
    "importSubnetRoutesWithPublicIp": False,
    "stackType": "IPV4_ONLY",
}

_TRAFFIC: Final = {
    "exportCustomRoutesToPeer": False,
    "exportSubnetRoutesWithPublicIpToPeer": False,
    "importCustomRoutesFromPeer": False,
    "importSubnetRoutesWithPublicIpFromPeer": False,
    "stackType": "IPV4_ONLY",
}
_STATUS: Final = {
    "connectionStatus": {"trafficConfiguration": _TRAFFIC, "updateStrategy": "INDEPENDENT"},
    "updateStrategy": "INDEPENDENT",
}


def connection(world: World, network: str) -> Body | None:
    """What Google keeps of the connection of *network*, connected or not."""
    return world.store.get(CONNECTION, network)


def connected(world: World, network: str) -> bool:
    """Whether *network* is peered with Google's services."""
    found = vpc.network(world, network) or {}
    return any(one["name"] == PEERING for one in found.get("peerings", ()))


def connect(world: World, network: str, ranges: Sequence[str]) -> Body:
    """Keep the connection with *ranges* and peer the network where it is not."""
    kept = connection(world, network) or {"addresses": {}, "subnetworks": {}, "heldUntil": 0.0}
    fresh = {**kept, "reservedPeeringRanges": list(ranges)}
    with world.store.transaction():
        world.store.put(CONNECTION, network, fresh)
        if not connected(world, network):
            vpc.set_peerings(world, network, lambda others: [*others, _entry(world, network)])
    return fresh


def disconnect(world: World, network: str) -> None:
    """Forget the connection, and take the peering away."""
    with world.store.transaction():
        world.store.delete(CONNECTION, network)
        if connected(world, network):
            vpc.set_peerings(world, network, lambda others: [one for one in others if one["name"] != PEERING])


def in_use(world: World, network: str) -> bool:
    """Whether a service still holds the connection: an instance, or one that was deleted not long ago."""
    found = connection(world, network) or {}
    return bool(found.get("addresses")) or found.get("heldUntil", 0.0) > world.clock().timestamp()


def fault(world: World, project: str, network: str) -> str:
    """Why no service can give *project* a private address in *network* ("NETWORK_NOT_PEERED"); "" where one can.

    The words and their order are those of ValidateConsumerConfigResponse.validationError.
    """
    owner = network.split("/")[1]
    if not world.projects.enabled(owner, SERVICE) or not world.projects.enabled(project, SERVICE):
        return "SERVICE_NETWORKING_NOT_ENABLED"
    if vpc.network(world, network) is None:
        return "NETWORK_NOT_FOUND"
    if connected(world, network):
        return ""
    return "NETWORK_NOT_PEERED" if connection(world, network) is None else "NETWORK_PEERING_DELETED"


def check(world: World, project: str, instance: str, network: str) -> None:
    """Raise Cloud SQL's 400 where *instance*, by its short name, cannot get a private address in *network*."""
    found = fault(world, project, vpc.full_name(world, project, "global/networks", network))
    if found:
        text = f"Incorrect Service Networking config for instance: {project}:{instance}:{found}."
        raise ApiError(400, f"Invalid request: {text}", reason="invalid")


def private_address(
    world: World, project: str, instance: str, region: str, network: str, allocated: str = ""
) -> str:
    """The address of *instance* in *network*, taken from the connection's ranges, or from *allocated* alone.

    Asked again, the same one. Raises ApiError with what Cloud SQL's operation says where there is none.
    """
    name = vpc.full_name(world, project, "global/networks", network)
    key = f"projects/{project}/instances/{instance}"
    with world.store.transaction():
        kept = connection(world, name)
        if kept is None or not connected(world, name):
            raise _unconnected(world, name)
        if key in kept["addresses"]:
            return kept["addresses"][key]
        blocks: list[str] = kept["subnetworks"].setdefault(region, [])
        address = _free_host(blocks, kept["addresses"].values())
        if address is None:
            block = _free_block(world, name, kept, allocated)
            blocks.append(str(block))
            address = str(block[_FIRST_HOST])
        kept["addresses"][key] = address
        world.store.put(CONNECTION, name, kept)
    return address


def release(world: World, project: str, instance: str, network: str) -> None:
    """Give the address of a deleted *instance* back; the connection is held for the time that conditions set."""
    name = vpc.full_name(world, project, "global/networks", network)
    with world.store.transaction():
        kept = connection(world, name)
        if kept is None or kept["addresses"].pop(f"projects/{project}/instances/{instance}", None) is None:
            return
        over = world.clock().timestamp() + world.conditions.seconds(RELEASE)
        world.store.put(CONNECTION, name, {**kept, "heldUntil": max(over, kept["heldUntil"])})


def _free_host(blocks: Sequence[str], taken: Any) -> str | None:
    used = set(taken)
    for block in blocks:
        hosts = list(IPv4Network(block).hosts())[_FIRST_HOST - 1 :]
        free = next((str(host) for host in hosts if str(host) not in used), None)
        if free is not None:
            return free
    return None


def _free_block(world: World, network: str, kept: Mapping[str, Any], allocated: str) -> IPv4Network:
    used = [IPv4Network(block) for blocks in kept["subnetworks"].values() for block in blocks]
    wanted = [one for one in kept["reservedPeeringRanges"] if allocated in ("", one)]
    for block in _blocks(world, network, wanted):
        if not any(block.overlaps(other) for other in used):
            return block
    text = (
        "Failed to create subnetwork. Couldn't find free blocks in allocated IP ranges. Please allocate new ranges for "
        "this service provider."
    )
    raise ApiError(400, text, reason="INTERNAL_ERROR")


def _blocks(world: World, network: str, ranges: Sequence[str]) -> Iterator[IPv4Network]:
    for name in ranges:
        found = vpc.reserved_range(world, network, name)
        if found is not None and found.prefixlen <= _BLOCK:
            yield from found.subnets(new_prefix=_BLOCK)


def _unconnected(world: World, network: str) -> ApiError:
    _, project, _, _, short = network.split("/")
    known = world.projects.get(project)
    text = (
        f"Failed to create subnetwork. Please create Service Networking connection with service '{SERVICE}' from "
        f"consumer project '{known.number if known else project}' network '{short}' again."
    )
    return ApiError(400, text, reason="INTERNAL_ERROR")


def _entry(world: World, network: str) -> dict[str, Any]:
    """The peering as the network shows it; the other side is a project of Google's own."""
    tenant = f"x{hashlib.sha256(network.encode()).hexdigest()[:16]}p-tp"
    url = f"https://www.googleapis.com/compute/beta/projects/{tenant}/global/networks/servicenetworking"
    # Recordings up to July 2025 are without them, those from August on have them.
    status = _STATUS if world.now() >= "2025-08" else {}
    return {
        **_FLAGS,
        **status,
        "name": PEERING,
        "network": url,
        "state": "ACTIVE",
        "stateDetails": f"[{compute_names.local_time(world.clock())}]: Connected.",
    }
