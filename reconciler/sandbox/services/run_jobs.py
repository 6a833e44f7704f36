"""Cloud Run jobs: definitions, and executions whose tasks are really run as processes."""

import uuid
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.operations import Progress
from reconciler.sandbox.paging import listed
from reconciler.sandbox.runtime.resolve import Unresolved, find_image
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.services.run_executions import EXECUTION, RUN, new_execution, remove_execution
from reconciler.sandbox.services.run_rules import NAME, check_job
from reconciler.sandbox.services.run_templates import completed_job
from reconciler.sandbox.store import Body, Missing
from reconciler.sandbox.world import Request, World

JOB: Final = "run.job"
SETTLE: Final = "run.settleJob"
DELETE: Final = "run.deleteJob"
WRITABLE: Final = (
    "labels",
    "annotations",
    "client",
    "clientVersion",
    "launchStage",
    "binaryAuthorization",
    "template",
)


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
    return find(world, common.full_name(request))


def listing(world: World, request: Request) -> Body:
    """jobs.list."""
    parent = common.parent_of(request)
    prefix = f"{parent}/jobs/" if not parent.endswith("/-") else parent.removesuffix("-")
    return listed("jobs", world.store.list(JOB, prefix), request.params, default=100, most=1000)


def create(world: World, request: Request) -> Body:
    """jobs.create."""
    job = str(request.params.get("jobId", ""))
    if not NAME.fullmatch(job):
        raise ApiError(400, f"Violation in CreateJobRequest.job_id: {job!r} is not a valid name.")
    return create_named(world, request, f"{common.parent_of(request)}/jobs/{job}")


def create_named(world: World, request: Request, name: str) -> Body:
    """Create the job `name`."""
    if world.store.get(JOB, name) is not None:
        raise ApiError(409, f"Resource '{name.rsplit('/', 1)[-1]}' already exists.")
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
        "etag": common.new_etag(),
        **fields,
    }
    return _keep(world, request, resource)


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
        "etag": common.new_etag(),
    }
    return _keep(world, request, resource)


def delete(world: World, request: Request) -> Body:
    """jobs.delete, with all its executions."""
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
        return common.done(world, request, resource, "Job")
    return common.operation(world, request, DELETE, {"name": name, "last": resource}, resource, "Job")


def run(world: World, request: Request) -> Body:
    """jobs.run: start an execution, with overrides of arguments, environment, count and time."""
    name = common.full_name(request)
    job = find(world, name)
    common.check_etag(request.body.get("etag"), job, name)
    template = _overridden(job["template"], request.body.get("overrides", {}))
    execution = new_execution(world, job, template)
    if request.body.get("validateOnly"):
        return common.done(world, request, execution, "Execution")
    with world.store.transaction():
        world.store.create(EXECUTION, execution["name"], execution)
        world.store.update(JOB, name, lambda current: _started(current, execution))
        return common.operation(world, request, RUN, {"name": execution["name"]}, execution, "Execution")


def policy(world: World, request: Request) -> Body:
    """jobs.getIamPolicy."""
    find(world, common.full_name(request))
    return world.policies.get(common.full_name(request))


def set_policy(world: World, request: Request) -> Body:
    """jobs.setIamPolicy."""
    find(world, common.full_name(request))
    return world.policies.set(common.full_name(request), request.body.get("policy", {}))


def _fields(world: World, request: Request) -> Body:
    sent = {field: request.body[field] for field in WRITABLE if field in request.body}
    fields = completed_job(sent, common.default_account(world, request.project))
    check_job(world, request, fields)
    return fields


def _keep(world: World, request: Request, resource: Body) -> Body:
    if request.params.get("validateOnly"):
        return common.done(world, request, resource, "Job")
    resource |= {"reconciling": True, "terminalCondition": common.condition(world, "Ready", "PENDING")}
    with world.store.transaction():
        world.store.put(JOB, resource["name"], resource)
        return common.operation(world, request, SETTLE, {"name": resource["name"]}, resource, "Job")


def _settle(world: World, arguments: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
    name = arguments["name"]
    failure = ""
    try:
        find_image(world, find(world, name)["template"]["template"]["containers"][0]["image"])
    except Unresolved as error:
        failure = str(error)

    def change(current: Body) -> Body:
        resource = {**current, "observedGeneration": current["generation"]}
        resource.pop("reconciling", None)
        state = "FAILED" if failure else "SUCCEEDED"
        resource["terminalCondition"] = common.condition(world, "Ready", state, failure)
        return resource

    try:
        resource = world.store.update(JOB, name, change)
    except Missing as error:
        raise common.missing("JOB", name) from error
    progress(common.typed(resource, "Job", final=False))
    if failure:
        raise ApiError(404, failure)
    return common.typed(resource, "Job")


def _delete(world: World, arguments: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
    name = arguments["name"]
    for execution, _ in world.store.list(EXECUTION, f"{name}/executions/"):
        remove_execution(world, execution)
    if world.store.get(JOB, name) is not None:
        world.store.delete(JOB, name)
    world.policies.forget(name)
    last: Body = dict(arguments["last"])
    last.pop("reconciling", None)
    last |= {
        "observedGeneration": last["generation"],
        "terminalCondition": common.condition(world, "Ready", "SUCCEEDED"),
    }
    progress(common.typed(last, "Job", final=False))
    return common.typed(last, "Job")


def _started(job: Body, execution: Mapping[str, Any]) -> Body:
    reference = {
        "name": execution["name"].rsplit("/", 1)[-1],
        "createTime": execution["createTime"],
        "completionStatus": "EXECUTION_RUNNING",
    }
    return {**job, "executionCount": job.get("executionCount", 0) + 1, "latestCreatedExecution": reference}


def _overridden(template: Mapping[str, Any], overrides: Mapping[str, Any]) -> Body:
    found = deepcopy(dict(template))
    if overrides.get("taskCount"):
        found["taskCount"] = overrides["taskCount"]
    if overrides.get("timeout"):
        found["template"]["timeout"] = overrides["timeout"]
    changes: Sequence[Mapping[str, Any]] = overrides.get("containerOverrides", ())
    for change in changes:
        container = found["template"]["containers"][0]
        if change.get("clearArgs"):
            container.pop("args", None)
        if change.get("args"):
            container["args"] = change["args"]
        fresh = {entry["name"]: entry for entry in change.get("env", ())}
        kept = [entry for entry in container.get("env", ()) if entry["name"] not in fresh]
        if fresh:
            container["env"] = [*kept, *fresh.values()]
    return found
