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


_Function = Callable[[World, Request], Mapping[str, Any]]
_PLAIN: Final[Mapping[str, _Function]] = {
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
    "regions.get": places.get_region,
    "regions.list": places.list_regions,
    "zones.get": places.get_zone,
    "zones.list": places.list_zones,
    "projects.get": places.get_project,
}
_ADDRESSES: Final[Mapping[str, _Function]] = {
    "get": addresses.get,
    "list": addresses.listing,
    "insert": addresses.insert,
    "setLabels": addresses.set_labels,
    "delete": addresses.delete,
}
_OPERATIONS: Final[Mapping[str, _Function]] = {
    "get": operations.get,
    "wait": operations.wait,
    "list": operations.listing,
}


def methods(world: World) -> dict[str, Method]:
    """The emulated methods, by their discovery ids."""
    for module in (networks, subnetworks, addresses):
        module.register(world)
    found = dict(_PLAIN)
    for collection in ("addresses", "globalAddresses"):
        found |= {f"{collection}.{verb}": one for verb, one in _ADDRESSES.items()}
    for collection in ("globalOperations", "regionOperations"):
        found |= {f"{collection}.{verb}": one for verb, one in _OPERATIONS.items()}

    def bound(function: _Function) -> Method:
        return lambda request: operations.repeated(world, request) or function(world, request)

    return {name: bound(function) for name, function in found.items()}
