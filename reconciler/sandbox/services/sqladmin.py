"""Cloud SQL Admin: what of it is emulated, in both versions. Every instance is a real PostgreSQL."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.services import sqladmin_backups as backups
from reconciler.sandbox.services import sqladmin_data as data
from reconciler.sandbox.services import sqladmin_instances as instances
from reconciler.sandbox.services import sqladmin_operations as operations
from reconciler.sandbox.services import sqladmin_tiers as tiers
from reconciler.sandbox.services import sqladmin_work as work
from reconciler.sandbox.world import Method, Request, World

API: Final = "sqladmin"
VERSIONS: Final = ("v1", "v1beta4")
_REGIONS: Final = ("us-central1", "us-east1", "europe-west1", "europe-west9", "asia-northeast1")


def methods(world: World) -> dict[str, Method]:
    """The emulated methods, by their discovery ids."""
    for module in (work, data, backups):
        module.register(world)
    found: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "instances.insert": instances.insert,
        "instances.get": instances.get,
        "instances.list": instances.listing,
        "instances.patch": instances.patch,
        "instances.update": instances.update,
        "instances.delete": instances.delete,
        "instances.restart": instances.restart,
        "instances.restoreBackup": backups.restore,
        "databases.insert": data.insert_database,
        "databases.get": data.get_database,
        "databases.list": data.list_databases,
        "databases.delete": data.delete_database,
        "users.insert": data.insert_user,
        "users.get": data.get_user,
        "users.list": data.list_users,
        "users.update": data.update_user,
        "users.delete": data.delete_user,
        "backupRuns.insert": backups.insert,
        "backupRuns.get": backups.get,
        "backupRuns.list": backups.listing,
        "backupRuns.delete": backups.delete,
        "operations.get": operations.get,
        "operations.list": operations.listing,
        "tiers.list": lambda _, __: {"kind": "sql#tiersList", "items": tiers.listing(list(_REGIONS))},
        "flags.list": _flags,
    }

    def bound(function: Callable[[World, Request], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request)

    # v1beta4 calls its methods "instances.get", v1 "sql.instances.get".
    return {f"{head}{name}": bound(function) for head in ("", "sql.") for name, function in found.items()}


def _flags(world: World, request: Request) -> dict[str, Any]:
    version = request.params.get("databaseVersion")
    applies = [version] if version else ["POSTGRES_15", "POSTGRES_16", "POSTGRES_17"]
    names = sorted(engine_of(world).databases.flags())
    items = [{"kind": "sql#flag", "name": name, "type": "STRING", "appliesTo": applies} for name in names]
    return {"kind": "sql#flagsList", "items": items}
