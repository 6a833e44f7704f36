"""Cloud Run services and their revisions: written as fields, rolled out by an operation that really starts them."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import listed
from reconciler.sandbox.runtime.engine import REVISION, SERVICE, engine_of
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.services.run_rollout import DELETE, DEPLOY
from reconciler.sandbox.services.run_rules import NAME, check_service
from reconciler.sandbox.services.run_templates import completed_service
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

WRITABLE: Final = (
    "description", "labels", "annotations", "client", "clientVersion", "ingress", "launchStage", "binaryAuthorization",
    "template", "traffic", "scaling", "invokerIamDisabled", "defaultUriDisabled", "customAudiences", "iapEnabled",
    "buildConfig", "multiRegionSettings",
)  # fmt: skip


def find(world: World, name: str) -> Body:
    """The v2 body of a service. Raises ApiError 404."""
    stored = world.store.get(SERVICE, name)
    if stored is None:
        raise common.missing("SERVICE", name)
    return stored["resource"]


def get(world: World, request: Request) -> Body:
    """services.get."""
    return find(world, common.full_name(request))


def listing(world: World, request: Request) -> Body:
    """services.list, of one region or of all."""
    parent = common.parent_of(request)
    prefix = f"{parent}/services/" if not parent.endswith("/-") else parent.removesuffix("-")
    items = [(name, stored["resource"]) for name, stored in world.store.list(SERVICE, prefix)]
    return listed("services", items, request.params, default=100, most=1000)


def create(world: World, request: Request) -> Body:
    """services.create."""
    service = str(request.params.get("serviceId", ""))
    if not NAME.fullmatch(service):
        raise ApiError(
            400,
            f"Violation in CreateServiceRequest.service_id: {service!r} must use only lowercase alphanumeric "
            "characters and dashes, cannot begin or end with a dash, and cannot be longer than 49 characters.",
        )
    return create_named(world, request, f"{common.parent_of(request)}/services/{service}")


def create_named(world: World, request: Request, name: str) -> Body:
    """Create the service `name`."""
    if world.store.get(SERVICE, name) is not None:
        raise ApiError(409, f"Resource '{name.rsplit('/', 1)[-1]}' already exists.")
    fields = {field: request.body[field] for field in WRITABLE if field in request.body}
    fields = completed_service(fields, common.default_account(world, request.project))
    check_service(world, request, fields)
    _check_traffic(world, name, fields)
    resource = {**_new(world, request, name), **fields}
    return _roll_out(world, request, resource, roll=True)


def patch(world: World, request: Request) -> Body:
    """services.patch."""
    name = common.full_name(request)
    stored = world.store.get(SERVICE, name)
    if stored is None:
        if request.params.get("allowMissing"):
            return create_named(world, request, name)
        raise common.missing("SERVICE", name)
    current = stored["resource"]
    common.check_etag(request.body.get("etag"), current, name)
    mask = str(request.params.get("updateMask", ""))
    fields = common.masked(current, request.body, mask, WRITABLE)
    return change(world, request, current, fields, force=bool(request.params.get("forceNewRevision")))


def change(
    world: World, request: Request, current: Body, fields: Mapping[str, Any], *, force: bool = False
) -> Body:
    """Bring a service to these fields; what is not among them goes back to its default."""
    name = current["name"]
    fields = completed_service(fields, common.default_account(world, request.project))
    check_service(world, request, fields)
    _check_traffic(world, name, fields)
    before = {field: current[field] for field in WRITABLE if field in current}
    if fields == before and not force:
        if current.get("terminalCondition", {}).get("state") == "CONDITION_SUCCEEDED":
            return common.done(world, request, current, "Service")
        return common.operation(world, request, DEPLOY, {"name": name, "revision": ""}, current, "Service")
    kept = {key: value for key, value in current.items() if key not in WRITABLE}
    resource: Body = {
        **kept,
        **fields,
        "generation": str(int(current["generation"]) + 1),
        "updateTime": world.now(),
        "lastModifier": request.caller.partition(":")[2],
        "etag": common.new_etag(),
    }
    new_template = _started(fields["template"]) != _started(current["template"])
    return _roll_out(world, request, resource, roll=new_template or force)


def _started(template: Mapping[str, Any]) -> dict[str, Any]:
    """What of a template makes a revision; the names of clients do not."""
    return {
        key: value for key, value in template.items() if key not in ("client", "clientVersion", "revision")
    }


def delete(world: World, request: Request) -> Body:
    """services.delete."""
    name = common.full_name(request)
    current = find(world, name)
    common.check_etag(request.params.get("etag"), current, name)
    resource: Body = {
        **current,
        "generation": str(int(current["generation"]) + 1),
        "deleteTime": world.now(),
        "expireTime": world.now(),
        "etag": common.new_etag(),
        "reconciling": True,
        "terminalCondition": common.condition(world, "Ready", "PENDING"),
    }
    if request.params.get("validateOnly"):
        return common.done(world, request, resource, "Service")
    return common.operation(world, request, DELETE, {"name": name, "last": resource}, resource, "Service")


def get_revision(world: World, request: Request) -> Body:
    """revisions.get."""
    name = common.full_name(request)
    stored = world.store.get(REVISION, name)
    if stored is None:
        raise common.missing("REVISION", name)
    return stored["resource"]


def list_revisions(world: World, request: Request) -> Body:
    """revisions.list, newest first; of all services where "-" is asked."""
    parts = str(request.params["parent"]).split("/")
    prefix = f"projects/{request.project}/locations/{parts[3]}/services/"
    found = [
        stored["resource"]
        for name, stored in world.store.list(REVISION, prefix)
        if parts[5] in ("-", name.split("/")[5])
    ]
    found.sort(key=lambda one: one["createTime"], reverse=True)
    items = [(f"{place:06}", one) for place, one in enumerate(found)]
    return listed("revisions", items, request.params, default=100, most=1000)


def delete_revision(world: World, request: Request) -> Body:
    """revisions.delete; not what traffic goes to, and not the latest."""
    name = common.full_name(request)
    resource = get_revision(world, request)
    service = world.store.get(SERVICE, name.partition("/revisions/")[0])
    if service is not None and name in serving(service["resource"]):
        short = name.rsplit("/", 1)[-1]
        text = f"Revision '{short}' is active and cannot be deleted: it serves traffic, or is the latest revision."
        raise ApiError(400, text, rpc_status="FAILED_PRECONDITION")
    if not request.params.get("validateOnly"):
        engine_of(world).stop_revision(name)
        world.store.delete(REVISION, name)
    return common.done(world, request, {**resource, "deleteTime": world.now()}, "Revision")


def serving(service: Mapping[str, Any]) -> set[str]:
    """The full names of the revisions that a service needs."""
    named = {
        f"{service['name']}/revisions/{target['revision']}"
        for target in (*service.get("traffic", ()), *service.get("trafficStatuses", ()))
        if target.get("revision")
    }
    return named | {service.get("latestReadyRevision", ""), service.get("latestCreatedRevision", "")}


def policy(world: World, request: Request) -> Body:
    """services.getIamPolicy; an empty policy is its etag alone."""
    find(world, common.full_name(request))
    return world.policies.get(common.full_name(request))


def set_policy(world: World, request: Request) -> Body:
    """services.setIamPolicy."""
    find(world, common.full_name(request))
    return world.policies.set(common.full_name(request), request.body.get("policy", {}))


def test_permissions(world: World, request: Request) -> Body:
    """services.testIamPermissions."""
    places = [common.full_name(request), f"projects/{request.project}"]
    return world.policies.held(request.caller, request.body.get("permissions", ()), places)


def _new(world: World, request: Request, name: str) -> Body:
    _, project, _, region, _, service = name.split("/")
    known = world.projects.get(project)
    number = known.number if known else ""
    now, who = world.now(), request.caller.partition(":")[2]
    hashed = common.hash_url(project, region, service)
    own = f"https://{service}-{number}.{region}.run.app"
    return {
        "name": name,
        "uid": str(uuid.uuid4()),
        "generation": "1",
        "createTime": now,
        "updateTime": now,
        "creator": who,
        "lastModifier": who,
        "uri": hashed,
        # A host's first label has 63 characters at most; longer names have the short address only.
        "urls": [own, hashed] if len(f"{service}-{number}") <= 63 else [hashed],
        "etag": common.new_etag(),
    }


def _check_traffic(world: World, name: str, fields: Mapping[str, Any]) -> None:
    for target in fields["traffic"]:
        revision = target.get("revision")
        fresh = revision == fields["template"].get("revision")
        if revision and not fresh and world.store.get(REVISION, f"{name}/revisions/{revision}") is None:
            raise ApiError(404, f"Revision '{revision}' of traffic target not found.")


def _roll_out(world: World, request: Request, resource: Body, *, roll: bool) -> Body:
    """Keep the service as being changed, and start the operation that does it."""
    name = resource["name"]
    if request.params.get("validateOnly"):
        return common.done(world, request, resource, "Service")
    resource |= {"reconciling": True, "terminalCondition": common.condition(world, "Ready", "RECONCILING")}
    short = _revision_name(world, resource) if roll else ""
    with world.store.transaction():
        stored = world.store.get(SERVICE, name) or {}
        if roll:
            resource["latestCreatedRevision"] = f"{name}/revisions/{short}"
            _keep_revision(world, resource, short)
        resource["template"].pop("revision", None)
        world.store.put(SERVICE, name, {**stored, "resource": resource})
        return common.operation(
            world, request, DEPLOY, {"name": name, "revision": short}, resource, "Service"
        )


def _revision_name(world: World, resource: Body) -> str:
    service = resource["name"].rsplit("/", 1)[-1]
    wanted = resource["template"].get("revision", "")
    if not wanted:
        return f"{service}-{int(resource['generation']):05}-{common.random_suffix(3)}"
    if not wanted.startswith(f"{service}-"):
        raise ApiError(400, f"Revision name '{wanted}' must be prefixed by the service name '{service}-'.")
    if world.store.get(REVISION, f"{resource['name']}/revisions/{wanted}") is not None:
        raise ApiError(409, f"Revision named '{wanted}' with different configuration already exists.")
    return wanted


def _keep_revision(world: World, service: Body, short: str) -> None:
    template = dict(service["template"])
    template.pop("revision", None)
    parts = service["name"].split("/")
    now = world.now()
    revision: Body = {
        "name": f"{service['name']}/revisions/{short}",
        "uid": str(uuid.uuid4()),
        "generation": "1",
        "createTime": now,
        "updateTime": now,
        "creator": service["lastModifier"],
        "launchStage": service["launchStage"],
        "service": parts[5],
        **template,
        "reconciling": True,
        "conditions": [common.condition(world, "Ready", "RECONCILING")],
        "logUri": common.log_uri(parts[1], "cloud_run_revision", short),
        "etag": common.new_etag(),
    }
    world.store.put(REVISION, revision["name"], {"resource": revision})
