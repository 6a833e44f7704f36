"""Cloud SQL instances: made, changed one operation at a time, restarted, deleted."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError, SandboxError
from reconciler.sandbox.paging import page
from reconciler.sandbox.runtime.databases import INSTANCE, should_run
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.services import sqladmin_operations as operations
from reconciler.sandbox.services import sqladmin_settings as rules
from reconciler.sandbox.services.sqladmin_regions import REGIONS
from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.services.sqladmin_work import (
    CREATE,
    DELETE,
    MAINTENANCE,
    RESTART,
    UPDATE,
    etag,
    missing,
    not_running,
    set_fields,
    stored_name,
)
from reconciler.sandbox.store import Body, Exists
from reconciler.sandbox.world import Request, World

_NAME: Final = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_IMMUTABLE: Final = ("name", "region", "project", "instanceType", "connectionName", "backendType")


def find(world: World, request: Request) -> Body:
    """The stored record of the instance that the request names. Raises ApiError 404."""
    stored = world.store.get(INSTANCE, stored_name(request.project, str(request.params["instance"])))
    if stored is None:
        raise missing()
    return stored


def insert(world: World, request: Request) -> dict[str, Any]:
    """instances.insert."""
    body = request.body
    name = str(body.get("name", ""))
    _check_name(request.project, name)
    version = str(body.get("databaseVersion", ""))
    rules.version_number(version)
    region = str(body.get("region", "us-central1"))
    if region not in REGIONS:
        raise invalid(f"Invalid region ({region}).")
    if not body.get("settings", {}).get("tier"):
        raise ApiError(400, "Missing parameter: tier.", reason="required")
    if body.get("masterInstanceName"):
        raise ApiError(400, "The sandbox does not emulate replicas.", reason="sandboxNotEmulated")
    rules.check_sent(body["settings"])
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
    sent = request.body.get("settings", {})
    rules.check_sent(sent, current["settings"]["ipConfiguration"]["sslMode"])
    settings = rules.merged(current["settings"], sent)
    return _change(world, request, current, settings)


def update(world: World, request: Request) -> dict[str, Any]:
    """instances.update: settings that are not sent go back to their defaults."""
    current = find(world, request)["resource"]
    sent = dict(request.body.get("settings", {}))
    if "settingsVersion" not in sent:
        raise ApiError(400, "Missing parameter: settings.settingsVersion.", reason="required")
    rules.check_sent(sent)
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
        set_fields(world, arguments, {"state": "PENDING_DELETE"})
    return started


def restart(world: World, request: Request) -> dict[str, Any]:
    """instances.restart."""
    resource = find(world, request)["resource"]
    if not should_run(resource):
        raise not_running()
    arguments = {"project": request.project, "name": resource["name"]}
    return operations.start(world, request, RESTART, "RESTART", resource["name"], arguments)


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
        "maintenanceVersion": f"{version}.{MAINTENANCE}",
        "name": name,
        "project": request.project,
        "region": region,
        "satisfiesPzi": False,
        "serviceAccountEmailAddress": f"{agent}-{digest[:6]}@gcp-sa-cloud-sql.iam.gserviceaccount.com",
        "settings": settings,
        "sqlNetworkArchitecture": "NEW_NETWORK_ARCHITECTURE",
        "state": "PENDING_CREATE",
    }
    resource["etag"] = etag(settings)
    return resource


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
