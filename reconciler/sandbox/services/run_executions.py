"""Executions of Cloud Run jobs, and their tasks: started, read, cancelled, deleted. What runs them is in run_tasks."""

import uuid
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import listed
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.services.run_tasks import EXECUTION, JOB, RUN, TASK
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

MOST_TASKS: Final = 10_000


def start(world: World, request: Request) -> Body:
    """jobs.run: start an execution, with overrides of arguments, environment, count and time."""
    name = common.full_name(request)
    job = world.store.get(JOB, name)
    if job is None:
        raise common.missing("JOB", name)
    common.check_etag(request.body.get("etag"), job, name)
    if job["terminalCondition"]["state"] == "CONDITION_FAILED":
        text = f"Job '{name.rsplit('/', 1)[-1]}' is not ready: {job['terminalCondition'].get('message', '')}"
        raise ApiError(400, text, rpc_status="FAILED_PRECONDITION")
    template = _overridden(job["template"], request.body.get("overrides", {}))
    execution = _new(world, request, job, template)
    if request.body.get("validateOnly"):
        return common.done(world, request, execution, "Execution")
    with world.store.transaction():
        world.store.create(EXECUTION, execution["name"], execution)
        world.store.update(JOB, name, lambda current: _counted(current, execution))
        return common.operation(world, request, RUN, {"name": execution["name"]}, execution, "Execution")


def get(world: World, request: Request) -> Body:
    """executions.get."""
    return find(world, common.full_name(request))


def listing(world: World, request: Request) -> Body:
    """executions.list, newest first."""
    parts = str(request.params["parent"]).split("/")
    prefix = f"projects/{request.project}/locations/{parts[3]}/jobs/"
    found = [
        body for name, body in world.store.list(EXECUTION, prefix) if parts[5] in ("-", name.split("/")[5])
    ]
    found.sort(key=lambda one: one["createTime"], reverse=True)
    items = [(f"{place:06}", one) for place, one in enumerate(found)]
    return listed("executions", items, request.params, default=100, most=1000)


def delete(world: World, request: Request) -> Body:
    """executions.delete; what runs is ended."""
    name = common.full_name(request)
    execution = find(world, name)
    common.check_etag(request.params.get("etag"), execution, name)
    last = {**execution, **common.deletion(world)}
    if not request.params.get("validateOnly"):
        remove_execution(world, name)
    return common.done(world, request, last, "Execution")


def cancel(world: World, request: Request) -> Body:
    """executions.cancel."""
    name = common.full_name(request)
    execution = find(world, name)
    common.check_etag(request.body.get("etag"), execution, name)
    if "completionTime" in execution:
        raise ApiError(400, "The execution is already completed.", rpc_status="FAILED_PRECONDITION")
    if request.body.get("validateOnly"):
        return common.done(world, request, execution, "Execution")
    count = execution["taskCount"] - execution.get("succeededCount", 0) - execution.get("failedCount", 0)
    execution = world.store.update(EXECUTION, name, lambda body: {**body, "cancelledCount": count})
    for task, _ in world.store.list(TASK, f"{name}/tasks/"):
        engine_of(world).cancel_task(task)
    return common.done(world, request, execution, "Execution")


def get_task(world: World, request: Request) -> Body:
    """tasks.get."""
    name = common.full_name(request)
    task = world.store.get(TASK, name)
    if task is None:
        raise common.missing("TASK", name)
    return task


def list_tasks(world: World, request: Request) -> Body:
    """tasks.list, in the order of their index; of every execution where "-" is asked."""
    parts = str(request.params["parent"]).split("/")
    prefix = f"projects/{request.project}/locations/{parts[3]}/jobs/"
    found = [
        task
        for name, task in world.store.list(TASK, prefix)
        if parts[5] in ("-", name.split("/")[5]) and parts[7] in ("-", name.split("/")[7])
    ]
    items = [(f"{task['execution']}/{task.get('index', 0):05}", task) for task in found]
    return listed("tasks", sorted(items), request.params, default=100, most=1000)


def remove_execution(world: World, name: str) -> None:
    """End an execution where it runs, and forget it with its tasks."""
    if world.store.get(EXECUTION, name) is not None:
        world.store.delete(EXECUTION, name)
    for task, _ in world.store.list(TASK, f"{name}/tasks/"):
        engine_of(world).cancel_task(task)
        world.store.delete(TASK, task)


def find(world: World, name: str) -> Body:
    """The v2 body of an execution. Raises ApiError 404."""
    execution = world.store.get(EXECUTION, name)
    if execution is None:
        raise common.missing("EXECUTION", name)
    return execution


def _new(world: World, request: Request, job: Mapping[str, Any], template: Mapping[str, Any]) -> Body:
    """An execution of a job that has not started; nothing is stored."""
    parts = job["name"].split("/")
    short = f"{parts[5]}-{common.random_suffix(5)}"
    name = f"{job['name']}/executions/{short}"
    now = world.now()
    named = {
        kind: {**job.get(kind, {}), **template.get(kind, {})}
        for kind in ("labels", "annotations")
        if job.get(kind) or template.get(kind)
    }
    client = {key: template[key] for key in ("client", "clientVersion") if key in template}
    return {
        "name": name,
        "uid": str(uuid.uuid4()),
        "creator": request.caller.partition(":")[2],
        "generation": "1",
        **named,
        **client,
        "createTime": now,
        "updateTime": now,
        "launchStage": job["launchStage"],
        "job": parts[5],
        "parallelism": min(template.get("parallelism") or template["taskCount"], template["taskCount"]),
        "taskCount": template["taskCount"],
        "template": dict(template["template"]),
        "reconciling": True,
        "conditions": [common.condition(world, "Completed", "RECONCILING")],
        "logUri": common.log_uri(parts[1], "cloud_run_job", short),
        "etag": common.new_etag(world, name),
    }


def _counted(job: Body, execution: Mapping[str, Any]) -> Body:
    """The job with one execution more."""
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
    if not 1 <= found["taskCount"] <= MOST_TASKS:
        raise ApiError(
            400, f"Violation in RunJobRequest.overrides.task_count: Must be between 1 and {MOST_TASKS}."
        )
    changes: Sequence[Mapping[str, Any]] = overrides.get("containerOverrides", ())
    for change in changes:
        container = _container(found["template"]["containers"], change.get("name", ""))
        if change.get("clearArgs"):
            container.pop("args", None)
        if change.get("args"):
            container["args"] = change["args"]
        fresh = {entry["name"]: entry for entry in change.get("env", ())}
        kept = [entry for entry in container.get("env", ()) if entry["name"] not in fresh]
        if fresh:
            container["env"] = [*kept, *fresh.values()]
    return found


def _container(containers: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """The container that an override names; the first where it names none."""
    if not name:
        return containers[0]
    for container in containers:
        if container.get("name") == name:
            return container
    raise ApiError(
        400, f"Violation in RunJobRequest.overrides.container_overrides: no container is named {name}."
    )
