"""Cloud Storage: buckets. Policies, lists, folders, notifications and objects have modules of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import listed
from reconciler.sandbox.storage import acls, bucket_access, buckets, encryption, preconditions, soft_delete
from reconciler.sandbox.storage.bucket_access import bucket_of, demand_on_project, may
from reconciler.sandbox.storage.buckets import BUCKET
from reconciler.sandbox.storage.folders import FOLDER, MANAGED
from reconciler.sandbox.storage.objects import NONCURRENT, OBJECT
from reconciler.sandbox.store import Body, Exists, inner
from reconciler.sandbox.world import Answer, Method, Request, World

API: Final = "storage"
VERSIONS: Final = ("v1",)
NOTIFICATION: Final = "storage.notification"
CONTENTS: Final = (OBJECT, NONCURRENT, FOLDER, MANAGED)
"""What keeps a bucket from being deleted."""
Function = Callable[[World, Request], Mapping[str, Any] | Answer]


def methods(world: World) -> dict[str, Method]:
    """What of buckets is emulated: everything but moving them to another place."""
    found: dict[str, Function] = {
        "insert": _insert,
        "get": _get,
        "list": _list,
        "patch": _patch,
        "update": _update,
        "delete": _delete,
        "restore": _restore,
        "lockRetentionPolicy": _lock,
        "getStorageLayout": _layout,
    }
    return served(world, {f"buckets.{verb}": function for verb, function in found.items()})


def served(world: World, functions: Mapping[str, Function]) -> dict[str, Method]:
    """*functions* on *world*; what finds a resource unchanged answers 304."""

    def bound(function: Function) -> Method:
        def method(request: Request) -> Mapping[str, Any] | Answer:
            try:
                return function(world, request)
            except preconditions.Unchanged:
                return Answer(304)

        return method

    return {key: bound(function) for key, function in functions.items()}


def change(world: World, name: str, apply: Callable[[Body], Body]) -> Body:
    """Replace the live bucket *name* by what *apply* makes of it, atomically; raises ApiError 404."""
    with world.store.transaction():
        fresh = apply(bucket_access.found(world, name))
        world.store.put(BUCKET, name, fresh)
    return fresh


def _full(world: World, request: Request, bucket: Body, default: str) -> bool:
    wished = request.params.get("projection", default) == "full"
    if wished and not may(world, request.caller, "storage.buckets.getIamPolicy", bucket):
        if "projection" in request.params:
            bucket_access.demand(world, request.caller, "storage.buckets.getIamPolicy", bucket)
        return False
    return wished


def _insert(world: World, request: Request) -> Mapping[str, Any]:
    demand_on_project(world, request, "storage.buckets.create")
    name = request.body["name"]
    number = bucket_access.number_of(world, request.project)
    retention = bool(request.params.get("enableObjectRetention"))
    body = buckets.made(name, request.body, number, world.clock(), retention=retention)
    body["projectId"] = request.project
    bucket_access.check_constraints(world, body)
    encryption.check_default(world, {}, body)
    lists = _lists(world, request, body)
    body["defaultObjectAcl"] = lists.get("defaultObjectAcl", acls.canned("default", "projectPrivate", number))
    with world.store.transaction():
        try:
            world.store.create(BUCKET, name, body)
        except Exists as error:
            raise _taken(world, request, name) from error
        bucket_access.keep_bindings(world, body, {"bindings": bucket_access.first_bindings(body)})
        if "acl" in lists:
            bucket_access.keep_list(world, body, lists["acl"])
    asked = any(request.body.get(field) for field in buckets.LISTS)
    return bucket_access.shown(world, body, full=_full(world, request, body, "full" if asked else "noAcl"))


def _lists(world: World, request: Request, bucket: Body) -> dict[str, list[acls.Entry]]:
    """The lists that a request brings, by the field; raises ApiError where there may be none."""
    lists: dict[str, list[acls.Entry]] = {}
    number = bucket["projectNumber"]
    kinds: tuple[tuple[str, str, acls.Kind, str], ...] = (
        ("acl", "predefinedAcl", "bucket", bucket_access.owner_of(bucket)),
        ("defaultObjectAcl", "predefinedDefaultObjectAcl", "default", ""),
    )
    for field, parameter, kind, owner in kinds:
        sent, canned = request.body.get(field), request.params.get(parameter)
        if not sent and not canned:
            continue
        acls.demand_lists(bucket, acls.WRITE_BUCKET)
        if sent and canned:
            raise acls.twice()
        lists[field] = (
            acls.canned(kind, canned, number)
            if canned
            else acls.checked(
                kind, sent or (), owner, lambda project: bucket_access.number_of(world, project)
            )
        )
        if acls.public(lists[field]) and bucket_access.prevented(world, bucket):
            raise bucket_access.no_public()
    return lists


def _taken(world: World, request: Request, name: str) -> ApiError:
    owner = world.store.get(BUCKET, name)
    if owner is not None and owner["projectId"] == request.project:
        text = "Your previous request to create the named bucket succeeded and you already own it."
    else:
        text = (
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
            "Please select a different name and try again."
        )
    return ApiError(409, text, reason="conflict")


def _get(world: World, request: Request) -> Mapping[str, Any]:
    if request.params.get("softDeleted"):
        body = soft_delete.find_bucket(
            world, request.params["bucket"], str(request.params.get("generation", ""))
        )
        if body is None:
            raise bucket_access.no_bucket()
        bucket_access.demand(world, request.caller, "storage.buckets.get", body)
        return soft_delete.shown_bucket(body)
    body = bucket_of(world, request, "storage.buckets.get")
    if request.params.get("generation", body["generation"]) != body["generation"]:
        raise bucket_access.no_bucket()
    preconditions.hold(body, request.params)
    return bucket_access.shown(world, body, full=_full(world, request, body, "noAcl"))


def _list(world: World, request: Request) -> Mapping[str, Any]:
    demand_on_project(world, request, "storage.buckets.list")
    prefix, full = request.params.get("prefix", ""), request.params.get("projection") == "full"
    if request.params.get("softDeleted"):
        items = [
            (name, soft_delete.shown_bucket(body))
            for name, body in world.store.list(soft_delete.DELETED_BUCKET, prefix)
            if body["projectId"] == request.project and not soft_delete.expired(world, body)
        ]
    else:
        items = [
            (name, bucket_access.shown(world, body, full=full))
            for name, body in world.store.list(BUCKET, prefix)
            if body["projectId"] == request.project
        ]
    page = listed("items", items, request.params, default=1000, most=1000, size="maxResults")
    return {"kind": "storage#buckets", **page}


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    bucket_of(world, request, "storage.buckets.update")
    asked = any(request.params.get(name) for name in ("predefinedAcl", "predefinedDefaultObjectAcl"))
    if not request.body and not asked:
        # An empty patch changes nothing, not even the metageneration, as recorded.
        return _changed(world, request, lambda body: body)
    return _changed(world, request, lambda body: buckets.patched(body, request.body, world.clock()))


def _update(world: World, request: Request) -> Mapping[str, Any]:
    bucket_of(world, request, "storage.buckets.update")
    return _changed(world, request, lambda body: buckets.replaced(body, request.body, world.clock()))


def _changed(world: World, request: Request, make: Callable[[Body], Body]) -> Mapping[str, Any]:
    def apply(old: Body) -> Body:
        preconditions.hold(old, request.params)
        fresh = make(old)
        if fresh["iamConfiguration"] != old["iamConfiguration"]:
            bucket_access.check_constraints(world, fresh)
        encryption.check_default(world, old, fresh)
        lists = _lists(world, request, fresh)
        if "acl" in lists:
            bucket_access.keep_list(world, fresh, lists["acl"])
        default = {"defaultObjectAcl": lists["defaultObjectAcl"]} if "defaultObjectAcl" in lists else {}
        return {**fresh, **default}

    body = change(world, request.params["bucket"], apply)
    return bucket_access.shown(world, body, full=_full(world, request, body, "full"))


def _delete(world: World, request: Request) -> Answer:
    name = request.params["bucket"]
    with world.store.transaction():
        body = bucket_of(world, request, "storage.buckets.delete")
        preconditions.hold(body, request.params)
        if any(world.store.list(kind, f"{name}/", limit=1) for kind in CONTENTS):
            raise ApiError(409, "The bucket you tried to delete is not empty.", reason="conflict")
        soft_delete.keep_bucket(world, body)
        for key, _ in world.store.list(NOTIFICATION, f"{name}/"):
            world.store.delete(NOTIFICATION, key)
    with contextlib.suppress(OSError):
        (world.home / "objects" / name).rmdir()
    return Answer(204)


def _restore(world: World, request: Request) -> Mapping[str, Any]:
    name = request.params["bucket"]
    with world.store.transaction():
        kept = soft_delete.find_bucket(world, name, str(request.params["generation"]))
        if kept is None:
            raise bucket_access.no_bucket()
        place = f"projects/{kept['projectId']}"
        if not world.policies.allowed(request.caller, "storage.buckets.restore", [place]):
            raise bucket_access.refused(
                request.caller, "storage.buckets.restore", "the Google Cloud Storage bucket"
            )
        if world.store.get(BUCKET, name) is not None:
            text = (
                "A live bucket with this name already exists. The live bucket must be deleted before this bucket can "
                "be restored."
            )
            raise ApiError(409, text, reason="conflict")
        body = soft_delete.restore_bucket(world, kept)
    return bucket_access.shown(world, body, full=_full(world, request, body, "full"))


def _lock(world: World, request: Request) -> Mapping[str, Any]:
    bucket_of(world, request, "storage.buckets.update")

    def apply(old: Body) -> Body:
        policy = inner(old, "retentionPolicy")
        if not policy or policy.get("isLocked"):
            text = f"Bucket '{old['name']}' does not have an unlocked retention policy."
            raise ApiError(400, text, reason="invalid")
        preconditions.hold(old, request.params)
        return buckets.bumped({**old, "retentionPolicy": {**policy, "isLocked": True}}, world.clock())

    return buckets.shown(change(world, request.params["bucket"], apply))


def _layout(world: World, request: Request) -> Mapping[str, Any]:
    body = bucket_of(world, request, "storage.objects.list")
    named = ("location", "locationType", "customPlacementConfig", "hierarchicalNamespace")
    shown = {key: body[key] for key in named if key in body}
    return {"kind": "storage#storageLayout", "bucket": body["name"], **shown}
