"""How an instance is reached: its addresses, its network's peering, and what an organisation forbids of both.

The constraints are not retroactive: what an instance has already it keeps ("Connection organization policies").
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.services.sqladmin_versions import POSTGRES, engine
from reconciler.sandbox.world import World

NETWORK: Final = "compute.network"
"""The store's kind of a VPC network, by "projects/PROJECT/global/networks/NAME"."""
_PRODUCER: Final = "servicenetworking"


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
    """Raise ApiError 400 where the private network has no peering with Google's services."""
    private = str(network.get("privateNetwork", ""))
    if not private:
        return
    found = world.store.get(NETWORK, private) or {}
    peerings: Sequence[Mapping[str, Any]] = found.get("resource", found).get("peerings", ())
    if not any(str(peering.get("name", "")).startswith(_PRODUCER) for peering in peerings):
        raise invalid(
            f"Incorrect Service Networking config for instance: {project}:{instance}:NETWORK_NOT_PEERED."
        )


def addresses(resource: Mapping[str, Any]) -> list[dict[str, str]]:
    """`ipAddresses` of a running instance. Nobody can be reached at these by mistake: they are for examples."""
    digest = hashlib.sha256(resource["connectionName"].encode()).digest()
    network: Mapping[str, Any] = resource["settings"]["ipConfiguration"]
    found: list[tuple[str, str]] = []
    if network.get("ipv4Enabled"):
        found.append(("PRIMARY", f"203.0.113.{digest[0]}"))
        if engine(resource["databaseVersion"]) == POSTGRES:
            found.append(("OUTGOING", f"198.51.100.{digest[1]}"))
    if network.get("privateNetwork"):
        found.append(("PRIVATE", f"10.127.{digest[2]}.{digest[3]}"))
    return [{"ipAddress": address, "type": kind} for kind, address in found]
