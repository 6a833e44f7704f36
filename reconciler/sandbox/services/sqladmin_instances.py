"""Cloud SQL instances: made, changed one operation at a time, restarted, deleted."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError, SandboxError
from reconciler.sandbox.paging import page
from reconciler.sandbox.runtime import postgres
from reconciler.sandbox.runtime.databases import INSTANCE, should_run
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.services import sqladmin_operations as operations
from reconciler.sandbox.services import sqladmin_settings as rules
from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.store import Body, Exists
from reconciler.sandbox.world import Request, World

CREATE: Final = "sqladmin.create"
UPDATE: Final = "sqladmin.update"
DELETE: Final = "sqladmin.delete"
RESTART: Final = "sqladmin.restart"
_NAME: Final = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_REGION: Final = re.compile(r"[a-z]+-[a-z]+\d+")
_IMMUTABLE: Final = ("name", "region", "project", "instanceType", "connectionName", "backendType")
_MAINTENANCE: Final = "R20260108.01_01"


def register(world: World) -> None:
    """Say what the operations on instances do."""
    world.operations.register(CREATE, lambda arguments, _: _create_work(world, arguments))
    world.operations.register(UPDATE, lambda arguments, _: _update_work(world, arguments))
    world.operations.register(DELETE, lambda arguments, _: _delete_work(world, arguments))
    world.operations.register(RESTART, lambda arguments, _: _restart_work(world, arguments))


def stored_name(project: str, instance: str) -> str:
    """The store's name of an instance."""
    return f"projects/{project}/instances/{instance}"


def find(world: World, request: Request) -> Body:
    """The stored record of the instance that the request names. Raises ApiError 404."""
    stored = world.store.get(INSTANCE, stored_name(request.project, str(request.params["instance"])))
    if stored is None:
        raise missing()
    return stored


def missing() -> ApiError:
    """The 404 for an instance."""
    return ApiError(404, "The Cloud SQL instance does not exist.", reason="instanceDoesNotExist")


def insert(world: World, request: Request) -> dict[str, Any]:
    """instances.insert."""
    body = request.body
    name = str(body.get("name", ""))
    _check_name(request.project, name)
    version = str(body.get("databaseVersion", ""))
    rules.version_number(version)
    region = str(body.get("region", "us-central1"))
    if not _REGION.fullmatch(region):
        raise invalid(f"Invalid region ({region}).")
    if not body.get("settings", {}).get("tier"):
        raise ApiError(400, "Missing parameter: tier.", reason="required")
    if body.get("masterInstanceName"):
        raise ApiError(400, "The sandbox does not emulate replicas.", reason="sandboxNotEmulated")
    settings = rules.completed(body["settings"], name, version, f"{region}-a")
    _check_settings(world, request.project, name, settings)
    try:
        engine_of(world).databases.cluster(request.project, region, name)
    except SandboxError as error:
        raise invalid(f"{error} {error.way_out}") from error
    resource = _new(world, request, name, region, version, settings)
    with world.store.transaction():
        try:
            world.store.create(INSTANCE, stored_name(request.project, name), {"resource": resource})
        except Exists as error:
            text = "The Cloud SQL instance already exists."
            raise ApiError(409, text, reason="instanceAlreadyExists") from error
        arguments = {"project": request.project, "name": name}
        started = operations.start(world, request, CREATE, "CREATE", name, arguments)
    if body.get("rootPassword"):
        engine_of(world).remember_root_password(request.project, name, body["rootPassword"])
    return started


def get(world: World, request: Request) -> dict[str, Any]:
    """instances.get."""
    return shown(find(world, request)["resource"], request)


def listing(world: World, request: Request) -> dict[str, Any]:
    """instances.list, with filters of the form field:value or field=value, joined by AND."""
    wanted = str(request.params.get("filter", ""))
    items = [
        (name, shown(stored["resource"], request))
        for name, stored in world.store.list(INSTANCE, f"projects/{request.project}/instances/")
        if _matches(stored["resource"], wanted)
    ]
    values, token = page(items, request.params, default=500, most=1000, size="maxResults")
    answer: dict[str, Any] = {"kind": "sql#instancesList", **({"items": values} if values else {})}
    return {**answer, **({"nextPageToken": token} if token else {})}


def patch(world: World, request: Request) -> dict[str, Any]:
    """instances.patch: what is sent is merged into what is there."""
    current = find(world, request)["resource"]
    settings = rules.merged(current["settings"], request.body.get("settings", {}))
    return _change(world, request, current, settings)


def update(world: World, request: Request) -> dict[str, Any]:
    """instances.update: settings that are not sent go back to their defaults."""
    current = find(world, request)["resource"]
    sent = dict(request.body.get("settings", {}))
    if "settingsVersion" not in sent:
        raise ApiError(400, "Missing parameter: settings.settingsVersion.", reason="required")
    sent.setdefault("tier", current["settings"]["tier"])
    sent.setdefault("edition", current["settings"]["edition"])
    zone = current["gceZone"]
    settings = rules.completed(sent, current["name"], current["databaseVersion"], zone)
    return _change(world, request, current, settings)


def delete(world: World, request: Request) -> dict[str, Any]:
    """instances.delete."""
    resource = find(world, request)["resource"]
    if resource["settings"].get("deletionProtectionEnabled"):
        raise ApiError(
            400,
            "The instance is protected. Please disable the deletion protection and try again. To disable deletion "
            "protection, update the instance settings with deletionProtectionEnabled set to false.",
            reason="invalidRequest",
        )
    arguments = {"project": request.project, "name": resource["name"]}
    with world.store.transaction():
        started = operations.start(world, request, DELETE, "DELETE", resource["name"], arguments)
        _set(world, arguments, {"state": "PENDING_DELETE"})
    return started


def restart(world: World, request: Request) -> dict[str, Any]:
    """instances.restart."""
    resource = find(world, request)["resource"]
    if not should_run(resource):
        raise not_running()
    arguments = {"project": request.project, "name": resource["name"]}
    return operations.start(world, request, RESTART, "RESTART", resource["name"], arguments)


def not_running() -> ApiError:
    """The error for what needs a running instance."""
    text = "The instance or operation is not in an appropriate state to handle the request."
    return ApiError(400, f"Invalid request: {text}", reason="invalidState")


def shown(resource: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """An instance with the link of the version that is asked."""
    link = operations.instance_link(request.version, resource["project"], resource["name"])
    return {**resource, "selfLink": link}


def _check_name(project: str, name: str) -> None:
    if not _NAME.fullmatch(name) or len(f"{project}:{name}") > 98:
        raise invalid(f"Invalid instance name ({name}).")


def _check_settings(world: World, project: str, name: str, settings: Mapping[str, Any]) -> None:
    rules.check(settings, engine_of(world).databases.flags())
    if settings["ipConfiguration"].get("privateNetwork"):
        # Nothing here makes the peering that a private address needs, so it is missing.
        raise invalid(
            f"Incorrect Service Networking config for instance: {project}:{name}:NETWORK_NOT_PEERED."
        )


def _change(world: World, request: Request, current: Body, settings: dict[str, Any]) -> dict[str, Any]:
    for field in _IMMUTABLE:
        if field in request.body and request.body[field] != current[field]:
            raise invalid(f"{field} cannot be updated.")
    sent = request.body.get("settings", {})
    if (
        str(sent.get("settingsVersion", "") or current["settings"]["settingsVersion"])
        != current["settings"]["settingsVersion"]
    ):
        raise ApiError(412, "Condition does not match.", reason="staleData")
    if int(settings["dataDiskSizeGb"]) < int(current["settings"]["dataDiskSizeGb"]):
        raise invalid("The disk size cannot be decreased.")
    if settings["dataDiskType"] != current["settings"]["dataDiskType"]:
        raise invalid("The disk type cannot be updated.")
    version = _new_version(request, current)
    settings = rules.completed(settings, current["name"], version, current["gceZone"])
    settings["settingsVersion"] = current["settings"]["settingsVersion"]
    _check_settings(world, request.project, current["name"], settings)
    arguments = {
        "project": request.project,
        "name": current["name"],
        "settings": settings,
        "version": version,
    }
    return operations.start(world, request, UPDATE, "UPDATE", current["name"], arguments)


def _new_version(request: Request, current: Body) -> str:
    version = str(request.body.get("databaseVersion", current["databaseVersion"]))
    if rules.version_number(version) < rules.version_number(current["databaseVersion"]):
        raise invalid(f"Cannot change the database version from {current['databaseVersion']} to {version}.")
    return version


def _new(
    world: World, request: Request, name: str, region: str, version: str, settings: dict[str, Any]
) -> Body:
    known = world.projects.get(request.project)
    agent = f"p{known.number if known else ''}"
    digest = hashlib.sha256(f"{request.project}:{name}".encode()).hexdigest()
    zone = settings["locationPreference"]["zone"]
    resource: Body = {
        "kind": "sql#instance",
        "backendType": "SECOND_GEN",
        "connectionName": f"{request.project}:{region}:{name}",
        "createTime": world.now(),
        "databaseInstalledVersion": version,
        "databaseVersion": version,
        "gceZone": zone,
        "geminiConfig": {
            "activeQueryEnabled": False,
            "entitled": False,
            "googleVacuumMgmtEnabled": False,
            "indexAdvisorEnabled": False,
            "oomSessionCancelEnabled": True,
        },
        "includeReplicasForMajorVersionUpgrade": False,
        "instanceType": "CLOUD_SQL_INSTANCE",
        "maintenanceVersion": f"{version}.{_MAINTENANCE}",
        "name": name,
        "project": request.project,
        "region": region,
        "satisfiesPzi": False,
        "serviceAccountEmailAddress": f"{agent}-{digest[:6]}@gcp-sa-cloud-sql.iam.gserviceaccount.com",
        "settings": settings,
        "sqlNetworkArchitecture": "NEW_NETWORK_ARCHITECTURE",
        "state": "PENDING_CREATE",
    }
    resource["etag"] = _etag(settings)
    return resource


def _etag(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"settings {settings['settingsVersion']}".encode()).hexdigest()


def _set(world: World, arguments: Mapping[str, Any], fields: Mapping[str, Any]) -> Body:
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
        _set(world, arguments, {"state": "FAILED"})
        raise ApiError(500, f"{error} {error.way_out}".strip(), reason="INTERNAL_ERROR") from error
    if found.major != wanted:
        version = resource["databaseVersion"]
        note = f"note: the instance is {version}; PostgreSQL {found.version} of this machine serves it\n"
        with where.log.open("a") as log:
            log.write(note)
    _set(world, arguments, {"state": "RUNNABLE", **_addresses(world, resource)})


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
    fields: dict[str, Any] = {"settings": settings, "databaseVersion": version, "etag": _etag(settings)}
    if version != before["databaseVersion"]:
        fields |= {"databaseInstalledVersion": version, "maintenanceVersion": f"{version}.{_MAINTENANCE}"}
    fields |= _addresses(world, after)
    _set(world, arguments, fields)


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


def _matches(resource: Mapping[str, Any], wanted: str) -> bool:
    for clause in re.split(r"\s+AND\s+", wanted.strip()) if wanted.strip() else ():
        match = re.fullmatch(r'([\w.-]+)\s*[:=]\s*"?([^"]*)"?', clause)
        if match is None:
            raise invalid(f"Invalid filter ({wanted}).")
        value: Any = resource
        for part in match.group(1).split("."):
            value = cast("dict[str, Any]", value).get(part) if isinstance(value, dict) else None
        if str(value) != match.group(2):
            return False
    return True
