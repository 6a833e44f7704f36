"""Serverless VPC Access: connectors, their locations and the operations on them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.networking import egress
from reconciler.sandbox.networking.egress import CONNECTOR
from reconciler.sandbox.paging import listed
from reconciler.sandbox.services import vpcaccess_rules as rules
from reconciler.sandbox.services import vpcaccess_work as work
from reconciler.sandbox.services.vpcaccess_regions import REGIONS
from reconciler.sandbox.store import Body, Exists
from reconciler.sandbox.world import Method, Request, World

API: Final = "vpcaccess"
VERSIONS: Final = ("v1", "v1beta1")
Function = Callable[[World, Request], Mapping[str, Any]]


def methods(world: World) -> dict[str, Method]:
    """What of Serverless VPC Access is emulated."""
    work.register(world)
    found: dict[str, Function] = {
        "list": lambda _, request: _locations(request),
        "connectors.create": _create,
        "connectors.get": lambda world, request: shown(world, _find(world, request), request.version),
        "connectors.list": _list,
        "connectors.patch": _patch,
        "connectors.delete": _delete,
        "operations.list": _operations,
    }

    def bound(function: Function) -> Method:
        return lambda request: function(world, request)

    return {f"projects.locations.{verb}": bound(function) for verb, function in found.items()}


def shown(world: World, connector: Body, version: str) -> Body:
    """A connector as *version* of the API shows it."""
    users = egress.users_of(world, connector["name"])
    projects = sorted({user.split("/")[1] for user in users})
    return {**rules.of_version(connector, version), **({"connectedProjects": projects} if projects else {})}


def _locations(request: Request) -> Mapping[str, Any]:
    items: list[tuple[str, Any]] = [(region, _location(request.project, region)) for region in REGIONS]
    return listed("locations", items, request.params, default=500, most=500)


def _location(project: str, region: str) -> dict[str, Any]:
    return {
        "name": f"projects/{project}/locations/{region}",
        "locationId": region,
        "labels": {"cloud.googleapis.com/region": region},
    }


def _place(request: Request) -> str:
    """ "projects/P/locations/R" of a request, by project id. Raises ApiError 403 for a region that is none."""
    named = str(request.params.get("parent") or request.params.get("name"))
    region = named.split("/")[3]
    if region not in REGIONS and region != "-":
        raise ApiError(403, f"Permission denied on 'locations/{region}' (or it may not exist).")
    return f"projects/{request.project}/locations/{region}"


def _name(request: Request) -> str:
    return f"{_place(request)}/connectors/{str(request.params['name']).split('/')[5]}"


def _find(world: World, request: Request) -> Body:
    connector = world.store.get(CONNECTOR, _name(request))
    if connector is None:
        raise ApiError(404, "The connector is not found.")
    return connector


def _list(world: World, request: Request) -> Mapping[str, Any]:
    place = _place(request)
    prefix = f"{place}/connectors/" if not place.endswith("/-") else place.removesuffix("-")
    found = world.store.list(CONNECTOR, prefix)
    items = [(name, shown(world, connector, request.version)) for name, connector in found]
    return listed("connectors", items, request.params, default=50, most=1000)


def _create(world: World, request: Request) -> Mapping[str, Any]:
    connector_id = str(request.params.get("connectorId", ""))
    fields = rules.new(connector_id, request.body)
    name = f"{_place(request)}/connectors/{connector_id}"
    now = world.now()
    connector: Body = {"name": name, **fields, "state": "CREATING", "createTime": now, "lastRestartTime": now}
    with world.store.transaction():
        try:
            world.store.create(CONNECTOR, name, connector)
        except Exists as error:
            raise ApiError(409, "Requested entity already exists") from error
        return _start(world, request, work.CREATE, "CreateConnector", {"name": name})


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    current = _settled(world, request)
    fields = rules.changed(current, request.body, str(request.params.get("updateMask", "")))
    with world.store.transaction():
        started = _start(
            world, request, work.UPDATE, "UpdateConnector", {"name": current["name"], "fields": fields}
        )
        world.store.put(CONNECTOR, current["name"], {**current, "state": "UPDATING"})
    return started


def _delete(world: World, request: Request) -> Mapping[str, Any]:
    connector = _find(world, request)
    if connector["state"] in ("CREATING", "UPDATING", "DELETING"):
        raise _busy(connector)
    if users := egress.users_of(world, connector["name"]):
        # Google's page on connectors asks to detach them first; what a deletion meets otherwise is not recorded.
        raise ApiError(
            400,
            f"The connector {connector['name']} is in use by {', '.join(users)}.",
            rpc_status="FAILED_PRECONDITION",
        )
    with world.store.transaction():
        started = _start(world, request, work.DELETE, "DeleteConnector", {"name": connector["name"]})
        world.store.put(CONNECTOR, connector["name"], {**connector, "state": "DELETING"})
    return started


def _settled(world: World, request: Request) -> Body:
    connector = _find(world, request)
    if connector["state"] != "READY":
        raise _busy(connector)
    return connector


def _busy(connector: Body) -> ApiError:
    text = f"The connector is in the state {connector['state']}; this operation is not possible now."
    return ApiError(400, text, rpc_status="FAILED_PRECONDITION")


def _start(
    world: World, request: Request, kind: str, method: str, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    service = f"google.cloud.vpcaccess.{request.version}"
    metadata = {
        "@type": f"type.googleapis.com/{service}.OperationMetadata",
        "method": f"{service}.VpcAccessService.{method}",
        "createTime": world.now(),
        "target": arguments["name"],
    }
    name = f"{_place(request)}/operations/{uuid.uuid4()}"
    given = {**arguments, "metadata": metadata, "version": request.version}
    return world.operations.start(kind, name, given, wire={"metadata": metadata})


def _operations(world: World, request: Request) -> Mapping[str, Any]:
    place = _place(request)
    found = [
        (wire["name"], wire)
        for wire in world.operations.list(f"{place}/operations/")
        if ".vpcaccess." in wire.get("metadata", {}).get("@type", "")
    ]
    return listed("operations", found, request.params, default=50, most=1000)
