"""What there is in VPC networks: the network `default`, subnetworks, ranges that are spoken for, and who uses what.

Names are relative ones ("projects/p/global/networks/n"). Bodies are what Compute Engine shows, without the fields that
follow from the name; networks and subnetworks also have a numeric `id`, by which they may be named as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any, Final

from reconciler.sandbox.networking import compute_names
from reconciler.sandbox.networking.regions import REGIONS
from reconciler.sandbox.store import Body, Missing
from reconciler.sandbox.world import World

NETWORK: Final = "compute.network"
SUBNETWORK: Final = "compute.subnetwork"
ADDRESS: Final = "compute.address"
HOLD: Final = "compute.hold"
_PREPARED: Final = "compute.prepared"
SERVICE: Final = "compute.googleapis.com"
DEFAULT: Final = "default"


def network_name(project: str, name: str) -> str:
    """The relative name of a network."""
    return f"projects/{project}/global/networks/{name}"


def find(world: World, project: str, name: str) -> Body | None:
    """The network *name* (or numeric id) of a project, or None."""
    prepare(world, project)
    found = world.store.get(NETWORK, network_name(project, name))
    if found is None and name.isdigit():
        found = next((one for one in listed(world, project) if one["id"] == name), None)
    return found


def listed(world: World, project: str) -> list[Body]:
    """The networks of a project, by name."""
    prepare(world, project)
    return [body for _, body in world.store.list(NETWORK, network_name(project, ""))]


def subnetworks(world: World, project: str, name: str) -> list[Body]:
    """The subnetworks of a network, by region."""
    wanted = compute_names.link(network_name(project, name))
    rows = world.store.list(SUBNETWORK, f"projects/{project}/regions/")
    return [body for _, body in rows if body["network"] == wanted]


def taken(world: World, project: str, name: str) -> list[tuple[IPv4Network, str]]:
    """Every IPv4 range that is spoken for in a network, each with the relative name of what has it."""
    found: list[tuple[IPv4Network, str]] = []
    wanted = compute_names.link(network_name(project, name))
    for key, body in world.store.list(SUBNETWORK, f"projects/{project}/regions/"):
        if body["network"] == wanted:
            ranges = [body.get("ipCidrRange"), *(one.get("ipCidrRange") for one in secondary(body))]
            found += [(IPv4Network(text), key) for text in ranges if text and ":" not in text]
    for key, body in world.store.list(ADDRESS, f"projects/{project}/global/addresses/"):
        if body.get("network") == wanted and "prefixLength" in body and body["status"] != "RESERVING":
            found.append((IPv4Network(f"{body['address']}/{body['prefixLength']}"), key))
    for key, body in world.store.list(HOLD, f"{network_name(project, name)}|"):
        found += [(IPv4Network(text), key.partition("|")[2]) for text in body["ranges"]]
    return found


def secondary(subnetwork: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The secondary ranges of a subnetwork."""
    return subnetwork.get("secondaryIpRanges", ())


def hold(world: World, resource: str, user: str, ranges: Sequence[str] = ()) -> None:
    """Let *user* (a relative name) use a network, subnetwork or address: it cannot be deleted until released.

    *ranges* are IPv4 ranges that it takes up in the network.
    """
    world.store.put(HOLD, f"{resource}|{user}", {"ranges": list(ranges)})


def release(world: World, resource: str, user: str) -> None:
    """Take back `hold`; nothing where there was none."""
    try:
        world.store.delete(HOLD, f"{resource}|{user}")
    except Missing:
        return


def users(world: World, resource: str) -> list[str]:
    """Who holds *resource*, by name."""
    return [name.partition("|")[2] for name, _ in world.store.list(HOLD, f"{resource}|")]


def prepare(world: World, project: str) -> None:
    """Make the network `default`, once, in a project that has the Compute Engine API.

    Google makes it when the API is enabled; here it is made when somebody first looks.
    """
    if world.store.get(_PREPARED, project) or not world.projects.enabled(project, SERVICE):
        return
    with world.store.transaction():
        if world.store.get(_PREPARED, project):
            return
        world.store.put(_PREPARED, project, {"since": world.now()})
        created = compute_names.local_time(world.clock())
        body: Body = {
            "id": compute_names.number(),
            "creationTimestamp": created,
            "name": DEFAULT,
            "description": "Default network for the project",
            "autoCreateSubnetworks": True,
            "routingConfig": {"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY"},
            "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
        }
        world.store.put(NETWORK, network_name(project, DEFAULT), body)
        create_auto_subnetworks(world, project, DEFAULT, world.clock())


def create_auto_subnetworks(world: World, project: str, name: str, moment: datetime) -> None:
    """Give an auto mode network its subnetwork in each region; those that it has stay."""
    network = compute_names.link(network_name(project, name))
    there = [region for region in REGIONS.values() if region.opened <= moment.date().isoformat()]
    for region in there:
        key = f"projects/{project}/regions/{region.name}/subnetworks/{name}"
        body: Body = {
            "id": compute_names.number(),
            "creationTimestamp": compute_names.local_time(moment),
            "name": name,
            "network": network,
            "ipCidrRange": region.auto_range,
            "gatewayAddress": str(IPv4Network(region.auto_range)[1]),
            "region": compute_names.link(f"projects/{project}/regions/{region.name}"),
            "privateIpGoogleAccess": False,
            "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS",
            "purpose": "PRIVATE",
            "stackType": "IPV4_ONLY",
            "allowSubnetCidrRoutesOverlap": False,
        }
        if world.store.get(SUBNETWORK, key) is None:
            world.store.put(SUBNETWORK, key, body)
