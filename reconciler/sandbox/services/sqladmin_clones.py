"""New instances out of old ones: clones, and replicas that are promoted. Each gets a PostgreSQL with a real copy."""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError, SandboxError
from reconciler.sandbox.runtime import postgres
from reconciler.sandbox.runtime.databases import has_database, should_run
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.services import sqladmin_copies as copies
from reconciler.sandbox.services import sqladmin_instances as instances
from reconciler.sandbox.services import sqladmin_new as new
from reconciler.sandbox.services import sqladmin_operations as operations
from reconciler.sandbox.services import sqladmin_records as records
from reconciler.sandbox.services import sqladmin_replicas as replicas
from reconciler.sandbox.services import sqladmin_work as work
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

CLONE: Final = "sqladmin.clone"
PROMOTE: Final = "sqladmin.promote"
_ITS_OWN: Final = ("ipAddresses", "serverCaCert", "replicaNames", "upgradableDatabaseVersions")


def register(world: World) -> None:
    """Say what the operations do."""
    world.operations.register(
        CLONE,
        lambda arguments, _: _clone_work(world, arguments),
        lambda arguments, _: work.failed(world, arguments),
    )
    world.operations.register(PROMOTE, lambda arguments, _: _promote_work(world, arguments))


def clone(world: World, request: Request) -> dict[str, Any]:
    """instances.clone, of the state that the source is in."""
    source = instances.find(world, request)["resource"]
    context: Mapping[str, Any] = request.body.get("cloneContext", {})
    name = str(context.get("destinationInstanceName", ""))
    new.check_name(request.project, name)
    for field in ("pointInTime", "binLogCoordinates", "destinationProject"):
        if context.get(field):
            text = f"The sandbox does not emulate {field} of a clone."
            raise ApiError(400, text, reason="sandboxNotEmulated")
    replicas.check_writable(source)
    if not should_run(source):
        raise work.wrong_state()
    if world.operations.running(operations.lock(request.project, source["name"])):
        raise operations.in_progress()
    arguments = {"source": source["name"]}
    return instances.begin(world, request, _cloned(world, source, name), CLONE, "CLONE", arguments)


def _cloned(world: World, source: Body, name: str) -> Body:
    kept = {key: value for key, value in source.items() if key not in _ITS_OWN}
    settings = {**source["settings"], "settingsVersion": "1"}
    return {
        **kept,
        "connectionName": f"{source['project']}:{source['region']}:{name}",
        "createTime": world.now(),
        "etag": work.etag(settings),
        "name": name,
        "satisfiesPzi": False,
        "settings": settings,
        "state": "PENDING_CREATE",
    }


def promote(world: World, request: Request) -> dict[str, Any]:
    """instances.promoteReplica: an instance of its own, with what its primary holds now."""
    resource = instances.find(world, request)["resource"]
    if resource["instanceType"] != replicas.TYPE:
        text = "The requested operation is not valid for this instance."
        raise ApiError(400, text, reason="invalidOperation")
    arguments = {"project": request.project, "name": resource["name"]}
    return operations.start(world, request, PROMOTE, "PROMOTE_REPLICA", resource["name"], arguments)


def _clone_work(world: World, arguments: Mapping[str, Any]) -> None:
    project, name = arguments["project"], arguments["name"]
    resource = instances.stored(world, project, name)["resource"]
    source = instances.stored(world, project, arguments["source"])["resource"]
    try:
        _copy(world, source, resource)
    except ApiError:
        work.failed(world, arguments)
        raise
    with world.store.transaction():
        work.set_fields(world, arguments, {"state": "RUNNABLE", **work.made(world, resource)})
        for kind in records.KINDS:
            for found, body in world.store.list(kind, f"{records.name_of(source)}/"):
                own = found.removeprefix(records.name_of(source))
                world.store.put(kind, f"{records.name_of(resource)}{own}", body)


def _promote_work(world: World, arguments: Mapping[str, Any]) -> None:
    resource = instances.stored(world, arguments["project"], arguments["name"])["resource"]
    source = replicas.primary(world, resource)
    free = {
        "instanceType": "CLOUD_SQL_INSTANCE",
        "masterInstanceName": None,
        "replicaConfiguration": None,
    }
    if source is not None:
        _copy(world, source, {**resource, "instanceType": "CLOUD_SQL_INSTANCE"})
        replicas.withdraw(world, resource)
    work.set_fields(world, arguments, free)


def _copy(world: World, source: Mapping[str, Any], target: Mapping[str, Any]) -> None:
    """Make the PostgreSQL of *target*, with everything that *source* holds. Raises ApiError."""
    if not has_database(target):
        return
    databases = engine_of(world).databases
    try:
        origin = databases.running(source["project"], source["name"])
        if origin is None:
            raise work.wrong_state()
        folder = copies.folder(origin, f"for-{target['name']}")
        copies.save(origin, folder)
        copies.load(work.make_database(world, target), folder)
        copies.remove(folder)
    except (SandboxError, postgres.PostgresError) as error:
        raise ApiError(500, str(error), reason=operations.INTERNAL) from error
