"""What the operations on Cloud SQL instances do: to the record, and to the PostgreSQL that stands behind it."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError, SandboxError
from reconciler.sandbox.runtime import postgres
from reconciler.sandbox.runtime.databases import INSTANCE, has_database, should_run
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.runtime.postgres import Cluster
from reconciler.sandbox.services import sqladmin_copies as copies
from reconciler.sandbox.services import sqladmin_final as final
from reconciler.sandbox.services import sqladmin_flags as flags
from reconciler.sandbox.services import sqladmin_networks as networks
from reconciler.sandbox.services import sqladmin_records as records
from reconciler.sandbox.services import sqladmin_replicas as replicas
from reconciler.sandbox.services import sqladmin_settings as rules
from reconciler.sandbox.services import sqladmin_versions as versions
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World

CREATE: Final = "sqladmin.create"
UPDATE: Final = "sqladmin.update"
DELETE: Final = "sqladmin.delete"
RESTART: Final = "sqladmin.restart"
_AT_RESTART: Final = ("tier", "availabilityType")
DELETED: Final = "sqladmin.deleted"
"""The store's kind of a name that a deleted instance had: {"time"}."""


def register(world: World) -> None:
    """Say what the operations on instances do, and what is left where Google fails one of them."""
    operations = world.operations
    operations.register(
        CREATE,
        lambda arguments, _: _create_work(world, arguments),
        lambda arguments, _: failed(world, arguments),
    )
    operations.register(UPDATE, lambda arguments, _: _update_work(world, arguments))
    operations.register(RESTART, lambda arguments, _: _restart_work(world, arguments))
    operations.register(
        DELETE,
        lambda arguments, _: _delete_work(world, arguments),
        lambda arguments, _: _keep(world, arguments),
    )


def stored_name(project: str, instance: str) -> str:
    """The store's name of an instance."""
    return f"projects/{project}/instances/{instance}"


def missing() -> ApiError:
    """The 404 for an instance."""
    return ApiError(404, "The Cloud SQL instance does not exist.", reason="instanceDoesNotExist")


def wrong_state() -> ApiError:
    """The error for what an instance cannot do as it is."""
    text = "The instance or operation is not in an appropriate state to handle the request."
    return ApiError(409, text, reason="invalidState")


def etag(settings: Mapping[str, Any]) -> str:
    """The etag of an instance with these settings."""
    return hashlib.sha256(f"settings {settings['settingsVersion']}".encode()).hexdigest()


def set_fields(world: World, arguments: Mapping[str, Any], fields: Mapping[str, Any]) -> Body:
    """Change fields of the stored instance that `arguments` name by project and name; None takes one away."""

    def change(stored: Body) -> Body:
        whole = {**stored["resource"], **fields}
        return {**stored, "resource": {key: value for key, value in whole.items() if value is not None}}

    return world.store.update(INSTANCE, stored_name(arguments["project"], arguments["name"]), change)[
        "resource"
    ]


def failed(world: World, arguments: Mapping[str, Any]) -> None:
    """An instance that could not be made stays, as FAILED, until somebody deletes it."""
    if world.store.get(INSTANCE, stored_name(arguments["project"], arguments["name"])) is not None:
        set_fields(world, arguments, {"state": "FAILED"})


def _keep(world: World, arguments: Mapping[str, Any]) -> None:
    set_fields(world, arguments, {"state": arguments["state"]})


def _create_work(world: World, arguments: Mapping[str, Any]) -> None:
    project, name = arguments["project"], arguments["name"]
    stored = world.store.get(INSTANCE, stored_name(project, name))
    if stored is None:
        return
    resource = stored["resource"]
    if has_database(resource):
        try:
            make_database(world, resource)
        except SandboxError as error:
            failed(world, arguments)
            raise ApiError(500, f"{error} {error.way_out}".strip(), reason="INTERNAL_ERROR") from error
    try:
        fields = made(world, resource)
    except ApiError:
        failed(world, arguments)
        raise
    with world.store.transaction():
        set_fields(world, arguments, {"state": "RUNNABLE", **fields})
        records.first_users(world, resource)
        replicas.announce(world, resource)


def make_database(world: World, resource: Mapping[str, Any]) -> Cluster:
    """The PostgreSQL of a new instance, with its root password set; stopped where it should not run."""
    project, name = resource["project"], resource["name"]
    databases = engine_of(world).databases
    where = databases.cluster(project, resource["region"], name)
    wanted = versions.postgres_major(resource["databaseVersion"])
    with databases.lock(project, name):
        found = postgres.create(where, rules.postgres_settings(resource["settings"]), wanted)
        if password := engine_of(world).forget_password(stored_name(project, name)):
            postgres.run_sql(where, f"ALTER ROLE postgres PASSWORD {postgres.literal(password)}")
        if resource["settings"]["activationPolicy"] != "ALWAYS":
            postgres.stop(where)
    if found.major != wanted:
        version = resource["databaseVersion"]
        note = f"note: the instance is {version}; PostgreSQL {found.version} of this machine serves it\n"
        with where.log.open("a") as log:
            log.write(note)
    return where


def made(world: World, resource: Mapping[str, Any]) -> dict[str, Any]:
    """What an instance shows once it is up. Raises ApiError where its network has no address for it."""
    fields: dict[str, Any] = {
        "ipAddresses": networks.addresses(world, resource) or None,
        "satisfiesPzi": True,
        "serverCaCert": resource.get("serverCaCert") or _certificate(world, resource),
        "upgradableDatabaseVersions": versions.upgradable(
            resource["databaseVersion"], resource["databaseInstalledVersion"], world.now()[:10]
        )
        or None,
        "failoverReplica": None,
        "secondaryGceZone": None,
    }
    if resource["settings"]["availabilityType"] == "REGIONAL":
        preference: Mapping[str, Any] = resource["settings"]["locationPreference"]
        fields["secondaryGceZone"] = preference.get("secondaryZone", f"{resource['region']}-b")
        fields["failoverReplica"] = {"available": True}
    if key := resource.get("diskEncryptionConfiguration", {}).get("kmsKeyName"):
        kind = "sql#diskEncryptionStatus"
        fields["diskEncryptionStatus"] = {"kind": kind, "kmsKeyVersionName": f"{key}/cryptoKeyVersions/1"}
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
    stored = world.store.get(INSTANCE, stored_name(arguments["project"], arguments["name"]))
    if stored is None:
        raise missing()
    before = stored["resource"]
    after = {**before, **arguments["fields"], "settings": arguments["settings"]}
    failed_before = before["state"] == "FAILED"
    shown = {} if failed_before else made(world, after)
    if has_database(before) and not failed_before:
        _reconfigure(world, before, after)
    networks.release(world, before, after["settings"]["ipConfiguration"])
    version = str(int(before["settings"]["settingsVersion"]) + 1)
    settings: dict[str, Any] = {**arguments["settings"], "settingsVersion": version}
    fields: dict[str, Any] = {**arguments["fields"], "settings": settings, "etag": etag(settings)}
    fields["gceZone"] = settings["locationPreference"].get("zone", before["gceZone"])
    set_fields(world, arguments, fields | shown)


def _reconfigure(world: World, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Give PostgreSQL its new settings; with a restart where Cloud SQL needs one."""
    databases = engine_of(world).databases
    where = databases.cluster(before["project"], before["region"], before["name"])
    old, new = rules.postgres_settings(before["settings"]), rules.postgres_settings(after["settings"])
    with databases.lock(before["project"], before["name"]):
        try:
            postgres.configure(where, new)
            if not should_run(after):
                postgres.stop(where)
            elif _restarts(world, before, after):
                postgres.restart(where)
            elif not postgres.running(where):
                postgres.start(where)
            elif old != new:
                postgres.run_sql(where, "SELECT pg_reload_conf()")
        except SandboxError as error:
            postgres.configure(where, old)
            if should_run(before):
                postgres.start(where)
            raise ApiError(500, f"{error}", reason="INTERNAL_ERROR") from error


def _restarts(world: World, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    if before["databaseVersion"] != after["databaseVersion"]:
        return True
    if any(before["settings"][field] != after["settings"][field] for field in _AT_RESTART):
        return True
    old, new = rules.postgres_settings(before["settings"]), rules.postgres_settings(after["settings"])
    changed = {name for name in (*old, *new) if old.get(name) != new.get(name)}
    known = flags.offered(engine_of(world).databases.flags())
    return any(name not in known or known[name].restarts for name in changed)


def _restart_work(world: World, arguments: Mapping[str, Any]) -> None:
    project, name = arguments["project"], arguments["name"]
    databases = engine_of(world).databases
    where = databases.running(project, name)
    if where is not None:
        with databases.lock(project, name):
            postgres.restart(where)


def _delete_work(world: World, arguments: Mapping[str, Any]) -> None:
    project, name = arguments["project"], arguments["name"]
    stored = world.store.get(INSTANCE, stored_name(project, name))
    if stored is None:
        return
    resource, own = stored["resource"], stored_name(project, name)
    if has_database(resource):
        databases = engine_of(world).databases
        with databases.lock(project, name):
            where = databases.cluster(project, resource["region"], name)
            final.save(world, arguments, where)
            postgres.destroy(where)
            copies.forget(where)
    networks.release(world, resource)
    with world.store.transaction():
        for kind in (INSTANCE, *records.KINDS, "sqladmin.backupRun"):
            for found, _ in world.store.list(kind, own):
                if found == own or found.startswith(f"{own}/"):
                    world.store.delete(kind, found)
        replicas.withdraw(world, resource)
        final.keep(world, arguments, resource)
        world.store.put(DELETED, own, {"time": world.now()})
