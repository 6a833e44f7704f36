"""What an execution of a Cloud Run job does: its tasks, side by side as the job allows, tried again as it says."""

import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.operations import Progress
from reconciler.sandbox.runtime.container_log import Identity
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.store import Body, Missing
from reconciler.sandbox.world import World

EXECUTION: Final = "run.execution"
TASK: Final = "run.task"
JOB: Final = "run.job"
RUN: Final = "run.run"
_COPIED: Final = (
    "containers", "volumes", "timeout", "serviceAccount", "executionEnvironment", "encryptionKey", "vpcAccess",
)  # fmt: skip
AT_ONCE: Final = 8
"""Tasks that this machine runs side by side at most, whatever the job allows."""


@dataclass(frozen=True)
class _Ended:
    """How a task ended: "" or why it failed, and the end of its log."""

    name: str
    reason: str
    tail: str


def register(world: World) -> None:
    """Say what running a job does."""

    def undone(arguments: Mapping[str, Any], error: ApiError) -> None:
        world.store.update(
            EXECUTION, arguments["name"], lambda body: _completed(world, _begun(world, body), error.message)
        )

    world.operations.register(
        RUN, lambda arguments, progress: _run(world, arguments["name"], progress), undone
    )


def _run(world: World, name: str, progress: Progress) -> Mapping[str, Any]:
    try:
        execution = world.store.update(EXECUTION, name, lambda body: _begun(world, body))
        progress(common.typed(execution, "Execution", final=False))
        failed = _run_tasks(world, execution)
        failure = _failure(world, name, failed)
        execution = world.store.update(EXECUTION, name, lambda body: _completed(world, body, failure))
    except Missing as error:
        raise ApiError(409, "The execution was deleted.", rpc_status="ABORTED") from error
    job = name.partition("/executions/")[0]
    if world.store.get(JOB, job) is not None:
        world.store.update(JOB, job, lambda body: _reported(body, execution, failure))
    progress(common.typed(execution, "Execution", final=False))
    if failure:
        tails = [f"\n\nLog of the task {one.name}:\n{one.tail}" for one in failed if one.tail]
        raise ApiError(409, failure + "".join(tails[:1]), rpc_status="ABORTED")
    return common.typed(execution, "Execution")


def _begun(world: World, execution: Body) -> Body:
    conditions = [
        common.condition(world, "Completed", "RECONCILING", "Waiting for execution to complete."),
        common.condition(world, "ResourcesAvailable", "SUCCEEDED", "Provisioned imported containers."),
        common.condition(world, "Started", "SUCCEEDED", "Started deployed execution."),
    ]
    return {**execution, "startTime": world.now(), "observedGeneration": "1", "conditions": conditions}


def _run_tasks(world: World, execution: Mapping[str, Any]) -> list[_Ended]:
    """Run every task. Returns those that failed, in the order of their index."""
    count, at_once = execution["taskCount"], execution["parallelism"]
    with ThreadPoolExecutor(min(at_once, AT_ONCE), "task") as pool:
        ended = list(pool.map(partial(_run_task, world, execution), range(count)))
    return [one for one in ended if one.reason]


def _failure(world: World, name: str, failed: list[_Ended]) -> str:
    """Why the execution failed, "" where it did not."""
    if _cancelled(world, name):
        return "The execution was cancelled."
    return f"Task {failed[0].name} failed with message: {failed[0].reason}" if failed else ""


def _run_task(world: World, execution: Mapping[str, Any], index: int) -> _Ended:
    """Run one task with its retries."""
    parts = execution["name"].split("/")
    short = f"{parts[7]}-task{index}"
    name = f"{execution['name']}/tasks/{short}"
    if _cancelled(world, execution["name"]):
        return _Ended(short, "", "")
    template = execution["template"]
    task = _new_task(world, execution, index, name)
    _count(world, execution["name"], runningCount=1)
    reason = ""
    for attempt in range(template.get("maxRetries", 0) + 1):
        task |= {"startTime": world.now(), "retried": attempt} if attempt else {"startTime": world.now()}
        world.store.put(TASK, name, task)
        reason, code = engine_of(world).run_task(
            name,
            _identity(world, execution, index, attempt),
            template,
            _variables(execution, index, attempt),
            lambda: _cancelled(world, execution["name"]),
        )
        cancelled = _cancelled(world, execution["name"])
        task = _attempted(world, task, reason, code, cancelled=cancelled)
        if world.store.get(EXECUTION, execution["name"]) is not None:
            world.store.put(TASK, name, task)
        if cancelled or not reason:
            break
    over = (
        "cancelled" if _cancelled(world, execution["name"]) else "failedCount" if reason else "succeededCount"
    )
    retries = {"retriedCount": 1} if task.get("retried") else {}
    _count(
        world,
        execution["name"],
        **{"runningCount": -1, **retries, **({over: 1} if over != "cancelled" else {})},
    )
    return _Ended(short, reason, engine_of(world).log(short).tail(15) if reason else "")


def _identity(world: World, execution: Mapping[str, Any], index: int, attempt: int) -> Identity:
    parts = execution["name"].split("/")
    project = world.projects.get(parts[1])
    return Identity(
        project=parts[1],
        number=project.number if project else "",
        region=parts[3],
        name=f"{parts[7]}-task{index}",
        kind="cloud_run_job",
        resource={"job_name": parts[5]},
        labels={
            "run.googleapis.com/execution_name": parts[7],
            "run.googleapis.com/task_index": str(index),
            "run.googleapis.com/task_attempt": str(attempt),
        },
    )


def _variables(execution: Mapping[str, Any], index: int, attempt: int) -> dict[str, str]:
    parts = execution["name"].split("/")
    return {
        "CLOUD_RUN_JOB": parts[5],
        "CLOUD_RUN_EXECUTION": parts[7],
        "CLOUD_RUN_TASK_INDEX": str(index),
        "CLOUD_RUN_TASK_COUNT": str(execution["taskCount"]),
        "CLOUD_RUN_TASK_ATTEMPT": str(attempt),
    }


def _attempted(world: World, task: Body, reason: str, code: int, *, cancelled: bool) -> Body:
    """The task after an attempt."""
    state = "FAILED" if reason or cancelled else "SUCCEEDED"
    result: Body = {"exitCode": code} if code else {}
    if reason:
        result["status"] = {"code": 2, "message": reason}
    return {
        **task,
        "completionTime": world.now(),
        "updateTime": world.now(),
        "observedGeneration": "1",
        "lastAttemptResult": result,
        "conditions": [common.condition(world, "Completed", state, reason)],
    }


def _cancelled(world: World, execution: str) -> bool:
    """Whether somebody cancelled the execution, or deleted it."""
    current = world.store.get(EXECUTION, execution)
    return current is None or bool(current.get("cancelledCount"))


def _count(world: World, execution: str, **changes: int) -> None:
    """Add to the execution's counts; one that is 0 is left out."""

    def change(body: Body) -> Body:
        counts = {name: body.get(name, 0) + number for name, number in changes.items()}
        kept = {key: value for key, value in body.items() if key not in counts}
        return {**kept, **{name: number for name, number in counts.items() if number > 0}}

    if world.store.get(EXECUTION, execution) is not None:
        world.store.update(EXECUTION, execution, change)


def _new_task(world: World, execution: Mapping[str, Any], index: int, name: str) -> Body:
    template = execution["template"]
    now = world.now()
    task: Body = {
        "name": name,
        "uid": str(uuid.uuid4()),
        "generation": "1",
        **{key: execution[key] for key in ("labels", "annotations") if key in execution},
        "createTime": now,
        "scheduledTime": now,
        "updateTime": now,
        "job": execution["job"],
        "execution": execution["name"].rsplit("/", 1)[-1],
        **{key: template[key] for key in _COPIED if key in template},
        "maxRetries": template.get("maxRetries", 0),
        "conditions": [common.condition(world, "Completed", "RECONCILING")],
        "logUri": execution["logUri"],
        "etag": common.new_etag(world, name),
    }
    return {**task, "index": index} if index else task


def _completed(world: World, execution: Body, failure: str) -> Body:
    found = {**execution, "completionTime": world.now(), "updateTime": world.now()}
    for key in ("reconciling", "runningCount"):
        found.pop(key, None)
    reasons: dict[str, str] = {}
    if failure:
        cancelled = bool(execution.get("cancelledCount"))
        reasons = {"executionReason": "CANCELLED" if cancelled else "NON_ZERO_EXIT_CODE"}
    text = failure or "Execution completed successfully."
    completed = common.condition(world, "Completed", "FAILED" if failure else "SUCCEEDED", text, **reasons)
    others = [one for one in execution["conditions"] if one["type"] != "Completed"]
    return {**found, "conditions": [completed, *others]}


def _reported(job: Body, execution: Mapping[str, Any], failure: str) -> Body:
    """The job with the end of its latest execution."""
    short = execution["name"].rsplit("/", 1)[-1]
    latest = job.get("latestCreatedExecution", {})
    if latest.get("name") != short:
        return job
    status = "CANCELLED" if execution.get("cancelledCount") else "FAILED" if failure else "SUCCEEDED"
    end = {"completionTime": execution["completionTime"], "completionStatus": f"EXECUTION_{status}"}
    return {**job, "latestCreatedExecution": {**latest, **end}}
