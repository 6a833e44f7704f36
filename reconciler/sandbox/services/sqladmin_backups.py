"""Backups of Cloud SQL instances: a copy of everything in their PostgreSQL, put back by restoreBackup.

An instance without a database behind it has backups as records alone.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from reconciler.sandbox.errors import ApiError, SandboxError
from reconciler.sandbox.paging import page
from reconciler.sandbox.runtime import postgres
from reconciler.sandbox.runtime.databases import has_database, should_run
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.runtime.postgres import Cluster
from reconciler.sandbox.services import sqladmin_copies as copies
from reconciler.sandbox.services import sqladmin_final as final
from reconciler.sandbox.services import sqladmin_instances as instances
from reconciler.sandbox.services import sqladmin_operations as operations
from reconciler.sandbox.services import sqladmin_versions as versions
from reconciler.sandbox.services import sqladmin_work as work
from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

KIND: Final = "sqladmin.backupRun"
BACKUP: Final = "sqladmin.backup"
RESTORE: Final = "sqladmin.restore"
DELETE: Final = "sqladmin.deleteBackup"
_MULTI_REGIONS: Final = {"europe": "eu", "asia": "asia"}


def register(world: World) -> None:
    """Say what the operations on backups do, and what a backup is that Google failed to make."""

    def undone(arguments: Mapping[str, Any], error: ApiError) -> None:
        _mark(world, arguments, _failure(world, error))

    world.operations.register(BACKUP, lambda arguments, _: _backup_work(world, arguments), undone)
    world.operations.register(RESTORE, lambda arguments, _: _restore_work(world, arguments))
    world.operations.register(DELETE, lambda arguments, _: _delete_work(world, arguments))


def insert(world: World, request: Request) -> dict[str, Any]:
    """backupRuns.insert."""
    resource = instances.find(world, request)["resource"]
    if not should_run(resource):
        raise work.wrong_state()
    identity = str(time.time_ns() // 1_000_000)
    body = _new(world, request, resource, identity)
    arguments = {"project": request.project, "name": resource["name"], "id": identity}
    context = {"backupContext": {"kind": "sql#backupContext", "backupId": identity}}
    with world.store.transaction():
        world.store.create(KIND, _full(arguments), body)
        return operations.start(world, request, BACKUP, "BACKUP_VOLUME", resource["name"], arguments, context)


def _new(world: World, request: Request, resource: Mapping[str, Any], identity: str) -> Body:
    area, now = resource["region"].split("-")[0], world.now()
    described = {"description": request.body["description"]} if request.body.get("description") else {}
    return {
        "kind": "sql#backupRun",
        "backupKind": "SNAPSHOT",
        "databaseVersion": resource["databaseVersion"],
        "enqueuedTime": now,
        "id": identity,
        "instance": resource["name"],
        "location": request.body.get("location") or _MULTI_REGIONS.get(area, "us"),
        "status": "ENQUEUED",
        "type": "ON_DEMAND",
        "windowStartTime": now,
        **described,
    }


def get(world: World, request: Request) -> dict[str, Any]:
    """backupRuns.get."""
    return _shown(request, _find(world, request))


def listing(world: World, request: Request) -> dict[str, Any]:
    """backupRuns.list, newest first; of every instance where "-" is asked for."""
    wanted = str(request.params["instance"])
    if wanted == "-":
        prefix = f"projects/{request.project}/instances/"
    else:
        instances.find(world, request)
        prefix = f"{work.stored_name(request.project, wanted)}/backupRuns/"
    found = [body for _, body in world.store.list(KIND, prefix)]
    runs = sorted(found, key=lambda body: int(body["id"]), reverse=True)
    items = [(f"{place:08}", _shown(request, body)) for place, body in enumerate(runs)]
    values, token = page(items, request.params, default=100, most=1000, size="maxResults")
    answer: dict[str, Any] = {"kind": "sql#backupRunsList", **({"items": values} if values else {})}
    return {**answer, **({"nextPageToken": token} if token else {})}


def delete(world: World, request: Request) -> dict[str, Any]:
    """backupRuns.delete."""
    _find(world, request)
    name = str(request.params["instance"])
    arguments = {"project": request.project, "name": name, "id": str(request.params["id"])}
    return operations.start(world, request, DELETE, "DELETE_BACKUP", name, arguments)


def restore(world: World, request: Request) -> dict[str, Any]:
    """instances.restoreBackup, onto the same instance or another one of the same engine."""
    resource = instances.find(world, request)["resource"]
    if request.body.get("backup"):
        return _restore_final(world, request, resource)
    context: Mapping[str, Any] = request.body.get("restoreBackupContext", {})
    if context.get("project", request.project) != request.project:
        text = "The sandbox restores backups of the same project only."
        raise ApiError(400, text, reason="sandboxNotEmulated")
    run = {
        "project": request.project,
        "name": context.get("instanceId", resource["name"]),
        "id": str(context.get("backupRunId", "")),
    }
    found = world.store.get(KIND, _full(run))
    if found is None or found["status"] != "SUCCESSFUL":
        raise _missing()
    if versions.engine(found["databaseVersion"]) != versions.engine(resource["databaseVersion"]):
        raise invalid("The source and target instances are incompatible.")
    if not should_run(resource):
        raise work.wrong_state()
    arguments = {**run, "target": resource["name"]}
    return operations.start(world, request, RESTORE, "RESTORE_VOLUME", resource["name"], arguments)


def _restore_final(world: World, request: Request, resource: Mapping[str, Any]) -> dict[str, Any]:
    found = final.find(world, str(request.body["backup"]))
    if versions.engine(found["databaseVersion"]) != versions.engine(resource["databaseVersion"]):
        raise invalid("The source and target instances are incompatible.")
    if not should_run(resource):
        raise work.wrong_state()
    arguments = {"project": request.project, "backup": found["name"], "target": resource["name"]}
    return operations.start(world, request, RESTORE, "RESTORE_VOLUME", resource["name"], arguments)


def _find(world: World, request: Request) -> Body:
    instances.find(world, request)
    arguments = {"project": request.project, "name": request.params["instance"], "id": request.params["id"]}
    body = world.store.get(KIND, _full(arguments))
    if body is None:
        raise _missing()
    return body


def _missing() -> ApiError:
    return ApiError(404, "The Cloud SQL backup run does not exist.", reason="backupRunDoesNotExist")


def _full(arguments: Mapping[str, Any]) -> str:
    return f"{work.stored_name(arguments['project'], arguments['name'])}/backupRuns/{arguments['id']}"


def _shown(request: Request, body: Body) -> dict[str, Any]:
    link = operations.instance_link(request.version, request.project, body["instance"])
    return {**body, "selfLink": f"{link}/backupRuns/{body['id']}"}


def _mark(world: World, arguments: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    world.store.update(KIND, _full(arguments), lambda body: {**body, **fields})


def _failure(world: World, error: ApiError) -> dict[str, Any]:
    entry = {"kind": "sql#operationError", "code": error.reason, "message": error.message}
    return {"status": "FAILED", "endTime": world.now(), "error": entry}


def _running(world: World, project: str, name: str) -> Cluster | None:
    """The PostgreSQL of an instance; None where there is none to have. Raises ApiError where it does not run."""
    where = engine_of(world).databases.running(project, name)
    if where is None and has_database(instances.stored(world, project, name)["resource"]):
        raise work.wrong_state()
    return where


def _backup_work(world: World, arguments: Mapping[str, Any]) -> None:
    _mark(world, arguments, {"status": "RUNNING", "startTime": world.now()})
    try:
        where = _running(world, arguments["project"], arguments["name"])
        if where is not None:
            copies.save(where, copies.folder(where, arguments["id"]))
    except SandboxError as error:
        failed = ApiError(500, str(error), reason=operations.INTERNAL)
        _mark(world, arguments, _failure(world, failed))
        raise failed from error
    _mark(world, arguments, {"status": "SUCCESSFUL", "endTime": world.now()})


def _restore_work(world: World, arguments: Mapping[str, Any]) -> None:
    target = _running(world, arguments["project"], arguments["target"])
    if target is None:
        return
    try:
        copies.load(target, _copy(world, arguments))
    except (SandboxError, postgres.PostgresError) as error:
        raise ApiError(500, str(error), reason=operations.INTERNAL) from error


def _copy(world: World, arguments: Mapping[str, Any]) -> Path:
    """Where the copy is that a restoration names."""
    if "backup" in arguments:
        return final.copy(world, arguments["backup"])
    source = instances.stored(world, arguments["project"], arguments["name"])["resource"]
    databases = engine_of(world).databases
    where = databases.cluster(arguments["project"], source["region"], arguments["name"])
    return copies.folder(where, arguments["id"])


def _delete_work(world: World, arguments: Mapping[str, Any]) -> None:
    resource = instances.stored(world, arguments["project"], arguments["name"])["resource"]
    where = engine_of(world).databases.cluster(arguments["project"], resource["region"], arguments["name"])
    copies.remove(copies.folder(where, arguments["id"]))
    if world.store.get(KIND, _full(arguments)) is not None:
        world.store.delete(KIND, _full(arguments))
