"""Regions, zones and the project as Compute Engine shows them."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from reconciler.sandbox.networking import compute_names, networks, quotas
from reconciler.sandbox.networking.regions import REGIONS, Region
from reconciler.sandbox.services import compute_lists, compute_rules
from reconciler.sandbox.world import Request, World

_MADE: Final = "1969-12-31T16:00:00.000-08:00"
"""When Google's regions and zones say that they were made."""


def region_of(request: Request) -> Region:
    """The region that a request's path names. Raises ApiError 400."""
    name = request.params["region"]
    if name not in REGIONS:
        raise compute_rules.invalid("region", name, "Unknown region.")
    return REGIONS[name]


def get_region(world: World, request: Request) -> dict[str, Any]:
    """regions.get."""
    name = request.params["region"]
    if name not in REGIONS:
        raise compute_rules.missing(f"projects/{request.project}/regions/{name}")
    return compute_names.in_version(_region(world, request.project, REGIONS[name]), request.version)


def list_regions(world: World, request: Request) -> dict[str, Any]:
    """regions.list."""
    bodies = [_region(world, request.project, region) for region in REGIONS.values()]
    return compute_lists.listed(request, "region", f"projects/{request.project}/regions", bodies)


def get_zone(_: World, request: Request) -> dict[str, Any]:
    """zones.get."""
    name = request.params["zone"]
    for zone in _zones(request.project):
        if zone["name"] == name:
            return compute_names.in_version(zone, request.version)
    raise compute_rules.missing(f"projects/{request.project}/zones/{name}")


def list_zones(_: World, request: Request) -> dict[str, Any]:
    """zones.list."""
    return compute_lists.listed(request, "zone", f"projects/{request.project}/zones", _zones(request.project))


def get_project(world: World, request: Request) -> dict[str, Any]:
    """projects.get."""
    networks.prepare(world, request.project)
    project = world.projects.get(request.project)
    if project is None:
        raise compute_rules.missing(f"projects/{request.project}")
    answer = {
        "kind": "compute#project",
        "id": _identifier(request.project),
        "creationTimestamp": compute_names.local_time(world.clock()),
        "name": request.project,
        "commonInstanceMetadata": {
            "kind": "compute#metadata",
            "fingerprint": compute_names.fingerprint(request.project),
        },
        "quotas": quotas.of_project(world, request.project),
        "selfLink": compute_names.link(f"projects/{request.project}"),
        "defaultServiceAccount": project.compute_account,
        "xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS",
        "defaultNetworkTier": "PREMIUM",
        "vmDnsSetting": "ZONAL_ONLY",
    }
    return compute_names.in_version(answer, request.version)


def _region(world: World, project: str, region: Region) -> dict[str, Any]:
    below = f"projects/{project}"
    return {
        "kind": "compute#region",
        "id": _identifier(region.name),
        "creationTimestamp": _MADE,
        "name": region.name,
        "description": region.name,
        "status": "UP",
        "zones": [compute_names.link(f"{below}/zones/{zone}") for zone in region.zones],
        "quotas": quotas.of_region(world, project, region.name),
        "selfLink": compute_names.link(f"{below}/regions/{region.name}"),
        "supportsPzs": False,
    }


def _zones(project: str) -> list[dict[str, Any]]:
    return [
        {
            "kind": "compute#zone",
            "id": _identifier(zone),
            "creationTimestamp": _MADE,
            "name": zone,
            "description": zone,
            "status": "UP",
            "region": compute_names.link(f"projects/{project}/regions/{region.name}"),
            "selfLink": compute_names.link(f"projects/{project}/zones/{zone}"),
            "supportsPzs": False,
        }
        for region in REGIONS.values()
        for zone in region.zones
    ]


def _identifier(name: str) -> str:
    """A number of four digits, as regions have, that stays."""
    return str(1000 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 9000)
