"""Revisions of Cloud Run services: made, started, read, deleted, and what is said of one that does not serve."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import listed
from reconciler.sandbox.runtime.containers import ContainerFailed
from reconciler.sandbox.runtime.engine import REVISION, SERVICE, engine_of
from reconciler.sandbox.runtime.resolve import Unresolved, pinned
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

STATUS: Final = {"FAILED_PRECONDITION": 400, "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "INTERNAL": 500}
_HEALTH: Final = {"revisionReason": "HEALTH_CHECK_CONTAINER_ERROR"}


@dataclass(frozen=True)
class Failure:
    """Why a revision does not serve: Google's sentence, the gRPC status of the operation, the condition's reasons."""

    text: str
    status: str
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])
    whole: bool = False
    """Whether the sentence stands for itself, and is not about the newest revision."""


def not_ready(short: str, failure: Failure) -> str:
    """What the service says of its revision `short`."""
    return (
        failure.text
        if failure.whole
        else f"Revision '{short}' is not ready and cannot serve traffic. {failure.text}"
    )


def keep(world: World, service: Body, short: str) -> None:
    """Keep a new revision of the service's template, not started yet."""
    template = dict(service["template"])
    template.pop("revision", None)
    parts = service["name"].split("/")
    name = f"{service['name']}/revisions/{short}"
    now = world.now()
    revision: Body = {
        "name": name,
        "uid": str(uuid.uuid4()),
        "generation": "1",
        "createTime": now,
        "updateTime": now,
        "creator": service["lastModifier"],
        "launchStage": service["launchStage"],
        "service": parts[5],
        **template,
        "reconciling": True,
        "conditions": [common.condition(world, "Ready", "RECONCILING", "Deploying Revision.")],
        "logUri": common.log_uri(parts[1], "cloud_run_revision", short),
        "etag": common.new_etag(world, name),
    }
    world.store.put(REVISION, name, {"resource": revision, "serviceGeneration": service["generation"]})


def start(world: World, revision: str) -> Failure | None:
    """Start the revision and keep how that went. Returns None or why it does not serve."""
    stored = world.store.get(REVISION, revision)
    if stored is None:
        return Failure("The revision was deleted.", "NOT_FOUND")
    _pin(world, revision)
    began = monotonic()
    failure: Failure | None = None
    try:
        engine_of(world).start_revision(revision)
    except ContainerFailed as error:
        failure = Failure(_with_log_address(revision, str(error)), "FAILED_PRECONDITION", _HEALTH)
    except Unresolved as error:
        failure = Failure(str(error), error.status, {"reason": error.reason} if error.reason else {})
    if failure:
        engine_of(world).note(revision, failure.text.partition("\n")[0])
    settle(world, revision, failure, monotonic() - began)
    return failure


def settle(world: World, revision: str, failure: Failure | None, took: float = 0.0) -> None:
    """Keep how an attempt to start the revision ended, after `took` seconds."""
    if world.store.get(REVISION, revision) is None:
        return
    state, text = ("FAILED", failure.text) if failure else ("SUCCEEDED", "")
    reasons: Mapping[str, str] = failure.reasons if failure else {}
    healthy = f"Containers became healthy in {took:.2f}s."
    provisioned = f"Provisioned infrastructure to run user containers in {took:.2f}s."
    conditions = [
        common.condition(world, "Ready", state, text, **reasons),
        common.condition(world, "ContainerReady", "SUCCEEDED", "Imported container image."),
        common.condition(world, "ContainerHealthy", state, text or healthy, **reasons),
        common.condition(world, "ResourcesAvailable", "SUCCEEDED", provisioned),
    ]

    def change(current: Body) -> Body:
        resource = {
            **current["resource"],
            "conditions": conditions,
            "observedGeneration": "1",
            "updateTime": world.now(),
        }
        resource.pop("reconciling", None)
        kept = {key: value for key, value in current.items() if key != "failure"}
        why = {"failure": [failure.text, failure.status, dict(failure.reasons)]} if failure else {}
        return {**kept, **why, "resource": resource}

    world.store.update(REVISION, revision, change)


def failure_of(world: World, revision: str) -> Failure | None:
    """Why the revision does not serve, as it was found when it was tried; None where it was not, or serves."""
    stored = world.store.get(REVISION, revision) or {}
    return Failure(*stored["failure"]) if "failure" in stored else None


def mark_routed(world: World, service: Mapping[str, Any]) -> None:
    """Keep on every ready revision of the service whether traffic may reach it: its condition Active."""
    needed = serving(service)
    for name, stored in world.store.list(REVISION, f"{service['name']}/revisions/"):
        conditions: Sequence[Mapping[str, Any]] = stored["resource"]["conditions"]
        known = [one["state"] for one in conditions if one["type"] == "Active"]
        state = "CONDITION_SUCCEEDED" if name in needed else "CONDITION_FAILED"
        if conditions[0]["state"] != "CONDITION_SUCCEEDED" or known == [state]:
            continue
        words = {} if name in needed else {"revisionReason": "RETIRED", "message": "Revision retired."}
        active = {
            **common.condition(world, "Active", state.removeprefix("CONDITION_")),
            **words,
            "severity": "INFO",
        }
        others = [one for one in conditions if one["type"] != "Active"]
        resource = {**stored["resource"], "conditions": [others[0], active, *others[1:]]}
        world.store.put(REVISION, name, {**stored, "resource": resource})


def get(world: World, request: Request) -> Body:
    """revisions.get."""
    name = common.full_name(request)
    stored = world.store.get(REVISION, name)
    if stored is None:
        raise common.missing("REVISION", name)
    return stored["resource"]


def listing(world: World, request: Request) -> Body:
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


def delete(world: World, request: Request) -> Body:
    """revisions.delete; not what traffic goes to, and not the latest."""
    name = common.full_name(request)
    resource = get(world, request)
    common.check_etag(request.params.get("etag"), resource, name)
    service = world.store.get(SERVICE, name.partition("/revisions/")[0])
    if service is not None and name in serving(service["resource"]):
        short = name.rsplit("/", 1)[-1]
        text = f"Revision '{short}' is active and cannot be deleted: it serves traffic, or is the latest revision."
        raise ApiError(400, text, rpc_status="FAILED_PRECONDITION")
    if not request.params.get("validateOnly"):
        engine_of(world).stop_revision(name)
        world.store.delete(REVISION, name)
    return common.done(world, request, {**resource, **common.deletion(world)}, "Revision")


def serving(service: Mapping[str, Any]) -> set[str]:
    """The full names of the revisions that a service needs."""
    named = {
        f"{service['name']}/revisions/{target['revision']}"
        for target in (*service.get("traffic", ()), *service.get("trafficStatuses", ()))
        if target.get("revision")
    }
    return named | {service.get("latestReadyRevision", ""), service.get("latestCreatedRevision", "")}


def _pin(world: World, revision: str) -> None:
    """The revision keeps the digests that its images' tags mean now."""

    def change(current: Body) -> Body:
        resource = current["resource"]
        containers: list[Body] = []
        statuses: list[Body] = []
        for container in resource["containers"]:
            named = pinned(world, container["image"])
            containers.append({**container, "image": named or container["image"]})
            name = {"name": container["name"]} if "name" in container else {}
            statuses += [{**name, "imageDigest": named}] if named else []
        digests = [one["imageDigest"].rpartition("@")[2] for one in statuses]
        resource = {
            **resource,
            "containers": containers,
            **({"containerStatuses": statuses} if statuses else {}),
        }
        return {**current, "resource": resource, "digests": digests}

    world.store.update(REVISION, revision, change)


def _with_log_address(revision: str, text: str) -> str:
    """Google's sentence on a container that failed, with where its log and its advice are."""
    _, project, _, _, _, service, _, short = revision.split("/")
    query = (
        "resource.type%3D%22cloud_run_revision%22%0A"
        f"resource.labels.service_name%3D%22{service}%22%0Aresource.labels.revision_name%3D%22{short}%22"
    )
    place = f"cloud_run_revision/service_name/{service}/revision_name/{short}"
    url = f"https://console.cloud.google.com/logs/viewer?project={project}&resource={place}&advancedFilter={query}"
    advice = "https://cloud.google.com/run/docs/troubleshooting#container-failed-to-start"
    return f"{text}\n\nLogs URL: {url} \nFor more troubleshooting guidance, see {advice}"
