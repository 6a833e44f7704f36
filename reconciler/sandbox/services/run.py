"""Cloud Run v2: services, revisions, jobs, executions and tasks. Everything is really started."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.services import run_executions as executions
from reconciler.sandbox.services import run_jobs as jobs
from reconciler.sandbox.services import run_operations
from reconciler.sandbox.services import run_revisions as revisions
from reconciler.sandbox.services import run_rollout as rollout
from reconciler.sandbox.services import run_services as services
from reconciler.sandbox.services import run_tasks as tasks
from reconciler.sandbox.world import Method, Request, World

API: Final = "run"
VERSIONS: Final = ("v2",)


def methods(world: World) -> dict[str, Method]:
    """The emulated methods, by their discovery ids."""
    for module in (rollout, jobs, tasks):
        module.register(world)
    found: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "services.create": services.create,
        "services.get": services.get,
        "services.list": services.listing,
        "services.patch": services.patch,
        "services.delete": services.delete,
        "services.getIamPolicy": services.policy,
        "services.setIamPolicy": services.set_policy,
        "services.testIamPermissions": services.test_permissions,
        "services.revisions.get": revisions.get,
        "services.revisions.list": revisions.listing,
        "services.revisions.delete": revisions.delete,
        "jobs.create": jobs.create,
        "jobs.get": jobs.get,
        "jobs.list": jobs.listing,
        "jobs.patch": jobs.patch,
        "jobs.delete": jobs.delete,
        "jobs.run": executions.start,
        "jobs.getIamPolicy": jobs.policy,
        "jobs.setIamPolicy": jobs.set_policy,
        "jobs.testIamPermissions": jobs.test_permissions,
        "jobs.executions.get": executions.get,
        "jobs.executions.list": executions.listing,
        "jobs.executions.delete": executions.delete,
        "jobs.executions.cancel": executions.cancel,
        "jobs.executions.tasks.get": executions.get_task,
        "jobs.executions.tasks.list": executions.list_tasks,
        "operations.list": run_operations.listing,
    }

    def bound(function: Callable[[World, Request], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request)

    return {f"projects.locations.{name}": bound(function) for name, function in found.items()}
