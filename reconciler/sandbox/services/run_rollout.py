"""How a service reaches what was asked of it: start the new revision, move the traffic, stop what nobody needs."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.operations import Progress
from reconciler.sandbox.registry import resolve_image
from reconciler.sandbox.runtime.containers import ContainerFailed
from reconciler.sandbox.runtime.engine import REVISION, SERVICE, engine_of
from reconciler.sandbox.runtime.resolve import Unresolved
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.store import Body, Missing
from reconciler.sandbox.world import World

DEPLOY: Final = "run.deploy"
DELETE: Final = "run.deleteService"


def register(world: World) -> None:
    """Say what the operations on services do. One service is changed by one operation after the other."""
    locks: dict[str, threading.Lock] = {}
    guard = threading.Lock()

    def lock(name: str) -> threading.Lock:
        with guard:
            return locks.setdefault(name, threading.Lock())

    def deploy(arguments: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
        with lock(arguments["name"]):
            return _deploy(world, arguments["name"], arguments["revision"], progress)

    def delete(arguments: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
        with lock(arguments["name"]):
            return _delete(world, arguments, progress)

    world.operations.register(DEPLOY, deploy)
    world.operations.register(DELETE, delete)


def _deploy(world: World, name: str, short: str, progress: Progress) -> Mapping[str, Any]:
    revision = f"{name}/revisions/{short}" if short else ""
    failure = ""
    if revision:
        failure = _start(world, revision)
    elif (stored := world.store.get(SERVICE, name)) is not None:
        failure = _standing_failure(world, stored["resource"])
    try:
        resource = world.store.update(
            SERVICE, name, lambda stored: _settled(world, stored, revision, failure)
        )["resource"]
    except Missing as error:
        raise common.missing("SERVICE", name) from error
    progress(common.typed(resource, "Service", final=False))
    if failure:
        raise ApiError(500, failure, rpc_status="INTERNAL")
    port = engine_of(world).open_port(name)
    world.store.update(SERVICE, name, lambda stored: {**stored, "localPort": port})
    _stop_unneeded(world, resource)
    return common.typed(resource, "Service")


def _standing_failure(world: World, service: Mapping[str, Any]) -> str:
    """Why the latest revision, tried before, does not serve; nothing is tried again."""
    latest = service.get("latestCreatedRevision", "")
    stored = world.store.get(REVISION, latest)
    if stored is None or latest == service.get("latestReadyRevision"):
        return ""
    conditions: Sequence[Mapping[str, Any]] = stored["resource"].get("conditions", ())
    return str(conditions[0].get("message", "")) if conditions else ""


def _start(world: World, revision: str) -> str:
    """Start the revision. Returns "" or Google's sentence on why it does not serve."""
    short = revision.rsplit("/", 1)[-1]
    reason = ""
    stored = world.store.get(REVISION, revision)
    if stored is None:
        return f"Revision '{short}' does not exist."
    image = stored["resource"]["containers"][0]["image"]
    pinned = resolve_image(world, image)
    if pinned is not None:
        _pin(world, revision, pinned)
    try:
        engine_of(world).start_revision(revision)
    except (ContainerFailed, Unresolved) as error:
        engine_of(world).note(revision, str(error))
        tail = engine_of(world).log(short).tail(15)
        reason = f"Revision '{short}' is not ready and cannot serve traffic. {error}\n\nLog of the revision:\n{tail}"
    state = "FAILED" if reason else "SUCCEEDED"
    conditions = [
        common.condition(world, "Ready", state, reason),
        common.condition(world, "ContainerHealthy", state),
        common.condition(world, "ResourcesAvailable", "SUCCEEDED"),
    ]

    def settle(current: Body) -> Body:
        resource = {
            **current["resource"],
            "conditions": conditions,
            "observedGeneration": "1",
            "updateTime": world.now(),
        }
        resource.pop("reconciling", None)
        return {**current, "resource": resource}

    world.store.update(REVISION, revision, settle)
    return reason


def _pin(world: World, revision: str, pinned: str) -> None:
    """The revision keeps the digest that its image's tag means now."""

    def change(current: Body) -> Body:
        resource = current["resource"]
        container = {**resource["containers"][0], "image": pinned}
        return {"resource": {**resource, "containers": [container]}, "digest": pinned.rpartition("@")[2]}

    world.store.update(REVISION, revision, change)


def _settled(world: World, stored: Body, revision: str, failure: str) -> Body:
    """The service after the attempt. A failed revision leaves the traffic where it was."""
    resource = dict(stored["resource"])
    if revision and not failure:
        resource["latestReadyRevision"] = revision
    if revision and resource.get("latestCreatedRevision") != revision:
        return {
            **stored,
            "resource": resource,
        }  # somebody changed it meanwhile, and that operation speaks for it
    resource["observedGeneration"] = resource["generation"]
    resource.pop("reconciling", None)
    ready = bool(resource.get("latestReadyRevision"))
    if ready and not failure:
        resource["trafficStatuses"] = [_status(resource, target) for target in resource["traffic"]]
    state = "FAILED" if failure else "SUCCEEDED"
    resource["terminalCondition"] = common.condition(world, "Ready", state, failure)
    resource["conditions"] = [
        common.condition(world, "RoutesReady", state, failure),
        common.condition(world, "ConfigurationsReady", state, failure),
    ]
    resource["etag"] = common.new_etag()
    return {**stored, "resource": resource}


def _status(service: Mapping[str, Any], target: Mapping[str, Any]) -> dict[str, Any]:
    status = dict(target)
    if target.get("tag"):
        status["uri"] = service["uri"].replace("https://", f"https://{target['tag']}---", 1)
    return status


def _stop_unneeded(world: World, service: Mapping[str, Any]) -> None:
    prefix = f"{service['name']}/revisions/"
    targets = [*service.get("traffic", ()), *service.get("trafficStatuses", ())]
    needed = {f"{prefix}{target['revision']}" for target in targets if target.get("revision")}
    needed.add(service["latestReadyRevision"])
    for name, _ in world.store.list(REVISION, prefix):
        if name not in needed:
            engine_of(world).stop_revision(name)


def _delete(world: World, arguments: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
    name = arguments["name"]
    engine = engine_of(world)
    engine.close_port(name)
    for revision, _ in world.store.list(REVISION, f"{name}/revisions/"):
        engine.stop_revision(revision)
        world.store.delete(REVISION, revision)
    if world.store.get(SERVICE, name) is not None:
        world.store.delete(SERVICE, name)
    world.policies.forget(name)
    last: Body = dict(arguments["last"])
    last.pop("reconciling", None)
    last |= {
        "observedGeneration": last["generation"],
        "terminalCondition": common.condition(world, "Ready", "SUCCEEDED"),
    }
    progress(common.typed(last, "Service", final=False))
    return common.typed(last, "Service")
