"""Cloud Run v1: the view of jobs, executions and tasks that gcloud uses."""

import dataclasses
from typing import Any, Final

from reconciler.sandbox.services import knative_jobs as knative
from reconciler.sandbox.services import run_executions, run_jobs
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.services import run_v1_names as names
from reconciler.sandbox.services.knative_notes import RUN
from reconciler.sandbox.services.run_tasks import EXECUTION, JOB, TASK
from reconciler.sandbox.services.run_v1_names import Function
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Method, Request, World

API: Final = "run"
VERSIONS: Final = ("v1",)


def methods(world: World) -> dict[str, Method]:
    """The emulated methods."""
    found: dict[str, Function] = {
        "jobs.create": _create,
        "jobs.get": lambda world, request: _shown(world, request, names.full(world, request, JOB)),
        "jobs.list": _list,
        "jobs.replaceJob": _replace,
        "jobs.delete": _delete,
        "jobs.run": _run,
        "executions.get": lambda world, request: _execution(
            world, request, names.full(world, request, EXECUTION)
        ),
        "executions.list": _list_executions,
        "executions.cancel": _cancel,
        "executions.delete": _delete_execution,
        "tasks.get": _task,
        "tasks.list": _list_tasks,
    }
    policies: dict[str, Function] = {
        "jobs.getIamPolicy": run_jobs.policy,
        "jobs.setIamPolicy": run_jobs.set_policy,
        "jobs.testIamPermissions": run_jobs.test_permissions,
    }
    return {**names.bound(world, found, "namespaces"), **names.bound(world, policies, "projects.locations")}


def _shown(world: World, request: Request, name: str) -> Body:
    return knative.job(run_jobs.find(world, name), names.number(world, request))


def _execution(world: World, request: Request, name: str) -> Body:
    return knative.execution(run_executions.find(world, name), names.number(world, request))


def _asked(request: Request, name: str, **body: Any) -> Request:
    """The v2 request about `name` that a v1 request stands for."""
    return dataclasses.replace(request, body=body, params={"name": name, **names.dry(request)})


def _list(world: World, request: Request) -> Body:
    number = names.number(world, request)
    items = [knative.job(resource, number) for resource in names.stored(world, request, JOB)]
    return names.listed(f"{RUN}/v1", "JobList", items, request)


def _create(world: World, request: Request) -> Body:
    place = f"projects/{request.project}/locations/{names.one_region(request)}"
    short = str(request.body.get("metadata", {}).get("name", ""))
    translated = dataclasses.replace(
        request,
        body=knative.job_fields(request.body, place),
        params={"parent": place, "jobId": short, **names.dry(request)},
    )
    operation = run_jobs.create(world, translated)
    if names.dry(request):
        resource = {"terminalCondition": common.waiting(), **operation["response"]}
        return knative.job(resource, names.number(world, request))
    return _shown(world, request, f"{place}/jobs/{short}")


def _replace(world: World, request: Request) -> Body:
    name = names.full(world, request, JOB)
    version = request.body.get("metadata", {}).get("resourceVersion")
    common.check_etag(version, run_jobs.find(world, name), name)
    fields = knative.job_fields(request.body, name.partition("/jobs/")[0])
    operation = run_jobs.patch(world, _asked(request, name, **fields))
    if names.dry(request):
        return knative.job(operation["response"], names.number(world, request))
    return _shown(world, request, name)


def _delete(world: World, request: Request) -> Body:
    name = names.full(world, request, JOB)
    run_jobs.delete(world, _asked(request, name))
    return names.deleted(name, RUN, "jobs")


def _run(world: World, request: Request) -> Body:
    name = names.full(world, request, JOB)
    overrides = knative.overrides(request.body.get("overrides", {}))
    operation = run_executions.start(world, _asked(request, name, overrides=overrides))
    return _execution(world, request, operation["metadata"]["name"])


def _list_executions(world: World, request: Request) -> Body:
    number = names.number(world, request)
    items = [knative.execution(one, number) for one in names.stored(world, request, EXECUTION)]
    items.sort(key=lambda one: one["metadata"]["creationTimestamp"], reverse=True)
    return names.listed(f"{RUN}/v1", "ExecutionList", items, request)


def _cancel(world: World, request: Request) -> Body:
    name = names.full(world, request, EXECUTION)
    run_executions.cancel(world, _asked(request, name))
    return _execution(world, request, name)


def _delete_execution(world: World, request: Request) -> Body:
    name = names.full(world, request, EXECUTION)
    run_executions.delete(world, _asked(request, name))
    return names.deleted(name, RUN, "executions")


def _task(world: World, request: Request) -> Body:
    name = names.full(world, request, TASK)
    return knative.task(run_executions.get_task(world, _asked(request, name)), names.number(world, request))


def _list_tasks(world: World, request: Request) -> Body:
    number = names.number(world, request)
    found = sorted(
        names.stored(world, request, TASK), key=lambda one: (one["execution"], one.get("index", 0))
    )
    return names.listed(f"{RUN}/v1", "TaskList", [knative.task(one, number) for one in found], request)
