"""What the operations on connectors do: find their place in the network, grow, go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any, Final

from reconciler.sandbox import egress, vpc
from reconciler.sandbox.egress import CONNECTOR
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.operations import Progress, Work
from reconciler.sandbox.services import vpcaccess_rules as rules
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World

CREATE: Final = "vpcaccess.create"
UPDATE: Final = "vpcaccess.update"
DELETE: Final = "vpcaccess.delete"
Do = Callable[[World, Mapping[str, Any]], Mapping[str, Any]]


def register(world: World) -> None:
    """Say what the operations do. A failed creation leaves a connector in ERROR, which has to be deleted."""
    for kind, do, after in (
        (CREATE, _create, "ERROR"),
        (UPDATE, _update, "READY"),
        (DELETE, _delete, "READY"),
    ):
        work, failed = _ending(world, do, after)
        world.operations.register(kind, work, failed)


def _ending(world: World, do: Do, after: str) -> tuple[Work, Callable[[Mapping[str, Any], ApiError], None]]:
    """The work of an operation that leaves the connector in the state *after* where it fails."""

    def failed(arguments: Mapping[str, Any], _: ApiError) -> None:
        _set(world, arguments["name"], {"state": after})

    def work(arguments: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
        try:
            return do(world, arguments)
        except ApiError as error:
            failed(arguments, error)
            raise
        finally:
            progress({**arguments["metadata"], "endTime": world.now()})

    return work, failed


def _create(world: World, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    connector = world.store.get(CONNECTOR, arguments["name"])
    if connector is None:
        raise _failure("The connector was deleted.")
    if "maxInstances" not in connector:
        raise _failure(rules.UNSIZED)
    if "subnet" in connector:
        _check_subnet(world, connector)
    else:
        _check_range(world, connector)
    return _settle(world, arguments, {})


def _update(world: World, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return _settle(world, arguments, {**arguments["fields"], "lastRestartTime": world.now()})


def _delete(world: World, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    if world.store.get(CONNECTOR, arguments["name"]) is not None:
        world.store.delete(CONNECTOR, arguments["name"])
    return {"@type": "type.googleapis.com/google.protobuf.Empty"}


def _settle(world: World, arguments: Mapping[str, Any], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    connector = _set(world, arguments["name"], {**fields, "state": "READY"})
    version = arguments["version"]
    return {
        "@type": f"type.googleapis.com/google.cloud.vpcaccess.{version}.Connector",
        **rules.of_version(connector or {}, version),
    }


def _set(world: World, name: str, fields: Mapping[str, Any]) -> Body | None:
    if world.store.get(CONNECTOR, name) is None:
        return None
    return world.store.update(CONNECTOR, name, lambda current: {**current, **fields})


def _check_range(world: World, connector: Body) -> None:
    """A connector of its own range: in a network that is there, and where nothing else is."""
    network = egress.network_of_connector(world, connector)
    if vpc.network(world, network) is None:
        raise _failure(f"The VPC network {network} was not found.")
    wanted = IPv4Network(connector["ipCidrRange"])
    used = [*vpc.used_ranges(world, network), *_ranges_of_others(world, network, connector)]
    if any(wanted.overlaps(one) for one in used):
        raise _failure(
            "Invalid IP CIDR range was provided. It conflicts with an existing subnetwork. Please delete the connector "
            "manually."
        )


def _check_subnet(world: World, connector: Body) -> None:
    """A connector in a subnetwork: a /28 in the same region that no other connector uses."""
    name = egress.subnetwork_of(world, connector)
    found = vpc.subnetwork(world, name)
    if found is None:
        raise _failure(f"The subnetwork {name} was not found.")
    if IPv4Network(found["ipCidrRange"]).prefixlen != rules.NETMASK:
        raise _failure(f"Subnets used for VPC connectors must have a netmask of {rules.NETMASK}.")
    for other in _others(world, connector):
        if "subnet" in other and egress.subnetwork_of(world, other) == name:
            raise _failure(f"The subnetwork {name} is already used by the connector {other['name']}.")


def _ranges_of_others(world: World, network: str, connector: Body) -> Iterator[IPv4Network]:
    for other in _others(world, connector):
        if "ipCidrRange" in other and egress.network_of_connector(world, other) == network:
            yield IPv4Network(other["ipCidrRange"])


def _others(world: World, connector: Body) -> Iterator[Body]:
    """The other connectors of the project that hold their place: one in ERROR still does."""
    project = connector["name"].split("/")[1]
    for name, other in world.store.list(CONNECTOR, f"projects/{project}/locations/"):
        if name != connector["name"]:
            yield other


def _failure(text: str) -> ApiError:
    """What the operation of a connector that cannot be made says."""
    return ApiError(400, f"Operation failed: {text}")
