"""What the operations on connectors do: find their place in the network, grow, go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.networking import egress, networks, quotas, vpc
from reconciler.sandbox.networking.egress import CONNECTOR
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
    _check_agent(world, connector)
    if not quotas.enough_cpus(world, connector):
        raise ApiError(
            400, "Operation failed: Insufficient CPU quota in region.", rpc_status="FAILED_PRECONDITION"
        )
    with world.store.transaction():
        if "subnet" in connector:
            _take_subnetwork(world, connector)
        else:
            _take_range(world, connector)
        return _settle(world, arguments, {})


def _update(world: World, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return _settle(world, arguments, {**arguments["fields"], "lastRestartTime": world.now()})


def _delete(world: World, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    connector = world.store.get(CONNECTOR, arguments["name"])
    if connector is not None:
        networks.release(world, _place(world, connector), connector["name"])
        world.store.delete(CONNECTOR, connector["name"])
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


def _place(world: World, connector: Body) -> str:
    """The full name of what a connector holds for itself: its subnetwork, or a range of its network."""
    if "subnet" in connector:
        return egress.subnetwork_of(world, connector)
    return egress.network_of_connector(world, connector)


def _check_agent(world: World, connector: Body) -> None:
    """The machines behind a connector are made by an agent of the project, which has this role from the beginning."""
    project = connector["name"].split("/")[1]
    known = world.projects.get(project)
    agent = f"{known.number if known else project}@cloudservices.gserviceaccount.com"
    if not world.policies.allowed(
        f"serviceAccount:{agent}", "compute.instances.create", [f"projects/{project}"]
    ):
        text = f"Operation failed: Google APIs Service Agent ({agent}) needs editor role in the project."
        raise ApiError(403, text)


def _take_range(world: World, connector: Body) -> None:
    """A connector of its own range: in a network that is there, and where nothing else is."""
    network, wanted = _place(world, connector), IPv4Network(connector["ipCidrRange"])
    if vpc.network(world, network) is None:
        raise _failure(f"The VPC network {network} was not found.")
    _, project, _, _, short = network.split("/")
    others = [one for one, user in networks.taken(world, project, short) if user != connector["name"]]
    if any(wanted.overlaps(one) for one in others):
        raise _failure(
            "Invalid IP CIDR range was provided. It conflicts with an existing subnetwork. Please delete the connector "
            "manually."
        )
    networks.hold(world, network, connector["name"], [connector["ipCidrRange"]])


def _take_subnetwork(world: World, connector: Body) -> None:
    """A connector in a subnetwork: a /28 in the same region that nothing else uses."""
    name = _place(world, connector)
    found = vpc.subnetwork(world, name)
    if found is None:
        raise _failure(f"The subnetwork {name} was not found.")
    if IPv4Network(found["ipCidrRange"]).prefixlen != rules.NETMASK:
        raise _failure(f"Subnets used for VPC connectors must have a netmask of {rules.NETMASK}.")
    others = [user for user in networks.users(world, name) if user != connector["name"]]
    if others:
        raise _failure(f"The subnetwork {name} is already used by {others[0]}.")
    networks.hold(world, name, connector["name"])


def _failure(text: str) -> ApiError:
    """What the operation of a connector that cannot be made says."""
    return ApiError(400, f"Operation failed: {text}")
