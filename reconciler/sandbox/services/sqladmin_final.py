"""Final backups: what is kept of an instance that was deleted, until its days are over; found among the project's.

Asked for with the deletion, or in the instance's finalBackupConfig beforehand. One is a copy of everything in the
instance's PostgreSQL, and can be restored onto another instance. Backups of instances that are there are backupRuns.
"""

import re
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import listed
from reconciler.sandbox.runtime.databases import should_run
from reconciler.sandbox.runtime.postgres import Cluster
from reconciler.sandbox.services import sqladmin_copies as copies
from reconciler.sandbox.services import sqladmin_operations as operations
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World, timestamp

KIND: Final = "sqladmin.finalBackup"
DELETE: Final = "sqladmin.deleteFinalBackup"
UPDATE: Final = "sqladmin.updateFinalBackup"
_LONGEST: Final = 365
_CLAUSE: Final = re.compile(r'(instance|type|location)\s*[:=]\s*"?([^"\s]+)"?')


def register(world: World) -> None:
    """Say what the operations do."""
    world.operations.register(DELETE, lambda arguments, _: _forget(world, arguments["backup"]))
    world.operations.register(UPDATE, lambda arguments, _: _update_work(world, arguments))


def asked(world: World, request: Request, resource: Mapping[str, Any]) -> dict[str, Any]:
    """What a deletion has to know of the final backup: {"final": name, "expires", "description"}, or nothing.

    Raises ApiError 400 for a time that cannot be.
    """
    config: Mapping[str, Any] = resource["settings"].get("finalBackupConfig", {})
    wanted = request.params.get("enableFinalBackup", config.get("enabled", False))
    if str(wanted).lower() != "true":
        return {}
    days = int(request.params.get("finalBackupTtlDays") or config.get("retentionDays") or 30)
    end = world.clock() + timedelta(days=days)
    if until := request.params.get("finalBackupExpiryTime"):
        end = datetime.fromisoformat(str(until))
    if not timedelta(0) < end - world.clock() <= timedelta(days=_LONGEST):
        raise _invalid(f"A final backup is kept for 1 to {_LONGEST} days.")
    if resource.get("state") == "FAILED":
        return {}  # it was never made, and has nothing to keep
    if not should_run(resource):
        raise _invalid("A final backup needs an instance that is running.")
    return {
        "final": f"projects/{request.project}/backups/{uuid.uuid4()}",
        "expires": timestamp(end),
        "description": str(request.params.get("finalBackupDescription", "")),
    }


def save(world: World, arguments: Mapping[str, Any], where: Cluster) -> None:
    """Copy what the instance holds, where its deletion asks for that. Raises SandboxError."""
    if "final" in arguments:
        copies.save(where, copy(world, arguments["final"]))


def keep(world: World, arguments: Mapping[str, Any], resource: Mapping[str, Any]) -> None:
    """Record the backup of an instance that is gone now."""
    if "final" not in arguments:
        return
    now = world.now()
    body: Body = {
        "kind": "sql#backup",
        "name": arguments["final"],
        "type": "FINAL",
        "instance": resource["name"],
        "location": resource["region"].partition("-")[0],
        "backupInterval": {"startTime": now, "endTime": now},
        "state": "SUCCESSFUL",
        "backupKind": "SNAPSHOT",
        "databaseVersion": resource["databaseVersion"],
        "expiryTime": arguments["expires"],
        "instanceDeletionTime": now,
        "instanceSettings": dict(resource),
        **({"description": arguments["description"]} if arguments["description"] else {}),
    }
    world.store.put(KIND, arguments["final"], body)


def copy(world: World, name: str) -> Path:
    """Where the copy of the backup projects/PROJECT/backups/ID is."""
    _, project, _, identity = name.split("/")
    return copies.final_folder(world.home, project, identity)


def find(world: World, name: str) -> Body:
    """The backup projects/PROJECT/backups/ID. Raises ApiError 404, also once its days are over."""
    found = world.store.get(KIND, name)
    if found is None or _expired(world, found):
        raise ApiError(404, "The Cloud SQL backup does not exist.", reason="backupDoesNotExist")
    return found


def get(world: World, request: Request) -> dict[str, Any]:
    """Backups.GetBackup."""
    return _shown(request, find(world, _name(request)))


def listing(world: World, request: Request) -> dict[str, Any]:
    """Backups.ListBackups, newest first, with filters of the form instance:NAME AND type:FINAL."""
    clauses = _CLAUSE.findall(str(request.params.get("filter", "")))
    found = [
        body
        for _, body in world.store.list(KIND, f"projects/{request.project}/backups/")
        if not _expired(world, body) and all(str(body[field]) == value for field, value in clauses)
    ]
    newest = sorted(found, key=lambda body: body["instanceDeletionTime"], reverse=True)
    items = [(f"{place:08}", _shown(request, body)) for place, body in enumerate(newest)]
    return listed("backups", items, request.params, default=500, most=2000)


def update(world: World, request: Request) -> dict[str, Any]:
    """Backups.UpdateBackup: its description, and how long it is kept."""
    found = find(world, _name(request))
    fields: dict[str, Any] = {}
    if "description" in request.body:
        fields["description"] = request.body["description"]
    if days := request.body.get("ttlDays"):
        fields["expiryTime"] = timestamp(world.clock() + timedelta(days=int(days)))
    if end := request.body.get("expiryTime"):
        fields["expiryTime"] = end
    arguments = {"backup": found["name"], "fields": fields}
    return operations.start(world, request, UPDATE, "UPDATE_BACKUP", found["instance"], arguments)


def delete(world: World, request: Request) -> dict[str, Any]:
    """Backups.DeleteBackup."""
    found = find(world, _name(request))
    arguments = {"backup": found["name"]}
    return operations.start(world, request, DELETE, "DELETE_BACKUP", found["instance"], arguments)


def _name(request: Request) -> str:
    return str(request.params["name"])


def _expired(world: World, body: Mapping[str, Any]) -> bool:
    return datetime.fromisoformat(body["expiryTime"]) <= world.clock()


def _shown(request: Request, body: Body) -> dict[str, Any]:
    return {**body, "selfLink": f"https://sqladmin.googleapis.com/{request.version}/{body['name']}"}


def _update_work(world: World, arguments: Mapping[str, Any]) -> None:
    world.store.update(KIND, arguments["backup"], lambda body: {**body, **arguments["fields"]})


def _forget(world: World, name: str) -> None:
    copies.remove(copy(world, name))
    if world.store.get(KIND, name) is not None:
        world.store.delete(KIND, name)


def _invalid(text: str) -> ApiError:
    return ApiError(400, f"Invalid request: {text}", reason="invalid")
