"""compute#operation: one at a time for a resource, global or of a region, read and waited for where it belongs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.networking import compute_names
from reconciler.sandbox.operations import Busy
from reconciler.sandbox.services import compute_lists, compute_rules
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

REQUEST: Final = "compute.request"
"""The store's kind of an answered requestId: to send a request twice does its work once."""
WAIT_SECONDS: Final = 120.0
"""How long `wait` waits at most, as documented."""
AT_ONCE: Final = 1.0
"""Seconds in which an operation that Google answers done is expected to be."""


def scope(name: str) -> str:
    """Where a resource's operations are: "projects/p/global" or "projects/p/regions/r"."""
    parts = name.split("/")
    return "/".join(parts[:3] if parts[2] == "global" else parts[:4])


def start(
    world: World, request: Request, operation_type: str, target: str, body: Body, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Start an operation on *target* (a relative name) and show it; the work is of the kind "compute.TYPE".

    *body* is the resource, for its id. Raises ApiError 400 while another operation on it is under way.
    """
    name = _name(world)
    full = f"{scope(target)}/operations/{name}"
    wire = {**_wire(world, request, operation_type, target, body), "name": name}
    wire["selfLink"] = compute_names.link(full)
    kind = f"compute.{request.method_id}"
    given = {"target": target, **arguments}
    try:
        with world.store.transaction():
            started = world.operations.start(kind, full, given, shape="compute", wire=wire, lock=target)
            if wire.get("clientOperationId"):
                world.store.put(REQUEST, _request_key(request), {"operation": full})
    except Busy as busy:
        raise compute_rules.not_ready(target) from busy
    return shown(started, request)


def start_and_wait(
    world: World, request: Request, operation_type: str, target: str, body: Body, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Start an operation that Google answers done at once, such as a change of labels."""
    started = start(world, request, operation_type, target, body, arguments)
    done = world.operations.wait(f"{scope(target)}/operations/{started['name']}", AT_ONCE)
    return shown(done or started, request)


def shown(wire: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """An operation with the links of the version that is asked."""
    return compute_names.in_version(wire, request.version)


def get(world: World, request: Request) -> dict[str, Any]:
    """globalOperations.get and regionOperations.get."""
    full = f"{_scope(request)}/operations/{request.params['operation']}"
    wire = world.operations.get(full) or _by_number(world, request)
    if wire is None:
        raise compute_rules.missing(full)
    return shown(wire, request)


def wait(world: World, request: Request) -> dict[str, Any]:
    """globalOperations.wait and regionOperations.wait: answers when it is done, or after two minutes as it is."""
    found = get(world, request)
    done = world.operations.wait(f"{_scope(request)}/operations/{found['name']}", WAIT_SECONDS)
    return shown(done or found, request)


def repeated(world: World, request: Request) -> dict[str, Any] | None:
    """The operation that the same request started before: one with a requestId is carried out once."""
    if not request.params.get("requestId"):
        return None
    known = world.store.get(REQUEST, _request_key(request))
    wire = world.operations.get(known["operation"]) if known else None
    return shown(wire, request) if wire else None


def listing(world: World, request: Request) -> dict[str, Any]:
    """globalOperations.list and regionOperations.list."""
    wires = world.operations.list(f"{_scope(request)}/operations/")
    return compute_lists.listed(request, "operation", f"{_scope(request)}/operations", wires)


def _by_number(world: World, request: Request) -> Mapping[str, Any] | None:
    wanted = request.params["operation"]
    wires = world.operations.list(f"{_scope(request)}/operations/") if wanted.isdigit() else []
    return next((wire for wire in wires if wire["id"] == wanted), None)


def _scope(request: Request) -> str:
    region = request.params.get("region")
    return f"projects/{request.project}/" + (f"regions/{region}" if region else "global")


def _wire(
    world: World, request: Request, operation_type: str, target: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    now = compute_names.local_time(world.clock())
    place = scope(target)
    wire: dict[str, Any] = {
        "kind": "compute#operation",
        "id": compute_names.number(),
        "operationType": operation_type,
        "targetLink": compute_names.link(target),
        "targetId": body["id"],
        "user": request.caller.partition(":")[2] or request.caller,
        "insertTime": now,
        "startTime": now,
    }
    if not place.endswith("/global"):
        wire["region"] = compute_names.link(place)
    if request.params.get("requestId"):
        wire["clientOperationId"] = request.params["requestId"]
    return wire


def _name(world: World) -> str:
    """ "operation-1724785878978-620b2f4f3a1c2-5d31b2a4-9b6c1f7e"."""
    milliseconds = int(world.clock().timestamp() * 1000)
    return (
        f"operation-{milliseconds}-{secrets.token_hex(7)[:13]}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
    )


def _request_key(request: Request) -> str:
    return f"{request.project}/{request.method_id}/{request.params['requestId']}"
