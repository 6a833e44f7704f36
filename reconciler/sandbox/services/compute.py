"""Compute Engine, as far as private networking needs it: networks, subnetworks, addresses, and where they lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.services import compute_addresses as addresses
from reconciler.sandbox.services import compute_networks as networks
from reconciler.sandbox.services import compute_operations as operations
from reconciler.sandbox.services import compute_places as places
from reconciler.sandbox.services import compute_subnetworks as subnetworks
from reconciler.sandbox.world import Method, Request, World

API: Final = "compute"
VERSIONS: Final = ("v1", "beta")


def methods(world: World) -> dict[str, Method]:
    """The emulated methods, by their discovery ids."""
    for module in (networks, subnetworks, addresses):
        module.register(world)
    found: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "networks.get": networks.get,
        "networks.list": networks.listing,
        "networks.insert": networks.insert,
        "networks.patch": networks.patch,
        "networks.delete": networks.delete,
        "networks.removePeering": networks.remove_peering,
        "networks.switchToCustomMode": networks.switch_to_custom_mode,
        "subnetworks.get": subnetworks.get,
        "subnetworks.list": subnetworks.listing,
        "subnetworks.aggregatedList": subnetworks.aggregated,
        "subnetworks.insert": subnetworks.insert,
        "subnetworks.patch": subnetworks.patch,
        "subnetworks.delete": subnetworks.delete,
        "subnetworks.setPrivateIpGoogleAccess": subnetworks.set_private_ip_google_access,
        "subnetworks.expandIpCidrRange": subnetworks.expand_ip_cidr_range,
        "addresses.aggregatedList": addresses.aggregated,
        "regions.get": lambda _, request: places.get_region(request),
        "regions.list": lambda _, request: places.list_regions(request),
        "zones.get": lambda _, request: places.get_zone(request),
        "zones.list": lambda _, request: places.list_zones(request),
        "projects.get": places.get_project,
    }
    for collection in ("addresses", "globalAddresses"):
        found |= {
            f"{collection}.get": addresses.get,
            f"{collection}.list": addresses.listing,
            f"{collection}.insert": addresses.insert,
            f"{collection}.setLabels": addresses.set_labels,
            f"{collection}.delete": addresses.delete,
        }
    for collection in ("globalOperations", "regionOperations"):
        found |= {
            f"{collection}.get": operations.get,
            f"{collection}.wait": operations.wait,
            f"{collection}.list": operations.listing,
        }

    def bound(function: Callable[[World, Request], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request)

    return {name: bound(function) for name, function in found.items()}
