"""VPC networks as the APIs beside Compute Engine see them: found by any of their names, peered, with their ranges."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any, Final

from reconciler.sandbox.networking import networks
from reconciler.sandbox.networking.networks import ADDRESS, NETWORK, SUBNETWORK
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World

_FULL: Final = re.compile(r"(?:https?://[^/]+/compute/\w+/|/?compute/\w+/)?projects/([^/]+)/(.+)")


def full_name(world: World, project: str, collection: str, reference: str) -> str:
    """ "projects/P/global/networks/n", by project id, for a URL, a partial URL or a short name.

    *collection* is what lies between: "global/networks", "regions/europe-west9/subnetworks".
    """
    found = _FULL.fullmatch(reference)
    if found is None:
        return f"projects/{project}/{collection}/{reference.rsplit('/', 1)[-1]}"
    known = world.projects.get(found[1])
    return f"projects/{known.project_id if known else found[1]}/{found[2]}"


def network(world: World, name: str) -> Body | None:
    """The network of a full name, or None."""
    networks.prepare(world, name.split("/")[1])
    return world.store.get(NETWORK, name)


def subnetwork(world: World, name: str) -> Body | None:
    """The subnetwork of a full name, or None."""
    networks.prepare(world, name.split("/")[1])
    return world.store.get(SUBNETWORK, name)


def set_peerings(world: World, name: str, change: Callable[[list[Any]], list[Any]]) -> None:
    """Replace the peerings of the network of a full name by what *change* makes of them."""

    def edit(body: Body) -> Body:
        peerings = change(body.get("peerings", []))
        rest = {key: value for key, value in body.items() if key != "peerings"}
        return {**rest, **({"peerings": peerings} if peerings else {})}

    world.store.update(NETWORK, name, edit)


def reserved_range(world: World, network: str, name: str) -> IPv4Network | None:
    """The range that the global address *name* reserves for peering in *network*; None where there is no such range."""
    project = network.split("/")[1]
    body = world.store.get(ADDRESS, f"projects/{project}/global/addresses/{name}")
    if body is None or body.get("purpose") != "VPC_PEERING" or body["status"] == "RESERVING":
        return None
    if full_name(world, project, "global/networks", body["network"]) != network:
        return None
    return IPv4Network(f"{body['address']}/{body['prefixLength']}")
