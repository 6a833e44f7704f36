"""Read replicas: records alone, with no database of their own. Their databases and users are the primary's.

A PostgreSQL replica that is promoted becomes an instance of its own, with a real copy of what the primary holds then.
"""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.runtime.databases import INSTANCE
from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.services.sqladmin_versions import MYSQL, engine
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World

TYPE: Final = "READ_REPLICA_INSTANCE"


def primary_name(project: str, wanted: str) -> str:
    """The store's name of a primary, written "NAME" or "PROJECT:NAME"."""
    owner, _, name = wanted.rpartition(":")
    return f"projects/{owner or project}/instances/{name}"


def primary(world: World, resource: Mapping[str, Any]) -> Body | None:
    """The primary of a replica, or None for what is no replica."""
    if not resource.get("masterInstanceName"):
        return None
    stored = world.store.get(INSTANCE, primary_name(resource["project"], resource["masterInstanceName"]))
    return stored["resource"] if stored else None


def check_new(world: World, project: str, body: Mapping[str, Any]) -> Body:
    """The primary of the replica that *body* asks for. Raises ApiError."""
    wanted = str(body["masterInstanceName"])
    stored = world.store.get(INSTANCE, primary_name(project, wanted))
    if stored is None:
        raise ApiError(404, "The Cloud SQL instance does not exist.", reason="instanceDoesNotExist")
    source: Body = stored["resource"]
    if source["state"] != "RUNNABLE":
        text = "The instance or operation is not in an appropriate state to handle the request."
        raise ApiError(409, text, reason="invalidState")
    if body.get("settings", {}).get("backupConfiguration", {}).get("enabled"):
        text = "Backups cannot be enabled for read replica instance."
        raise invalid(f"Invalid flag for instance role: {text}.")
    logs = source["settings"]["backupConfiguration"].get("binaryLogEnabled")
    if engine(source["databaseVersion"]) == MYSQL and not logs:
        raise invalid("Replication requires that binary logging is enabled on the primary instance.")
    return source


def fields(project: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What the record of a replica has more than a primary's."""
    wanted = str(body["masterInstanceName"])
    return {
        "instanceType": TYPE,
        "masterInstanceName": wanted if ":" in wanted else f"{project}:{wanted}",
        "replicaConfiguration": {"kind": "sql#replicaConfiguration", **body.get("replicaConfiguration", {})},
    }


def announce(world: World, resource: Mapping[str, Any]) -> None:
    """Have the primary name its new replica."""
    _name(world, resource, [resource["name"]])


def withdraw(world: World, resource: Mapping[str, Any]) -> None:
    """Have the primary name a replica no more."""
    _name(world, resource, [])


def _name(world: World, resource: Mapping[str, Any], added: list[str]) -> None:
    source = primary(world, resource)
    if source is None:
        return

    def named(stored: Body) -> Body:
        before: list[str] = stored["resource"].get("replicaNames", [])
        names = [*[one for one in before if one != resource["name"]], *added]
        rest = {key: value for key, value in stored["resource"].items() if key != "replicaNames"}
        return {**stored, "resource": {**rest, **({"replicaNames": names} if names else {})}}

    world.store.update(INSTANCE, f"projects/{source['project']}/instances/{source['name']}", named)


def check_no_replicas(resource: Mapping[str, Any]) -> None:
    """Raise ApiError 400 where an instance that is to be deleted has replicas."""
    if resource.get("replicaNames"):
        text = "The requested operation is not valid for a replication master instance."
        raise ApiError(400, text, reason="invalidOperation")


def check_writable(resource: Mapping[str, Any]) -> None:
    """Raise ApiError 400 for a write into a replica."""
    if resource.get("instanceType") == TYPE:
        text = "The requested operation is not valid for a read replica."
        raise ApiError(400, text, reason="invalidOperation")
