"""Executions of Cloud Run jobs, and their tasks: run one after the other, tried again as the job says."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.operations import Progress
from reconciler.sandbox.paging import listed
from reconciler.sandbox.runtime.containers import Identity
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.store import Body, Missing
from reconciler.sandbox.world import Request, World

EXECUTION: Final = "run.execution"
TASK: Final = "run.task"
JOB: Final = "run.job"
RUN: Final = "run.run"


def register(world: World) -> None:
    """Say what running a job does."""
    world.operations.register(RUN, lambda arguments, progress: _run(world, arguments["name"], progress))


def new_execution(world: World, job: Mapping[str, Any], template: Mapping[str, Any]) -> Body:
    """An execution of a job that has not started; nothing is stored."""
    parts = job["name"].split("/")
    short = f"{parts[5]}-{common.random_suffix(5)}"
    now = world.now()
    return {
        "name": f"{job['name']}/executions/{short}",
        "uid": str(uuid.uuid4()),
        "creator": job["lastModifier"],
        "generation": "1",
        **({"labels": job["labels"]} if job.get("labels") else {}),
        "createTime": now,
        "updateTime": now,
        "launchStage": job["launchStage"],
        "job": parts[5],
        "parallelism": template.get("parallelism", 0) or template["taskCount"],
        "taskCount": template["taskCount"],
        "template": dict(template["template"]),
        "reconciling": True,
        "conditions": [common.condition(world, "Completed", "RECONCILING")],
        "logUri": common.log_uri(parts[1], "cloud_run_job", short),
        "etag": common.new_etag(),
    }


def get(world: World, request: Request) -> Body:
    """executions.get."""
    return _find(world, common.full_name(request))


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
    execution = _find(world, name)
    if not request.params.get("validateOnly"):
        remove_execution(world, name)
    return common.done(world, request, {**execution, "deleteTime": world.now()}, "Execution")


def cancel(world: World, request: Request) -> Body:
    """executions.cancel."""
    name = common.full_name(request)
    execution = _find(world, name)
    if "completionTime" in execution:
        raise ApiError(400, "The execution is already completed.", rpc_status="FAILED_PRECONDITION")
    if request.body.get("validateOnly"):
        return common.done(world, request, execution, "Execution")
    execution = world.store.update(
        EXECUTION, name, lambda body: {**body, "cancelledCount": body["taskCount"]}
    )
    for task, _ in world.store.list(TASK, f"{name}/tasks/"):
        engine_of(world).cancel_task(task)
    return common.done(world, request, execution, "Execution")


def get_task(world: World, request: Request) -> Body:
    """tasks.get."""
    task = world.store.get(TASK, common.full_name(request))
    if task is None:
        raise common.missing("TASK", common.full_name(request))
    return task


def list_tasks(world: World, request: Request) -> Body:
    """tasks.list."""
    parts = str(request.params["parent"]).split("/")
    prefix = "/".join(["projects", request.project, *parts[2:]]) + "/tasks/"
    return listed("tasks", world.store.list(TASK, prefix), request.params, default=100, most=1000)


def remove_execution(world: World, name: str) -> None:
    """End an execution where it runs, and forget it with its tasks."""
    for task, _ in world.store.list(TASK, f"{name}/tasks/"):
        engine_of(world).cancel_task(task)
        world.store.delete(TASK, task)
    if world.store.get(EXECUTION, name) is not None:
        world.store.delete(EXECUTION, name)


def _find(world: World, name: str) -> Body:
    execution = world.store.get(EXECUTION, name)
    if execution is None:
        raise common.missing("EXECUTION", name)
    return execution


def _run(world: World, name: str, progress: Progress) -> Mapping[str, Any]:
    start = world.now()
    execution = world.store.update(
        EXECUTION, name, lambda body: {**body, "startTime": start, "runningCount": 1}
    )
    failure = ""
    for index in range(execution["taskCount"]):
        failure = _run_task(world, execution, index)
        if failure:
            break
    try:
        execution = world.store.update(EXECUTION, name, lambda body: _completed(world, body, failure))
    except Missing as error:
        raise ApiError(409, "The execution was deleted.", rpc_status="ABORTED") from error
    job = name.partition("/executions/")[0]
    if world.store.get(JOB, job) is not None:
        world.store.update(JOB, job, lambda body: _reported(body, execution, failure))
    progress(common.typed(execution, "Execution", final=False))
    if failure:
        raise ApiError(409, failure, rpc_status="ABORTED")
    return common.typed(execution, "Execution")


def _run_task(world: World, execution: Mapping[str, Any], index: int) -> str:
    """Run one task with its retries. Returns "" or why the execution failed."""
    parts = execution["name"].split("/")
    short = f"{parts[7]}-task{index}"
    name = f"{execution['name']}/tasks/{short}"
    template = execution["template"]
    project = world.projects.get(parts[1])
    who = Identity(parts[1], project.number if project else "", parts[3], short)
    retries = template.get("maxRetries", 0)
    task = _new_task(world, execution, index, name)
    reason = ""
    for attempt in range(retries + 1):
        task |= {"startTime": world.now(), "retried": attempt} if attempt else {"startTime": world.now()}
        world.store.put(TASK, name, task)
        variables = {
            "CLOUD_RUN_JOB": parts[5],
            "CLOUD_RUN_EXECUTION": parts[7],
            "CLOUD_RUN_TASK_INDEX": str(index),
            "CLOUD_RUN_TASK_COUNT": str(execution["taskCount"]),
            "CLOUD_RUN_TASK_ATTEMPT": str(attempt),
        }
        reason, code = engine_of(world).run_task(
            name, who, template, variables, lambda: _cancelled(world, execution["name"])
        )
        cancelled = _cancelled(world, execution["name"])
        task |= {"completionTime": world.now(), "lastAttemptResult": {"exitCode": code} if code else {}}
        state = "FAILED" if reason or cancelled else "SUCCEEDED"
        task["conditions"] = [common.condition(world, "Completed", state, reason)]
        if world.store.get(EXECUTION, execution["name"]) is not None:
            world.store.put(TASK, name, task)
        if cancelled:
            return "The execution was cancelled."
        if not reason:
            return ""
    tail = engine_of(world).log(short).tail(15)
    return f"Task {short} failed with message: {reason}\n\nLog of the task:\n{tail}"


def _cancelled(world: World, execution: str) -> bool:
    """Whether somebody cancelled the execution, or deleted it."""
    current = world.store.get(EXECUTION, execution)
    return current is None or bool(current.get("cancelledCount"))


def _new_task(world: World, execution: Mapping[str, Any], index: int, name: str) -> Body:
    template = execution["template"]
    now = world.now()
    task: Body = {
        "name": name,
        "uid": str(uuid.uuid4()),
        "generation": "1",
        "createTime": now,
        "scheduledTime": now,
        "updateTime": now,
        "job": execution["job"],
        "execution": execution["name"].rsplit("/", 1)[-1],
        **{
            key: template[key]
            for key in ("containers", "volumes", "timeout", "serviceAccount")
            if key in template
        },
        "maxRetries": template.get("maxRetries", 0),
        "conditions": [common.condition(world, "Completed", "RECONCILING")],
        "logUri": execution["logUri"],
        "etag": common.new_etag(),
    }
    return {**task, "index": index} if index else task


def _completed(world: World, execution: Body, failure: str) -> Body:
    found = {**execution, "completionTime": world.now(), "updateTime": world.now(), "observedGeneration": "1"}
    for key in ("reconciling", "runningCount"):
        found.pop(key, None)
    cancelled = bool(execution.get("cancelledCount"))
    if failure and not cancelled:
        found["failedCount"] = 1
    elif not failure:
        found["succeededCount"] = execution["taskCount"]
    reasons = {"executionReason": "CANCELLED" if cancelled else "NON_ZERO_EXIT_CODE"} if failure else {}
    state = "FAILED" if failure else "SUCCEEDED"
    found["conditions"] = [
        common.condition(world, "Completed", state, failure, **reasons),
        common.condition(world, "ResourcesAvailable", "SUCCEEDED"),
        common.condition(world, "Started", "SUCCEEDED"),
    ]
    return found


def _reported(job: Body, execution: Mapping[str, Any], failure: str) -> Body:
    """The job with the end of its latest execution."""
    short = execution["name"].rsplit("/", 1)[-1]
    latest = job.get("latestCreatedExecution", {})
    if latest.get("name") != short:
        return job
    status = "CANCELLED" if execution.get("cancelledCount") else "FAILED" if failure else "SUCCEEDED"
    end = {"completionTime": execution["completionTime"], "completionStatus": f"EXECUTION_{status}"}
    return {**job, "latestCreatedExecution": {**latest, **end}}
