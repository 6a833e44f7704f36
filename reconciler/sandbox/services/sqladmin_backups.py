"""Backups of Cloud SQL instances: a consistent copy of every database, put back by restoreBackup."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from reconciler.sandbox.errors import ApiError, SandboxError
from reconciler.sandbox.paging import page
from reconciler.sandbox.runtime import postgres
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.runtime.postgres import Cluster, identifier
from reconciler.sandbox.services import sqladmin_instances as instances
from reconciler.sandbox.services import sqladmin_operations as operations
from reconciler.sandbox.services import sqladmin_work as work
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

KIND: Final = "sqladmin.backupRun"
BACKUP: Final = "sqladmin.backup"
RESTORE: Final = "sqladmin.restore"
DELETE: Final = "sqladmin.deleteBackup"
_DISCONNECT: Final = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = 'postgres' AND pid <> pg_backend_pid()"""


def register(world: World) -> None:
    """Say what the operations on backups do."""
    world.operations.register(BACKUP, lambda arguments, _: _backup_work(world, arguments))
    world.operations.register(RESTORE, lambda arguments, _: _restore_work(world, arguments))
    world.operations.register(DELETE, lambda arguments, _: _delete_work(world, arguments))


def insert(world: World, request: Request) -> dict[str, Any]:
    """backupRuns.insert."""
    resource = instances.find(world, request)["resource"]
    if engine_of(world).databases.running(request.project, resource["name"]) is None:
        raise work.not_running()
    identity = str(time.time_ns() // 1_000_000)
    now = world.now()
    body: Body = {
        "kind": "sql#backupRun",
        "backupKind": "SNAPSHOT",
        "databaseVersion": resource["databaseVersion"],
        "enqueuedTime": now,
        "id": identity,
        "instance": resource["name"],
        "location": resource["region"].split("-")[0],
        "status": "ENQUEUED",
        "type": "ON_DEMAND",
        "windowStartTime": now,
    }
    if request.body.get("description"):
        body["description"] = request.body["description"]
    arguments = {"project": request.project, "name": resource["name"], "id": identity}
    with world.store.transaction():
        started = operations.start(world, request, BACKUP, "BACKUP_VOLUME", resource["name"], arguments)
        world.store.create(KIND, _full(arguments), body)
    return {**started, "backupContext": {"kind": "sql#backupContext", "backupId": identity}}


def get(world: World, request: Request) -> dict[str, Any]:
    """backupRuns.get."""
    return _shown(request, _find(world, request))


def listing(world: World, request: Request) -> dict[str, Any]:
    """backupRuns.list, newest first."""
    instances.find(world, request)
    prefix = f"{work.stored_name(request.project, request.params['instance'])}/backupRuns/"
    runs = sorted(world.store.list(KIND, prefix), reverse=True)
    items = [(f"{place:08}", _shown(request, body)) for place, (_, body) in enumerate(runs)]
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
    """instances.restoreBackup, onto the same instance."""
    resource = instances.find(world, request)["resource"]
    context: Mapping[str, Any] = request.body.get("restoreBackupContext", {})
    source = context.get("instanceId", resource["name"])
    if source != resource["name"] or context.get("project", request.project) != request.project:
        raise ApiError(400, "The sandbox restores onto the same instance only.", reason="sandboxNotEmulated")
    arguments = {"project": request.project, "name": source, "id": str(context.get("backupRunId", ""))}
    if world.store.get(KIND, _full(arguments)) is None:
        raise _missing()
    if engine_of(world).databases.running(request.project, source) is None:
        raise work.not_running()
    return operations.start(world, request, RESTORE, "RESTORE_VOLUME", source, arguments)


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


def _folder(where: Cluster, identity: str) -> Path:
    return where.top / "backups" / f"{where.project}.{where.name}" / identity


def _running(world: World, arguments: Mapping[str, Any]) -> Cluster:
    where = engine_of(world).databases.running(arguments["project"], arguments["name"])
    if where is None:
        raise work.not_running()
    return where


def _names(where: Cluster) -> list[str]:
    sql = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'cloudsqladmin' ORDER BY datname"
    return [row[0] for row in postgres.run_sql(where, sql)]


def _backup_work(world: World, arguments: Mapping[str, Any]) -> None:
    def mark(fields: Mapping[str, Any]) -> None:
        world.store.update(KIND, _full(arguments), lambda body: {**body, **fields})

    mark({"status": "RUNNING", "startTime": world.now()})
    try:
        where = _running(world, arguments)
        folder = _folder(where, arguments["id"])
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for number, name in enumerate(_names(where)):
            (folder / f"{number}.name").write_text(name)
            postgres.dump(where, name, folder / f"{number}.dump")
    except SandboxError as error:
        mark({"status": "FAILED", "endTime": world.now()})
        raise ApiError(500, str(error), reason="INTERNAL_ERROR") from error
    mark({"status": "SUCCESSFUL", "endTime": world.now()})


def _restore_work(world: World, arguments: Mapping[str, Any]) -> None:
    where = _running(world, arguments)
    saved = {
        file.read_text(): file.with_suffix(".dump")
        for file in sorted(_folder(where, arguments["id"]).glob("*.name"))
    }
    try:
        for name in _names(where):
            if name != "postgres":
                postgres.run_sql(where, f"DROP DATABASE {identifier(name)} WITH (FORCE)")
        for name, file in saved.items():
            if name != "postgres":
                postgres.run_sql(where, f"CREATE DATABASE {identifier(name)} OWNER cloudsqlsuperuser")
            else:
                postgres.run_sql(where, _DISCONNECT)
            postgres.restore(where, name, file)
    except (SandboxError, postgres.PostgresError) as error:
        raise ApiError(500, str(error), reason="INTERNAL_ERROR") from error


def _delete_work(world: World, arguments: Mapping[str, Any]) -> None:
    stored = world.store.get("sqladmin.instance", work.stored_name(arguments["project"], arguments["name"]))
    if stored is not None:
        databases = engine_of(world).databases
        where = databases.cluster(arguments["project"], stored["resource"]["region"], arguments["name"])
        shutil.rmtree(_folder(where, arguments["id"]), ignore_errors=True)
    if world.store.get(KIND, _full(arguments)) is not None:
        world.store.delete(KIND, _full(arguments))
