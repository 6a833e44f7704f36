"""How an instance is reached: its addresses, its network's peering, and what an organisation forbids of both.

The constraints are not retroactive: what an instance has already it keeps ("Connection organization policies").
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.sandbox.networking import peering
from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.services.sqladmin_versions import POSTGRES, engine
from reconciler.sandbox.world import World


def check_policies(
    world: World, project: str, network: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> None:
    """Raise ApiError 400 where an organisation policy forbids what *network* has and *before* had not."""
    had: Mapping[str, Any] = before or {}
    known = world.projects.get(project)
    where = f"enforced at the {known.number if known else project} project."
    public = network.get("ipv4Enabled") and not had.get("ipv4Enabled")
    if public and world.conditions.forbids("sql.restrictPublicIp"):
        what = "the external IP of this instance violates the constraints/sql.restrictPublicIp"
        raise invalid(f"Organization Policy check failure: {what} {where}.")
    added = _values(network) - _values(had)
    if added and world.conditions.forbids("sql.restrictAuthorizedNetworks"):
        what = (
            "the authorized networks of this instance violates the constraints/sql.restrictAuthorizedNetworks"
        )
        raise invalid(f"Organization Policy check failure: {what} {where}.")


def _values(network: Mapping[str, Any]) -> set[str]:
    entries: Sequence[Mapping[str, Any]] = network.get("authorizedNetworks", ())
    return {str(entry.get("value")) for entry in entries}


def check_peering(world: World, project: str, instance: str, network: Mapping[str, Any]) -> None:
    """Raise ApiError 400 where the private network has no connection with Google's services."""
    if private := network.get("privateNetwork"):
        peering.check(world, project, instance, str(private))


def addresses(world: World, resource: Mapping[str, Any]) -> list[dict[str, str]]:
    """`ipAddresses` of a running instance; the public ones are for examples, so that nobody is reached by mistake.

    Raises ApiError where the network has no private address left.
    """
    digest = hashlib.sha256(resource["connectionName"].encode()).digest()
    network: Mapping[str, Any] = resource["settings"]["ipConfiguration"]
    found: list[tuple[str, str]] = []
    if network.get("ipv4Enabled"):
        found.append(("PRIMARY", f"203.0.113.{digest[0]}"))
        if engine(resource["databaseVersion"]) == POSTGRES:
            found.append(("OUTGOING", f"198.51.100.{digest[1]}"))
    if private := network.get("privateNetwork"):
        project, name, region = resource["project"], resource["name"], resource["region"]
        allocated = str(network.get("allocatedIpRange", ""))
        found.append(("PRIVATE", peering.private_address(world, project, name, region, private, allocated)))
    return [{"ipAddress": address, "type": kind} for kind, address in found]


def release(world: World, resource: Mapping[str, Any], kept: Mapping[str, Any] | None = None) -> None:
    """Give the private address of an instance back, unless it is in the network of *kept*, too."""
    had = resource["settings"]["ipConfiguration"].get("privateNetwork", "")
    if had and had != (kept or {}).get("privateNetwork"):
        peering.release(world, resource["project"], resource["name"], had)
