"""Cloud Scheduler: jobs with an HTTP target. They really fire, on their schedule and when they are told to."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import listed
from reconciler.sandbox.scheduling.ticker import JOB, next_time
from reconciler.sandbox.services import cloudscheduler_rules as rules
from reconciler.sandbox.services.cloudscheduler_regions import REGIONS
from reconciler.sandbox.store import Body, Exists
from reconciler.sandbox.world import Method, Request, World

API: Final = "cloudscheduler"
VERSIONS: Final = ("v1",)
CHANGEABLE: Final = frozenset(
    {"description", "schedule", "timeZone", "attemptDeadline", "retryConfig", "httpTarget", "pubsubTarget",
     "appEngineHttpTarget"}
)  # fmt: skip
Function = Callable[[World, Request], Mapping[str, Any]]


def methods(world: World) -> dict[str, Method]:
    """The emulated methods."""
    found: dict[str, Function] = {
        "get": lambda _, request: _location(request.project, _place(request).rsplit("/", 1)[-1]),
        "list": lambda _, request: _locations(request),
        "jobs.create": _create,
        "jobs.get": lambda world, request: _find(world, request)["job"],
        "jobs.list": _list,
        "jobs.patch": _patch,
        "jobs.delete": _delete,
        "jobs.pause": _pause,
        "jobs.resume": _resume,
        "jobs.run": _run,
    }

    def bound(function: Function) -> Method:
        return lambda request: function(world, request)

    return {f"projects.locations.{verb}": bound(function) for verb, function in found.items()}


def _locations(request: Request) -> Mapping[str, Any]:
    items = [(region, _location(request.project, region)) for region in REGIONS]
    return listed("locations", items, request.params, default=500, most=500)


def _location(project: str, region: str) -> dict[str, Any]:
    return {
        "name": f"projects/{project}/locations/{region}",
        "locationId": region,
        "labels": {"cloud.googleapis.com/region": region},
    }


def _place(request: Request) -> str:
    """ "projects/P/locations/R" of a request, by project id. Raises ApiError 403 for a region that is none."""
    region = str(request.params.get("parent") or request.params.get("name")).split("/")[3]
    place = f"projects/{request.project}/locations/{region}"
    if region not in REGIONS:
        raise rules.lacking(f"cloudscheduler.{request.method_id.removeprefix('projects.locations.')}", place)
    return place


def _name(request: Request) -> str:
    return f"{_place(request)}/jobs/{str(request.params['name']).split('/')[5]}"


def _find(world: World, request: Request) -> Body:
    stored = world.store.get(JOB, _name(request))
    if stored is None:
        raise ApiError(404, "Job not found.")
    return stored


def _create(world: World, request: Request) -> Mapping[str, Any]:
    place = _place(request)
    sent = request.body.get("name") or f"{place}/jobs/{secrets.randbelow(10**20):020d}"
    found = rules.NAME.fullmatch(sent)
    known = world.projects.get(found["project"]) if found else None
    if found is None or known is None or f"projects/{known.project_id}/locations/{found['place']}" != place:
        text = 'Job name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/jobs/<JOB_ID>".'
        raise ApiError(400, text)
    name = f"{place}/jobs/{sent.rsplit('/', 1)[-1]}"
    job = {"name": name, **rules.settled(world, request, request.body), "state": "ENABLED"}
    try:
        return world.store.create(JOB, name, _due(world, job))["job"]
    except Exists as error:
        raise ApiError(409, f"Job {name} already exists.") from error


def _list(world: World, request: Request) -> Mapping[str, Any]:
    items = [(name, stored["job"]) for name, stored in world.store.list(JOB, f"{_place(request)}/jobs/")]
    return listed("jobs", items, request.params, default=500, most=500)


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    current: Body = _find(world, request)["job"]
    mask = [path.strip() for path in str(request.params.get("updateMask", "")).split(",") if path.strip()]
    for path in mask:
        if path.split(".")[0] not in CHANGEABLE:
            raise ApiError(400, f"Invalid mask for Job: {path}")
    wished = _masked(current, request.body, mask) if mask else request.body
    fields = rules.settled(world, request, wished)
    kept = {key: current[key] for key in ("name", "state", "status", "lastAttemptTime") if key in current}
    return world.store.update(JOB, current["name"], lambda _: _due(world, {**kept, **fields}))["job"]


def _masked(current: Body, sent: Mapping[str, Any], mask: list[str]) -> Body:
    """The job with the fields that *mask* names as *sent* has them; one that it lacks is cleared."""
    wished: Body = {key: value for key, value in current.items() if key in CHANGEABLE}
    for path in mask:
        first, _, rest = path.partition(".")
        if not rest:
            wished.pop(first, None)
            wished |= {first: sent[first]} if first in sent else {}
            continue
        inner = {**wished.get(first, {})}
        inner.pop(rest, None)
        given = sent.get(first, {})
        wished[first] = {**inner, **({rest: given[rest]} if rest in given else {})}
    return wished


def _delete(world: World, request: Request) -> Mapping[str, Any]:
    world.store.delete(JOB, _find(world, request)["job"]["name"])
    return {}


def _pause(world: World, request: Request) -> Mapping[str, Any]:
    job = _find(world, request)["job"]
    if job["state"] != "ENABLED":
        raise ApiError(400, "Job must be enabled to be paused.", rpc_status="FAILED_PRECONDITION")
    return _stated(world, job, "PAUSED")


def _resume(world: World, request: Request) -> Mapping[str, Any]:
    job = _find(world, request)["job"]
    if job["state"] != "PAUSED":
        raise ApiError(400, "Job must be paused to be resumed.", rpc_status="FAILED_PRECONDITION")
    return _stated(world, job, "ENABLED")


def _stated(world: World, job: Body, state: str) -> Mapping[str, Any]:
    return world.store.update(
        JOB, job["name"], lambda stored: _due(world, {**stored["job"], "state": state})
    )["job"]


def _run(world: World, request: Request) -> Mapping[str, Any]:
    """Have it called at once; the answer does not wait for that."""
    name = _find(world, request)["job"]["name"]
    return world.store.update(JOB, name, lambda stored: {**stored, "forced": True})["job"]


def _due(world: World, job: Body) -> Body:
    """What is kept of a job that was just written: when it is due next, no attempt made yet."""
    shown = {**job, "userUpdateTime": world.now()}
    shown.pop("scheduleTime", None)
    if job["state"] == "ENABLED":
        shown["scheduleTime"] = next_time(world, job)
    return {"job": shown, "attempt": 0}
