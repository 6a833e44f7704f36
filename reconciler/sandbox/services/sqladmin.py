"""Cloud SQL Admin: what of it is emulated, in both versions.

A PostgreSQL instance is a real PostgreSQL of whatever version this machine has; its databaseVersion is what Cloud SQL
would call it. MySQL and SQL Server instances and read replicas are the API's records alone: defaults, operations,
databases, users and errors as recorded, and nothing that a client could connect to.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.services import sqladmin_backups as backups
from reconciler.sandbox.services import sqladmin_clones as clones
from reconciler.sandbox.services import sqladmin_databases as databases
from reconciler.sandbox.services import sqladmin_final as final
from reconciler.sandbox.services import sqladmin_flags as flags
from reconciler.sandbox.services import sqladmin_instances as instances
from reconciler.sandbox.services import sqladmin_operations as operations
from reconciler.sandbox.services import sqladmin_tiers as tiers
from reconciler.sandbox.services import sqladmin_users as users
from reconciler.sandbox.services import sqladmin_work as work
from reconciler.sandbox.world import Method, Request, World

API: Final = "sqladmin"
VERSIONS: Final = ("v1", "v1beta4")
_FLAGS_OF: Final = tuple(f"POSTGRES_{major}" for major in range(13, 19))


_Call = Callable[[World, Request], Mapping[str, Any]]


def methods(world: World) -> dict[str, Method]:
    """The emulated methods, by their discovery ids."""
    for module in (work, databases, users, backups, final, clones):
        module.register(world)

    def bound(function: _Call) -> Method:
        return lambda request: function(world, request)

    found = {**_INSTANCES, **_CHILDREN, "tiers.list": _tiers, "flags.list": _flags}
    # v1beta4 calls its methods "instances.get", v1 "sql.instances.get".
    return {f"{head}{name}": bound(function) for head in ("", "sql.") for name, function in found.items()}


_INSTANCES: Final[Mapping[str, _Call]] = {
    "instances.insert": instances.insert,
    "instances.get": instances.get,
    "instances.list": instances.listing,
    "instances.patch": instances.patch,
    "instances.update": instances.update,
    "instances.delete": instances.delete,
    "instances.restart": instances.restart,
    "instances.restoreBackup": backups.restore,
    "instances.clone": clones.clone,
    "instances.promoteReplica": clones.promote,
    "operations.get": operations.get,
    "operations.list": operations.listing,
}
_CHILDREN: Final[Mapping[str, _Call]] = {
    "databases.insert": databases.insert,
    "databases.get": databases.get,
    "databases.list": databases.listing,
    "databases.patch": databases.patch,
    "databases.update": databases.update,
    "databases.delete": databases.delete,
    "users.insert": users.insert,
    "users.get": users.get,
    "users.list": users.listing,
    "users.update": users.update,
    "users.delete": users.delete,
    "backupRuns.insert": backups.insert,
    "backupRuns.get": backups.get,
    "backupRuns.list": backups.listing,
    "backupRuns.delete": backups.delete,
    "Backups.ListBackups": final.listing,
    "Backups.GetBackup": final.get,
    "Backups.UpdateBackup": final.update,
    "Backups.DeleteBackup": final.delete,
}


def _tiers(_world: World, _request: Request) -> dict[str, Any]:
    return {"kind": "sql#tiersList", "items": tiers.listing()}


def _flags(world: World, request: Request) -> dict[str, Any]:
    """flags.list: what this machine's PostgreSQL knows, as Cloud SQL would describe it."""
    version = str(request.params.get("databaseVersion", ""))
    applies = [version] if version else list(_FLAGS_OF)
    items: list[dict[str, Any]] = []
    for name, flag in sorted(flags.offered(engine_of(world).databases.flags()).items()):
        item: dict[str, Any] = {"kind": "sql#flag", "name": name, "type": flag.kind, "appliesTo": applies}
        if flag.kind == "INTEGER":
            item |= {"minValue": flag.low, "maxValue": flag.high}
        items.append({**item, "requiresRestart": flag.restarts})
    return {"kind": "sql#flagsList", **({"items": items} if not version or version in _FLAGS_OF else {})}
