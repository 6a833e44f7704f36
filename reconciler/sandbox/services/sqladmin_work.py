"""What the operations on Cloud SQL instances do to the PostgreSQL that stands behind each."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError, SandboxError
from reconciler.sandbox.runtime import postgres
from reconciler.sandbox.runtime.databases import INSTANCE, should_run
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.services import sqladmin_settings as rules
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World

CREATE: Final = "sqladmin.create"
UPDATE: Final = "sqladmin.update"
DELETE: Final = "sqladmin.delete"
RESTART: Final = "sqladmin.restart"
MAINTENANCE: Final = "R20260108.01_01"


def register(world: World) -> None:
    """Say what the operations on instances do."""
    world.operations.register(CREATE, lambda arguments, _: _create_work(world, arguments))
    world.operations.register(UPDATE, lambda arguments, _: _update_work(world, arguments))
    world.operations.register(DELETE, lambda arguments, _: _delete_work(world, arguments))
    world.operations.register(RESTART, lambda arguments, _: _restart_work(world, arguments))


def stored_name(project: str, instance: str) -> str:
    """The store's name of an instance."""
    return f"projects/{project}/instances/{instance}"


def missing() -> ApiError:
    """The 404 for an instance."""
    return ApiError(404, "The Cloud SQL instance does not exist.", reason="instanceDoesNotExist")


def not_running() -> ApiError:
    """The error for what needs a running instance."""
    text = "The instance or operation is not in an appropriate state to handle the request."
    return ApiError(400, f"Invalid request: {text}", reason="invalidState")


def etag(settings: Mapping[str, Any]) -> str:
    """The etag of an instance with these settings."""
    return hashlib.sha256(f"settings {settings['settingsVersion']}".encode()).hexdigest()


def set_fields(world: World, arguments: Mapping[str, Any], fields: Mapping[str, Any]) -> Body:
    """Change fields of the stored instance that `arguments` name by project and name."""

    def change(stored: Body) -> Body:
        return {**stored, "resource": {**stored["resource"], **fields}}

    return world.store.update(INSTANCE, stored_name(arguments["project"], arguments["name"]), change)[
        "resource"
    ]


def _create_work(world: World, arguments: Mapping[str, Any]) -> None:
    project, name = arguments["project"], arguments["name"]
    stored = world.store.get(INSTANCE, stored_name(project, name))
    if stored is None:
        return
    resource = stored["resource"]
    databases = engine_of(world).databases
    where = databases.cluster(project, resource["region"], name)
    try:
        with databases.lock(project, name):
            wanted = rules.version_number(resource["databaseVersion"])
            found = postgres.create(where, rules.postgres_settings(resource["settings"]), wanted)
            if password := engine_of(world).forget_root_password(project, name):
                postgres.run_sql(where, f"ALTER ROLE postgres PASSWORD {postgres.literal(password)}")
            if resource["settings"]["activationPolicy"] != "ALWAYS":
                postgres.stop(where)
    except SandboxError as error:
        set_fields(world, arguments, {"state": "FAILED"})
        raise ApiError(500, f"{error} {error.way_out}".strip(), reason="INTERNAL_ERROR") from error
    if found.major != wanted:
        version = resource["databaseVersion"]
        note = f"note: the instance is {version}; PostgreSQL {found.version} of this machine serves it\n"
        with where.log.open("a") as log:
            log.write(note)
    set_fields(world, arguments, {"state": "RUNNABLE", **_addresses(world, resource)})


def _addresses(world: World, resource: Mapping[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256(resource["connectionName"].encode()).digest()
    fields: dict[str, Any] = {}
    if resource["settings"]["ipConfiguration"].get("ipv4Enabled"):
        # 198.51.100.0/24 and 203.0.113.0/24 are reserved for examples: nobody can be reached there by mistake.
        primary, outgoing = f"203.0.113.{digest[0]}", f"198.51.100.{digest[1]}"
        fields["ipAddresses"] = [
            {"ipAddress": primary, "type": "PRIMARY"},
            {"ipAddress": outgoing, "type": "OUTGOING"},
        ]
    if resource["settings"]["availabilityType"] == "REGIONAL":
        fields["secondaryGceZone"] = f"{resource['region']}-b"
        fields["failoverReplica"] = {"available": True}
    if "serverCaCert" not in resource:
        fields["serverCaCert"] = _certificate(world, resource)
    return fields


def _certificate(world: World, resource: Mapping[str, Any]) -> dict[str, Any]:
    certificate = next(iter(world.identities.certificates().values()))
    return {
        "kind": "sql#sslCert",
        "cert": certificate,
        "certSerialNumber": "0",
        "commonName": "C=US,O=Google\\, Inc,CN=Google Cloud SQL Server CA",
        "createTime": resource["createTime"],
        "expirationTime": f"{int(resource['createTime'][:4]) + 10}{resource['createTime'][4:]}",
        "instance": resource["name"],
        "sha1Fingerprint": hashlib.sha1(certificate.encode(), usedforsecurity=False).hexdigest(),
    }


def _update_work(world: World, arguments: Mapping[str, Any]) -> None:
    project, name, settings = arguments["project"], arguments["name"], arguments["settings"]
    stored = world.store.get(INSTANCE, stored_name(project, name))
    if stored is None:
        raise missing()
    before = stored["resource"]
    databases = engine_of(world).databases
    where = databases.cluster(project, before["region"], name)
    old, new = rules.postgres_settings(before["settings"]), rules.postgres_settings(settings)
    restarts = (
        old != new
        or before["settings"]["tier"] != settings["tier"]
        or before["databaseVersion"] != arguments["version"]
    )
    after = {**before, "settings": settings}
    with databases.lock(project, name):
        try:
            postgres.configure(where, new)
            if not should_run(after):
                postgres.stop(where)
            elif restarts:
                postgres.restart(where)
            else:
                postgres.start(where)
        except SandboxError as error:
            postgres.configure(where, old)
            raise ApiError(500, f"{error}", reason="INTERNAL_ERROR") from error
    settings = {**settings, "settingsVersion": str(int(before["settings"]["settingsVersion"]) + 1)}
    version = arguments["version"]
    fields: dict[str, Any] = {"settings": settings, "databaseVersion": version, "etag": etag(settings)}
    if version != before["databaseVersion"]:
        fields |= {"databaseInstalledVersion": version, "maintenanceVersion": f"{version}.{MAINTENANCE}"}
    fields |= _addresses(world, after)
    set_fields(world, arguments, fields)


def _restart_work(world: World, arguments: Mapping[str, Any]) -> None:
    project, name = arguments["project"], arguments["name"]
    databases = engine_of(world).databases
    where = databases.running(project, name)
    if where is None:
        raise not_running()
    with databases.lock(project, name):
        postgres.restart(where)


def _delete_work(world: World, arguments: Mapping[str, Any]) -> None:
    project, name = arguments["project"], arguments["name"]
    stored = world.store.get(INSTANCE, stored_name(project, name))
    if stored is None:
        return
    databases = engine_of(world).databases
    with databases.lock(project, name):
        postgres.destroy(databases.cluster(project, stored["resource"]["region"], name))
    with world.store.transaction():
        for kind in ("sqladmin.instance", "sqladmin.database", "sqladmin.user", "sqladmin.backupRun"):
            for found, _ in world.store.list(kind, stored_name(project, name)):
                if found == stored_name(project, name) or found.startswith(stored_name(project, name) + "/"):
                    world.store.delete(kind, found)
