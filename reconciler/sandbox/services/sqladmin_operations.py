"""sql#operation: started, at most one at a time for an instance, and shown with each version's links."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.operations import Busy
from reconciler.sandbox.paging import page
from reconciler.sandbox.world import Request, World

_ROOT: Final = {
    "v1": "https://sqladmin.googleapis.com/v1/projects",
    "v1beta4": "https://sqladmin.googleapis.com/sql/v1beta4/projects",
}


INTERNAL: Final = "INTERNAL_ERROR"
"""The code of an operation that failed on the service's side."""


def lock(project: str, instance: str) -> str:
    """What only one operation at a time can hold."""
    return f"sqladmin/{project}/{instance}"


def instance_link(version: str, project: str, instance: str) -> str:
    """The selfLink of an instance."""
    return f"{_ROOT[version]}/{project}/instances/{instance}"


def start(
    world: World,
    request: Request,
    kind: str,
    operation_type: str,
    instance: str,
    arguments: Mapping[str, Any],
    context: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Start an operation on an instance; 409 where another one is under way. *context*: further fields it shows."""
    name = str(uuid.uuid4())
    wire = {**_wire(world, request, operation_type, instance), **(context or {}), "name": name}
    full = f"projects/{request.project}/operations/{name}"
    try:
        started = world.operations.start(
            kind, full, arguments, shape="sql", wire=wire, lock=lock(request.project, instance)
        )
    except Busy as busy:
        raise in_progress() from busy
    return shown(started, request)


def in_progress() -> ApiError:
    """The 409 for a second change of an instance."""
    text = "Operation failed because another operation was already in progress."
    return ApiError(409, text, reason="operationInProgress")


def _wire(world: World, request: Request, operation_type: str, instance: str) -> dict[str, Any]:
    return {
        "kind": "sql#operation",
        "insertTime": world.now(),
        "operationType": operation_type,
        "targetId": instance,
        "targetProject": request.project,
        "user": request.caller.partition(":")[2] or request.caller,
    }


def shown(wire: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """An operation with the links of the version that is asked."""
    project = wire["targetProject"]
    return {
        **wire,
        "selfLink": f"{_ROOT[request.version]}/{project}/operations/{wire['name']}",
        "targetLink": instance_link(request.version, project, wire["targetId"]),
    }


def get(world: World, request: Request) -> dict[str, Any]:
    """operations.get."""
    wire = world.operations.get(f"projects/{request.project}/operations/{request.params['operation']}")
    if wire is None or wire.get("kind") != "sql#operation":
        raise ApiError(
            404, "The Cloud SQL instance operation does not exist.", reason="operationDoesNotExist"
        )
    return shown(wire, request)


def listing(world: World, request: Request) -> dict[str, Any]:
    """operations.list: newest first, of one instance where one is named."""
    wires = [
        wire
        for wire in world.operations.list(f"projects/{request.project}/operations/")
        if "targetId" in wire
    ]
    wanted = request.params.get("instance")
    chosen = [wire for wire in wires if wanted in (None, wire["targetId"])]
    chosen.sort(key=lambda wire: wire["insertTime"], reverse=True)
    named = [(f"{place:08}", shown(wire, request)) for place, wire in enumerate(chosen)]
    items, token = page(named, request.params, default=100, most=1000, size="maxResults")
    answer: dict[str, Any] = {"kind": "sql#operationsList", **({"items": items} if items else {})}
    return {**answer, **({"nextPageToken": token} if token else {})}
