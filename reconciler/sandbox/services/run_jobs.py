"""Cloud Run jobs: their definitions. What runs them is in run_executions."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError, bad_request
from reconciler.sandbox.iam.policy_bindings import requested_version
from reconciler.sandbox.operations import Progress
from reconciler.sandbox.paging import listed
from reconciler.sandbox.runtime.resolve import Unresolved, find_image, reached_network
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.services.run_executions import EXECUTION, remove_execution
from reconciler.sandbox.services.run_revisions import STATUS
from reconciler.sandbox.services.run_rules import NAME, check_job
from reconciler.sandbox.services.run_templates import completed_job
from reconciler.sandbox.store import Body, Missing
from reconciler.sandbox.world import Request, World

JOB: Final = "run.job"
SETTLE: Final = "run.settleJob"
DELETE: Final = "run.deleteJob"
WRITABLE: Final = (
    "labels", "annotations", "client", "clientVersion", "launchStage", "binaryAuthorization", "template",
    "startExecutionToken", "runExecutionToken", "functionalType",
)  # fmt: skip


def register(world: World) -> None:
    """Say what the operations on jobs do."""
    world.operations.register(SETTLE, lambda arguments, progress: _settle(world, arguments, progress))
    world.operations.register(DELETE, lambda arguments, progress: _delete(world, arguments, progress))


def find(world: World, name: str) -> Body:
    """The v2 body of a job. Raises ApiError 404."""
    resource = world.store.get(JOB, name)
    if resource is None:
        raise common.missing("JOB", name)
    return resource


def get(world: World, request: Request) -> Body:
    """jobs.get."""
    return common.read(find(world, common.full_name(request)))


def listing(world: World, request: Request) -> Body:
    """jobs.list."""
    parent = common.parent_of(request)
    prefix = f"{parent}/jobs/" if not parent.endswith("/-") else parent.removesuffix("-")
    items = [(name, common.read(job)) for name, job in world.store.list(JOB, prefix)]
    return listed("jobs", items, request.params, default=100, most=1000)


def create(world: World, request: Request) -> Body:
    """jobs.create."""
    job = str(request.params.get("jobId", ""))
    if not NAME.fullmatch(job):
        text = (
            f"Violation in CreateJobRequest.job_id: {job!r} must use only lowercase alphanumeric characters and "
            "dashes, cannot begin or end with a dash, and cannot be longer than 49 characters."
        )
        raise bad_request([("job_id", text)])
    return create_named(world, request, f"{common.parent_of(request)}/jobs/{job}")


def create_named(world: World, request: Request, name: str) -> Body:
    """Create the job `name`."""
    if world.store.get(JOB, name) is not None:
        raise common.exists(name)
    fields = _fields(world, request)
    now, who = world.now(), request.caller.partition(":")[2]
    resource: Body = {
        "name": name,
        "uid": str(uuid.uuid4()),
        "generation": "1",
        "createTime": now,
        "updateTime": now,
        "creator": who,
        "lastModifier": who,
        "latestCreatedExecution": {},
        "etag": common.new_etag(world, name),
        **fields,
    }
    return _keep(world, request, resource, {})


def patch(world: World, request: Request) -> Body:
    """jobs.patch: the API has no mask for jobs, the whole definition is replaced."""
    name = common.full_name(request)
    current = world.store.get(JOB, name)
    if current is None:
        if request.params.get("allowMissing"):
            return create_named(world, request, name)
        raise common.missing("JOB", name)
    common.check_etag(request.body.get("etag"), current, name)
    fields = _fields(world, request)
    kept = {key: value for key, value in current.items() if key not in WRITABLE}
    changed = any(fields.get(field) != current.get(field) for field in WRITABLE)
    resource: Body = {
        **kept,
        **fields,
        "generation": str(int(current["generation"]) + int(changed)),
        "updateTime": world.now(),
        "lastModifier": request.caller.partition(":")[2],
        "etag": common.new_etag(world, name),
    }
    return _keep(world, request, resource, current["terminalCondition"])


def delete(world: World, request: Request) -> Body:
    """jobs.delete, with all its executions."""
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
        return common.done(world, request, resource, "Job")
    world.store.put(JOB, name, resource)
    arguments = {"name": name, "last": resource, "before": before}
    return common.operation(world, request, DELETE, arguments, resource, "Job")


def policy(world: World, request: Request) -> Body:
    """jobs.getIamPolicy."""
    find(world, common.full_name(request))
    return world.policies.get(common.full_name(request), requested_version(request.params, request.body))


def set_policy(world: World, request: Request) -> Body:
    """jobs.setIamPolicy."""
    find(world, common.full_name(request))
    return common.set_policy(world, request)


def test_permissions(world: World, request: Request) -> Body:
    """jobs.testIamPermissions."""
    places = [common.full_name(request), f"projects/{request.project}"]
    return world.policies.held(request.caller, request.body.get("permissions", ()), places)


def _fields(world: World, request: Request) -> Body:
    sent = {field: request.body[field] for field in WRITABLE if field in request.body}
    fields = completed_job(sent, common.default_account(world, request.project))
    check_job(world, request, fields)
    return fields


def _keep(world: World, request: Request, resource: Body, before: Mapping[str, Any]) -> Body:
    """Keep the job as being changed; `before` is the terminal condition that it had."""
    if request.params.get("validateOnly"):
        return common.done(world, request, resource, "Job")
    resource |= {"reconciling": True, "terminalCondition": common.waiting(before)}
    with world.store.transaction():
        world.store.put(JOB, resource["name"], resource)
        arguments = {"name": resource["name"], "before": dict(before)}
        return common.operation(world, request, SETTLE, arguments, resource, "Job")


def _settle(world: World, arguments: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
    name = arguments["name"]
    failure = _missing(world, name)

    def change(current: Body) -> Body:
        resource = {**current, "observedGeneration": current["generation"]}
        if "deleteTime" in current:
            return current  # somebody deleted it meanwhile, and that operation speaks for it
        resource.pop("reconciling", None)
        state = "FAILED" if failure else "SUCCEEDED"
        resource["terminalCondition"] = common.settled(
            world, "Ready", state, str(failure or ""), arguments.get("before", {})
        )
        return resource

    try:
        resource = world.store.update(JOB, name, change)
    except Missing as error:
        raise common.missing("JOB", name) from error
    progress(common.typed(resource, "Job", final=False))
    if failure:
        raise ApiError(STATUS[failure.status], str(failure), rpc_status=failure.status)
    return common.typed(resource, "Job")


def _missing(world: World, name: str) -> Unresolved | None:
    """What the job's tasks will need and not find: an image, or the way into a network."""
    _, project, _, region, _, _ = name.split("/")
    template = find(world, name)["template"]["template"]
    try:
        for container in template["containers"]:
            find_image(world, container["image"])
        reached_network(world, project, region, template.get("vpcAccess", {}))
    except Unresolved as error:
        return error
    return None


def _delete(world: World, arguments: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
    name = arguments["name"]
    for execution, _ in world.store.list(EXECUTION, f"{name}/executions/"):
        remove_execution(world, execution)
    if world.store.get(JOB, name) is not None:
        world.store.delete(JOB, name)
    world.policies.forget(name)
    last = common.gone(world, arguments)
    progress(common.typed(last, "Job", final=False))
    return common.typed(last, "Job")
