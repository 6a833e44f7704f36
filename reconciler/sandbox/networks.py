"""VPC networks as every service sees them: which there are, what lies in them, who uses them, who is their peer.

Names are relative ones ("projects/p/global/networks/n"). Bodies are what Compute Engine shows, without the fields that
follow from the name; networks and subnetworks also have a numeric `id`, by which they may be named as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Network, ip_network
from typing import Any, Final

from reconciler.sandbox import compute_names
from reconciler.sandbox.regions import REGIONS
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


def referred(world: World, text: str, project: str) -> tuple[str, str]:
    """(project id, name) of the network that a full or partial URL, or a bare name in *project*, means.

    Says nothing of whether it is there. ("", "") where *text* is no name of a network.
    """
    parts = compute_names.relative(text).split("/")
    if len(parts) == 1 and parts[0]:
        return project, parts[0]
    if len(parts) == 3:
        parts = ["projects", project, *parts]
    if len(parts) != 5 or parts[0] != "projects" or parts[2:4] != ["global", "networks"]:
        return "", ""
    known = world.projects.get(parts[1])
    return known.project_id if known else parts[1], parts[4]


def subnetworks(world: World, project: str, name: str) -> list[Body]:
    """The subnetworks of a network, by region."""
    wanted = compute_names.link(network_name(project, name))
    rows = world.store.list(SUBNETWORK, f"projects/{project}/regions/")
    return [body for _, body in rows if body["network"] == wanted]


def reserved(world: World, project: str, name: str) -> Body | None:
    """The global address *name*, such as a range that is reserved for peerings (`address`, `prefixLength`), or None."""
    return world.store.get(ADDRESS, f"projects/{project}/global/addresses/{name}")


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


def overlapping(world: World, project: str, name: str, text: str) -> str:
    """The relative name of what already has a part of the range *text* ("10.8.0.0/28") in a network, or ""."""
    wanted = ip_network(text)
    return next((who for held, who in taken(world, project, name) if held.overlaps(wanted)), "")


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


def peerings(network: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The peerings of a network."""
    return list(network.get("peerings", ()))


def peer(world: World, project: str, name: str, peering: Mapping[str, Any]) -> None:
    """Show *peering* on a network, in place of one of the same name. Raises store.Missing without the network."""

    def change(body: Body) -> Body:
        others = [one for one in peerings(body) if one["name"] != peering["name"]]
        return {**body, "peerings": [*others, dict(peering)]}

    world.store.update(NETWORK, network_name(project, name), change)


def unpeer(world: World, project: str, name: str, peering: str) -> None:
    """Take a peering off a network; nothing where there is none. Raises store.Missing without the network."""

    def change(body: Body) -> Body:
        rest = [one for one in peerings(body) if one["name"] != peering]
        kept = {key: value for key, value in body.items() if key != "peerings"}
        return {**kept, "peerings": rest} if rest else kept

    world.store.update(NETWORK, network_name(project, name), change)


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
    for region in REGIONS.values():
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
