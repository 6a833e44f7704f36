"""How a service reaches what was asked of it: start the new revision, move the traffic, stop what nobody needs."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import iap
from reconciler.sandbox.operations import Progress
from reconciler.sandbox.runtime.engine import REVISION, SERVICE, engine_of
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.services import run_revisions as revisions
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
            return _deploy(world, arguments, progress)

    def delete(arguments: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
        with lock(arguments["name"]):
            return _delete(world, arguments, progress)

    def broken(arguments: Mapping[str, Any], error: ApiError) -> None:
        """Google failed half-way: the service says so, and the revision that was to be never serves."""
        with lock(arguments["name"]):
            failure = revisions.Failure(error.message, "INTERNAL", {"reason": "INTERNAL"})
            revision = _revision(arguments)
            if revision:
                revisions.settle(world, revision, failure)
            _settle(world, arguments, failure)

    world.operations.register(DEPLOY, deploy, broken)
    world.operations.register(DELETE, delete)


def _revision(arguments: Mapping[str, Any]) -> str:
    return f"{arguments['name']}/revisions/{arguments['revision']}" if arguments["revision"] else ""


def _deploy(world: World, arguments: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
    name, revision = arguments["name"], _revision(arguments)
    try:
        progress(common.typed(_begun(world, name, arguments["revision"]), "Service", final=False))
        failure = revisions.start(world, revision) if revision else _standing_failure(world, name)
        failure = failure or _lost_target(world, name)
        resource = _settle(world, arguments, failure)
    except Missing as error:
        raise common.missing("SERVICE", name) from error
    progress(common.typed(resource, "Service", final=False))
    if failure:
        latest = resource["latestCreatedRevision"].rsplit("/", 1)[-1]
        log = f"\n\nLog of the revision:\n{tail}" if (tail := engine_of(world).log(latest).tail(15)) else ""
        text = f"{revisions.not_ready(latest, failure)}{log}"
        raise ApiError(revisions.STATUS[failure.status], text, rpc_status=failure.status)
    port = engine_of(world).open_port(name)
    world.store.update(SERVICE, name, lambda stored: {**stored, "localPort": port})
    _stop_unneeded(world, resource)
    return common.typed(resource, "Service")


def _begun(world: World, name: str, short: str) -> Body:
    """The service once its rollout is under way. Raises Missing."""
    text = f"Deploying Revision. Waiting on revision {short}." if short else "Deploying Revision."

    def change(stored: Body) -> Body:
        if "reconciling" not in stored["resource"] or "deleteTime" in stored["resource"]:
            return stored
        conditions = [
            common.condition(world, kind, "RECONCILING", text)
            for kind in ("RoutesReady", "ConfigurationsReady")
        ]
        terminal = common.condition(world, "Ready", "RECONCILING", "Deploying Revision.")
        resource = {**stored["resource"], "terminalCondition": terminal, "conditions": conditions}
        return {**stored, "resource": resource}

    return world.store.update(SERVICE, name, change)["resource"]


def _standing_failure(world: World, name: str) -> revisions.Failure | None:
    """Why the latest revision, tried before, does not serve; nothing is tried again. Raises Missing."""
    service = world.store.get(SERVICE, name)
    if service is None:
        raise Missing(name)
    latest = service["resource"].get("latestCreatedRevision", "")
    if latest == service["resource"].get("latestReadyRevision"):
        return None
    return revisions.failure_of(world, latest)


def _lost_target(world: World, name: str) -> revisions.Failure | None:
    """Why the traffic cannot go where it is sent."""
    service = world.store.get(SERVICE, name) or {"resource": {}}
    for target in service["resource"].get("traffic", ()):
        revision = target.get("revision")
        if revision and world.store.get(REVISION, f"{name}/revisions/{revision}") is None:
            text = (
                f"Revision '{revision}' does not exist or is deleted. Update all traffic to route to currently "
                "available revisions."
            )
            return revisions.Failure(text, "INTERNAL", {"reason": "REVISION_FAILED"}, whole=True)
    return None


def _settle(world: World, arguments: Mapping[str, Any], failure: revisions.Failure | None) -> Body:
    """Keep how the service stands after the attempt. Raises Missing."""
    before: Mapping[str, Any] = arguments.get("before", {})
    settled = world.store.update(
        SERVICE,
        arguments["name"],
        lambda stored: _settled(world, stored, _revision(arguments), failure, before),
    )
    revisions.mark_routed(world, settled["resource"])
    return settled["resource"]


def _settled(
    world: World,
    stored: Body,
    revision: str,
    failure: revisions.Failure | None,
    before: Mapping[str, Any],
) -> Body:
    """The service after the attempt. A failed revision leaves the traffic where it was."""
    resource = dict(stored["resource"])
    if revision and (failure is None or failure.whole):
        resource["latestReadyRevision"] = revision
    if (revision and resource.get("latestCreatedRevision") != revision) or "deleteTime" in resource:
        return {
            **stored,
            "resource": resource,
        }  # somebody changed it meanwhile, and that operation speaks for it
    resource["observedGeneration"] = resource["generation"]
    resource.pop("reconciling", None)
    serving = bool(resource.get("latestReadyRevision"))
    if serving and not failure:
        resource["trafficStatuses"] = [_status(resource, target) for target in resource["traffic"]]
    latest = resource.get("latestCreatedRevision", "").rsplit("/", 1)[-1]
    text = revisions.not_ready(latest, failure) if failure else ""
    resource |= _reached(world, failure, text, before, serving=serving)
    return {**stored, "resource": resource}


def _reached(
    world: World, failure: revisions.Failure | None, text: str, before: Mapping[str, Any], *, serving: bool
) -> Body:
    """The conditions of a service after an attempt; `serving`: a revision of it, if not the newest, is ready."""

    def one(kind: str, *, failed: bool) -> Body:
        if failure is None or not failed:
            return common.condition(world, kind, "SUCCEEDED")
        return common.condition(world, kind, "FAILED", text, **failure.reasons)

    whole = failure is not None and failure.whole
    ready = one("Ready", failed=True)
    if failure is None:
        ready = common.settled(world, "Ready", "SUCCEEDED", "", before)
    routes = one("RoutesReady", failed=whole or not serving)
    return {"terminalCondition": ready, "conditions": [routes, one("ConfigurationsReady", failed=not whole)]}


def _status(service: Mapping[str, Any], target: Mapping[str, Any]) -> dict[str, Any]:
    status = dict(target)
    if target.get("tag") and service.get("uri"):
        status["uri"] = service["uri"].replace("https://", f"https://{target['tag']}---", 1)
    return status


def _stop_unneeded(world: World, service: Mapping[str, Any]) -> None:
    prefix = f"{service['name']}/revisions/"
    targets: Sequence[Mapping[str, Any]] = [*service.get("traffic", ()), *service.get("trafficStatuses", ())]
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
    iap.forget(world, iap.place_of_service(name))
    last = common.gone(world, arguments)
    progress(common.typed(last, "Service", final=False))
    return common.typed(last, "Service")
