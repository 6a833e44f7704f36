"""Cloud Run services: written as fields, rolled out by an operation that really starts them."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError, bad_request
from reconciler.sandbox.iam.policy_bindings import requested_version
from reconciler.sandbox.paging import listed
from reconciler.sandbox.runtime.engine import REVISION, SERVICE
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.services import run_revisions as revisions
from reconciler.sandbox.services.run_rollout import DELETE, DEPLOY
from reconciler.sandbox.services.run_rules import NAME, check_service
from reconciler.sandbox.services.run_templates import completed_service
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

WRITABLE: Final = (
    "description", "labels", "annotations", "client", "clientVersion", "ingress", "launchStage", "binaryAuthorization",
    "template", "traffic", "scaling", "invokerIamDisabled", "defaultUriDisabled", "customAudiences", "iapEnabled",
    "buildConfig", "multiRegionSettings", "functionalType", "sshEnabled",
)  # fmt: skip


def find(world: World, name: str) -> Body:
    """The v2 body of a service. Raises ApiError 404."""
    stored = world.store.get(SERVICE, name)
    if stored is None:
        raise common.missing("SERVICE", name)
    return stored["resource"]


def get(world: World, request: Request) -> Body:
    """services.get."""
    return common.read(find(world, common.full_name(request)))


def listing(world: World, request: Request) -> Body:
    """services.list, of one region or of all."""
    parent = common.parent_of(request)
    prefix = f"{parent}/services/" if not parent.endswith("/-") else parent.removesuffix("-")
    items = [(name, common.read(stored["resource"])) for name, stored in world.store.list(SERVICE, prefix)]
    return listed("services", items, request.params, default=100, most=1000)


def create(world: World, request: Request) -> Body:
    """services.create."""
    service = str(request.params.get("serviceId", ""))
    if not NAME.fullmatch(service):
        text = (
            f"Violation in CreateServiceRequest.service_id: {service!r} must use only lowercase alphanumeric "
            "characters and dashes, cannot begin or end with a dash, and cannot be longer than 49 characters."
        )
        raise bad_request([("service_id", text)])
    return create_named(world, request, f"{common.parent_of(request)}/services/{service}")


def create_named(world: World, request: Request, name: str) -> Body:
    """Create the service `name`."""
    if world.store.get(SERVICE, name) is not None:
        raise common.exists(name)
    fields = {field: request.body[field] for field in WRITABLE if field in request.body}
    fields = _checked(world, request, fields)
    resource = {**_new(world, request, name), **fields}
    return _roll_out(world, request, resource, {}, roll=True)


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
    fields = _checked(world, request, fields)
    before = {field: current[field] for field in WRITABLE if field in current}
    if fields == before and not force:
        if current.get("terminalCondition", {}).get("state") == "CONDITION_SUCCEEDED":
            return common.done(world, request, current, "Service")
        arguments = {"name": name, "revision": "", "before": current["terminalCondition"]}
        return common.operation(world, request, DEPLOY, arguments, current, "Service")
    kept = {key: value for key, value in current.items() if key not in WRITABLE}
    resource: Body = {
        **kept,
        **fields,
        "generation": str(int(current["generation"]) + 1),
        "updateTime": world.now(),
        "lastModifier": request.caller.partition(":")[2],
        "etag": common.new_etag(world, name),
    }
    template = fields["template"]
    named = bool(template.get("revision")) and template["revision"] != current["template"].get("revision")
    roll = force or named or _started(template) != _started(current["template"])
    return _roll_out(world, request, resource, current["terminalCondition"], roll=roll)


def _checked(world: World, request: Request, fields: Mapping[str, Any]) -> Body:
    completed = completed_service(fields, common.default_account(world, request.project))
    check_service(world, request, completed)
    return completed


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
    before = current["terminalCondition"]
    resource: Body = {
        **current,
        "generation": str(int(current["generation"]) + 1),
        **common.deletion(world),
        "etag": common.new_etag(world, name),
        "reconciling": True,
        "terminalCondition": common.waiting(before),
    }
    if request.params.get("validateOnly"):
        return common.done(world, request, resource, "Service")
    world.store.update(SERVICE, name, lambda stored: {**stored, "resource": resource})
    arguments = {"name": name, "last": resource, "before": before}
    return common.operation(world, request, DELETE, arguments, resource, "Service")


def policy(world: World, request: Request) -> Body:
    """services.getIamPolicy; an empty policy is its etag alone."""
    find(world, common.full_name(request))
    return world.policies.get(common.full_name(request), requested_version(request.params, request.body))


def set_policy(world: World, request: Request) -> Body:
    """services.setIamPolicy."""
    find(world, common.full_name(request))
    return common.set_policy(world, request)


def test_permissions(world: World, request: Request) -> Body:
    """services.testIamPermissions."""
    places = [common.full_name(request), f"projects/{request.project}"]
    return world.policies.held(request.caller, request.body.get("permissions", ()), places)


def _new(world: World, request: Request, name: str) -> Body:
    now, who = world.now(), request.caller.partition(":")[2]
    return {
        "name": name,
        "uid": str(uuid.uuid4()),
        "generation": "1",
        "createTime": now,
        "updateTime": now,
        "creator": who,
        "lastModifier": who,
        "etag": common.new_etag(world, name),
    }


def _addresses(world: World, service: Mapping[str, Any]) -> Body:
    """The service's addresses: the deterministic one first, then the older one; none where they are switched off."""
    if service.get("defaultUriDisabled"):
        return {}
    _, project, _, region, _, short = service["name"].split("/")
    known = world.projects.get(project)
    number = known.number if known else ""
    hashed = common.hash_url(project, region, short)
    own = f"https://{short}-{number}.{region}.run.app"
    # A host's first label has 63 characters at most; longer names have the short address only.
    return {"uri": hashed, "urls": [own, hashed] if len(f"{short}-{number}") <= 63 else [hashed]}


def _roll_out(
    world: World, request: Request, resource: Body, before: Mapping[str, Any], *, roll: bool
) -> Body:
    """Keep the service as being changed, and start the operation that does it; `before` is its terminal condition."""
    name = resource["name"]
    kept = {key: value for key, value in resource.items() if key not in ("uri", "urls")}
    resource = {**kept, **_addresses(world, resource)}
    if request.params.get("validateOnly"):
        return common.done(world, request, resource, "Service")
    resource |= {"reconciling": True, "terminalCondition": common.waiting(before)}
    short = _revision_name(world, resource) if roll else ""
    with world.store.transaction():
        stored = world.store.get(SERVICE, name) or {}
        if roll:
            resource["latestCreatedRevision"] = f"{name}/revisions/{short}"
            revisions.keep(world, resource, short)
        world.store.put(SERVICE, name, {**stored, "resource": resource})
        arguments = {"name": name, "revision": short, "before": dict(before)}
        return common.operation(world, request, DEPLOY, arguments, resource, "Service")


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
