"""Which address or range Compute Engine gives to who asks for none in particular, and whether one is free."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.networking import compute_names, networks
from reconciler.sandbox.networking.regions import AUTO_MODE
from reconciler.sandbox.services import compute_rules
from reconciler.sandbox.world import World

_PRIVATE: Final = (
    # The ranges on record lie above 10.32.0.0; what lies below is what people number their own networks with.
    *(IPv4Network(f"10.{second}.0.0/{length}") for second, length in ((128, 9), (64, 10), (32, 11))),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("10.0.0.0/8"),
)
# 198.51.100.0/24 and 203.0.113.0/24 are reserved for examples: nobody can be reached there by mistake.
_PUBLIC: Final = (IPv4Network("198.51.100.0/24"), IPv4Network("203.0.113.0/24"))


def pick(world: World, target: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The `address` of the address *target*, as it asks for it or as the server chooses. Raises ApiError."""
    if body["addressType"] == "EXTERNAL":
        return {"address": _external(world, target)}
    if "prefixLength" in body:
        return {"address": _range(world, target, body)}
    if "network" in body:
        return {}
    return {"address": _in_subnetwork(world, target, body)}


def _range(world: World, target: str, body: Mapping[str, Any]) -> str:
    parts = compute_names.relative(body["network"]).split("/")
    project, name = parts[1], parts[4]
    length = int(body["prefixLength"])
    others = [(held, who) for held, who in networks.taken(world, project, name) if who != target]
    if body.get("address"):
        wanted = IPv4Network(f"{body['address']}/{length}")
        for held, who in others:
            if held.overlaps(wanted):
                raise _taken(wanted, held, who)
        return str(wanted.network_address)
    network = networks.find(world, project, name)
    if network is not None and network["autoCreateSubnetworks"]:
        others.append((IPv4Network(AUTO_MODE), ""))
    for candidate in _candidates(target, length):
        if not any(held.overlaps(candidate) for held, _ in others):
            return str(candidate.network_address)
    text = f"The network has no free range with prefix length {length}."
    raise ApiError(400, text, reason="ipSpaceExhausted")


def _candidates(target: str, length: int) -> Iterator[IPv4Network]:
    """The private ranges of a length, from a place on that *target* decides."""
    seed = int.from_bytes(hashlib.sha256(target.encode()).digest()[:4], "big")
    for block in _PRIVATE:
        if length < block.prefixlen:
            continue
        count, size = 1 << (length - block.prefixlen), 1 << (32 - length)
        first = int(block.network_address)
        for step in range(count):
            yield IPv4Network((first + (seed + step) % count * size, length))


def _taken(wanted: IPv4Network, held: IPv4Network, who: str) -> ApiError:
    if "/subnetworks/" in who:
        text = (
            "Requested range conflicts with other resources: "
            "The provided IP range overlaps with existing subnetwork IP range."
        )
    else:
        text = f"Invalid IP CIDR range: {wanted} conflicts with IP range {held} that was allocated by resource {who}."
    return ApiError(400, text, reason="invalidUsage")


def _external(world: World, target: str) -> str:
    seed = hashlib.sha256(target.encode()).digest()[0]
    used = {body.get("address") for _, body in world.store.list(networks.ADDRESS)}
    for block in _PUBLIC:
        for step in range(1, 255):
            address = str(block[(seed + step) % 254 + 1])
            if address not in used:
                return address
    raise ApiError(400, "The sandbox has no external address left.", reason="quotaExceeded")


def _in_subnetwork(world: World, target: str, body: Mapping[str, Any]) -> str:
    if "subnetwork" not in body:
        raise compute_rules.required("resource.subnetwork")
    name = compute_names.relative(body["subnetwork"])
    subnetwork = world.store.get(networks.SUBNETWORK, name)
    if subnetwork is None:
        raise compute_rules.missing(name)
    within = IPv4Network(subnetwork["ipCidrRange"])
    rows = world.store.list(networks.ADDRESS, f"projects/{name.split('/')[1]}/regions/")
    used = {one["address"] for key, one in rows if "address" in one and key != target}
    if wanted := body.get("address"):
        if IPv4Address(wanted) not in within:
            text = f"Specified IP address is not in the subnetwork's range {within}."
            raise compute_rules.invalid("resource.address", wanted, text)
        if wanted in used:
            raise ApiError(
                400, f"Specified IP address is in-use: '{wanted}'.", reason="ipInUseByAnotherResource"
            )
        return wanted
    # The first two addresses of a subnetwork and the last two are Google's.
    for number in range(2, within.num_addresses - 2):
        if (free := str(within[number])) not in used:
            return free
    text = f"IP space of '{name}' is exhausted."
    raise ApiError(400, text, reason="ipSpaceExhausted")
