"""What databases and users have in common: whose they are, and that each write of theirs is an operation.

The operation is over in the answer to the request, as recorded, unless operations are to take time. What the engine
refuses is then the request's own error; else it is found in the operation.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.sandbox.errors import ApiError, SandboxError
from reconciler.sandbox.operations import CALLING
from reconciler.sandbox.runtime.databases import has_database, should_run
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.services import sqladmin_instances as instances
from reconciler.sandbox.services import sqladmin_operations as operations
from reconciler.sandbox.services import sqladmin_replicas as replicas
from reconciler.sandbox.services.sqladmin_postgres import Served
from reconciler.sandbox.services.sqladmin_records import Records
from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.world import Request, World

Holder = Served | Records
"""Who has the databases and users of an instance: its PostgreSQL, or records. Every verb of theirs can be repeated."""


def holder(world: World, project: str, name: str) -> Holder:
    """Who has them. Raises ApiError: 404 without the instance, 400 where it is not running."""
    resource = instances.stored(world, project, name)["resource"]
    source = replicas.primary(world, resource) or resource
    if not should_run(source) or not should_run(resource):
        raise invalid("Invalid request since instance is not running.")
    if not has_database(source):
        return Records(world, resource)
    try:
        where = engine_of(world).databases.running(source["project"], source["name"])
    except SandboxError as error:
        raise ApiError(400, f"{error} {error.way_out}", reason="invalidState") from error
    if where is None:
        raise invalid("Invalid request since instance is not running.")
    return Served(world, source, where)


def of(world: World, request: Request) -> Holder:
    """Who has the databases and users of the instance that the request names."""
    return holder(world, request.project, str(request.params["instance"]))


def writable(world: World, request: Request) -> Holder:
    """The same, for a write: raises ApiError 400 for a replica, 409 while another operation is under way."""
    name = str(request.params["instance"])
    found = of(world, request)
    replicas.check_writable(instances.stored(world, request.project, name)["resource"])
    if world.operations.running(operations.lock(request.project, name)):
        raise operations.in_progress()
    return found


def write(
    world: World, request: Request, kind: str, operation_type: str, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Start the operation *kind* on the instance, and wait for it where it takes no time."""
    name = str(request.params["instance"])
    given = {"project": request.project, "instance": name, **arguments}
    started = operations.start(world, request, kind, operation_type, name, given)
    if world.conditions.seconds(CALLING.get()[0]):
        return started
    done = world.operations.wait(f"projects/{request.project}/operations/{started['name']}", 20)
    entries = (done or {}).get("error", {}).get("errors", ())
    for entry in entries:
        if entry["code"] != operations.INTERNAL:
            raise ApiError(400, entry["message"], reason=entry["code"])
    return operations.shown(done or started, request)
