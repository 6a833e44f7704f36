"""Cloud SQL instances: made, changed one operation at a time, restarted, deleted."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import page
from reconciler.sandbox.runtime.databases import INSTANCE, has_database, should_run
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.services import sqladmin_final as final
from reconciler.sandbox.services import sqladmin_networks as networks
from reconciler.sandbox.services import sqladmin_new as new
from reconciler.sandbox.services import sqladmin_operations as operations
from reconciler.sandbox.services import sqladmin_replicas as replicas
from reconciler.sandbox.services import sqladmin_settings as rules
from reconciler.sandbox.services import sqladmin_tiers as tiers
from reconciler.sandbox.services import sqladmin_versions as versions
from reconciler.sandbox.services.sqladmin_defaults import About, completed, merged, without_nulls
from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.services.sqladmin_work import (
    CREATE,
    DELETE,
    DELETED,
    RESTART,
    UPDATE,
    missing,
    set_fields,
    stored_name,
    wrong_state,
)
from reconciler.sandbox.store import Body, Exists
from reconciler.sandbox.web.fields import check_change
from reconciler.sandbox.world import Request, World

_TAKEN: Final = (
    "The Cloud SQL instance already exists. When you delete an instance, you can't reuse the name of the deleted "
    "instance until one week from the deletion date."
)


def find(world: World, request: Request) -> Body:
    """The stored record of the instance that the request names. Raises ApiError 404."""
    return stored(world, request.project, str(request.params["instance"]))


def stored(world: World, project: str, name: str) -> Body:
    """The stored record of an instance. Raises ApiError 404."""
    found = world.store.get(INSTANCE, stored_name(project, name))
    if found is None:
        raise missing()
    return found


def insert(world: World, request: Request) -> dict[str, Any]:
    """instances.insert."""
    resource = new.resource(world, request)
    check_settings(world, resource)
    kind = "CREATE_REPLICA" if resource["instanceType"] == replicas.TYPE else "CREATE"
    if has_database(resource) and (password := request.body.get("rootPassword")):
        engine_of(world).remember_password(stored_name(request.project, resource["name"]), password)
    return begin(world, request, resource, CREATE, kind, {})


def begin(
    world: World, request: Request, resource: Body, work: str, kind: str, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Keep a new instance, and start the operation that makes it. Raises ApiError 409 for a name that is taken."""
    name = resource["name"]
    _check_name_free(world, request.project, name)
    with world.store.transaction():
        try:
            world.store.create(INSTANCE, stored_name(request.project, name), {"resource": resource})
        except Exists as error:
            raise ApiError(409, _TAKEN, reason="instanceAlreadyExists") from error
        whole = {"project": request.project, "name": name, **arguments}
        return operations.start(world, request, work, kind, name, whole)


def _check_name_free(world: World, project: str, name: str) -> None:
    # Google's page "Delete instances" says that a name can be used again at once; people still meet this refusal.
    gone = world.store.get(DELETED, stored_name(project, name))
    stays = world.conditions.propagation("names")
    if gone is not None and stays:
        since = world.clock() - datetime.fromisoformat(gone["time"])
        if since.total_seconds() < stays:
            raise ApiError(409, _TAKEN, reason="instanceAlreadyExists")


def get(world: World, request: Request) -> dict[str, Any]:
    """instances.get."""
    return shown(find(world, request)["resource"], request)


def listing(world: World, request: Request) -> dict[str, Any]:
    """instances.list, with filters of the form field:value or field=value, joined by AND."""
    wanted = str(request.params.get("filter", ""))
    items = [
        (name, shown(found["resource"], request))
        for name, found in world.store.list(INSTANCE, f"projects/{request.project}/instances/")
        if _matches(found["resource"], wanted)
    ]
    values, token = page(items, request.params, default=500, most=1000, size="maxResults")
    answer: dict[str, Any] = {"kind": "sql#instancesList", **({"items": values} if values else {})}
    return {**answer, **({"nextPageToken": token} if token else {})}


def patch(world: World, request: Request) -> dict[str, Any]:
    """instances.patch: what is sent is merged into what is there; null clears a field."""
    current = find(world, request)["resource"]
    whole = cast("dict[str, Any]", request.body.get("settings") or {})
    request = replace(request, body=without_nulls(request.body))
    sent = request.body.get("settings", {})
    mode = current["settings"]["ipConfiguration"]["sslMode"]
    rules.check_sent(sent, versions.engine(current["databaseVersion"]), mode)
    return _change(world, request, current, merged(current["settings"], whole))


def update(world: World, request: Request) -> dict[str, Any]:
    """instances.update: settings that are not sent go back to their defaults."""
    current = find(world, request)["resource"]
    sent = dict(request.body.get("settings", {}))
    if "settingsVersion" not in sent:
        raise ApiError(400, "Missing parameter: settings.settingsVersion.", reason="required")
    rules.check_sent(sent, versions.engine(current["databaseVersion"]))
    # What has no default, or none that could be gone back to.
    for field in ("tier", "edition", "dataDiskSizeGb", "dataDiskType"):
        sent.setdefault(field, current["settings"][field])
    if private := current["settings"]["ipConfiguration"].get("privateNetwork"):
        sent["ipConfiguration"] = {"privateNetwork": private, **sent.get("ipConfiguration", {})}
    return _change(world, request, current, sent)


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
    replicas.check_no_replicas(resource)
    arguments = {"project": request.project, "name": resource["name"], "state": resource["state"]}
    arguments |= final.asked(world, request, resource)
    with world.store.transaction():
        started = operations.start(world, request, DELETE, "DELETE", resource["name"], arguments)
        set_fields(world, arguments, {"state": "PENDING_DELETE"})
    return started


def restart(world: World, request: Request) -> dict[str, Any]:
    """instances.restart."""
    resource = find(world, request)["resource"]
    if not should_run(resource):
        raise wrong_state()
    arguments = {"project": request.project, "name": resource["name"]}
    return operations.start(world, request, RESTART, "RESTART", resource["name"], arguments)


def shown(resource: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """An instance with the link of the version that is asked."""
    link = operations.instance_link(request.version, resource["project"], resource["name"])
    return {**resource, "selfLink": link}


def check_settings(world: World, resource: Body, before: Body | None = None) -> None:
    """Raise ApiError where the settings break a rule, or a policy that *before* did not break yet."""
    settings, project = resource["settings"], resource["project"]
    network: Mapping[str, Any] = settings["ipConfiguration"]
    had: Mapping[str, Any] = before["settings"]["ipConfiguration"] if before else {}
    if resource["instanceType"] == replicas.TYPE:
        rules.check_network(network)
    else:
        rules.check(settings, about(world, resource), engine_of(world).databases.flags())
        tiers.check_region(settings["tier"], resource["region"])
    networks.check_policies(world, project, network, had)
    if network.get("privateNetwork") != had.get("privateNetwork"):
        networks.check_peering(world, project, resource["name"], network)


def about(world: World, resource: Mapping[str, Any]) -> About:
    """What the defaults of an instance depend on, today."""
    zone = resource["gceZone"]
    return About(resource["name"], resource["databaseVersion"], zone, world.now()[:10])


def _change(world: World, request: Request, current: Body, settings: dict[str, Any]) -> dict[str, Any]:
    if current["state"] == "FAILED" and not _lifts_protection(request.body):
        raise wrong_state()
    check_change("sqladmin.DatabaseInstance", current, request.body)
    wanted = str(request.body.get("settings", {}).get("settingsVersion", ""))
    now = current["settings"]["settingsVersion"]
    if wanted not in ("", now):
        raise ApiError(412, "Condition does not match.", reason="staleData")
    fields = new.upgraded(world, request.body, current)
    after = {**current, **fields}
    after["settings"] = completed(settings, about(world, after)) | {"settingsVersion": now}
    _check_change(current, after)
    check_settings(world, after, current)
    arguments = {"project": request.project, "name": current["name"]}
    whole = {**arguments, "settings": after["settings"], "fields": fields}
    return operations.start(world, request, UPDATE, "UPDATE", current["name"], whole)


def _lifts_protection(body: Mapping[str, Any]) -> bool:
    """Whether deletion protection is all that is sent: what never came up must be possible to delete."""
    told = {*body, *body.get("settings", {})} - {"name", "project", "settings", "settingsVersion"}
    return told == {"deletionProtectionEnabled"}


def _check_change(current: Body, after: Body) -> None:
    old, settings = current["settings"], after["settings"]
    if int(settings["dataDiskSizeGb"]) < int(old["dataDiskSizeGb"]):
        raise invalid("The disk size cannot be decreased.")
    check_change("sqladmin.Settings", old, settings)
    was_private = old["ipConfiguration"].get("privateNetwork")
    if was_private and not settings["ipConfiguration"].get("privateNetwork"):
        raise invalid("The private network of an instance cannot be removed.")
    maintained = after["maintenanceVersion"] != current["maintenanceVersion"]
    if maintained and after["databaseVersion"] == current["databaseVersion"] and settings != old:
        text = "Upgrading maintenance version and changing other fields at the same time is not allowed."
        raise invalid(text)


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
