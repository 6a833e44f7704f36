"""Cloud Storage: buckets and their IAM policies. Objects are in storage_objects."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox import buckets
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import listed
from reconciler.sandbox.store import Body, Exists
from reconciler.sandbox.world import Answer, Method, Request, World

API: Final = "storage"
VERSIONS: Final = ("v1",)
BUCKET: Final = "storage.bucket"
Function = Callable[[World, Request], Mapping[str, Any] | Answer]


def methods(world: World) -> dict[str, Method]:
    """What of buckets is emulated: no ACLs, no locks, no relocation."""
    found: dict[str, Function] = {
        "insert": _insert,
        "get": _get,
        "list": _list,
        "patch": _patch,
        "update": _update,
        "delete": _delete,
        "getIamPolicy": _get_policy,
        "setIamPolicy": _set_policy,
        "testIamPermissions": _test_permissions,
        "getStorageLayout": _layout,
    }

    def bound(function: Function) -> Method:
        return lambda request: function(world, request)

    return {f"buckets.{verb}": bound(function) for verb, function in found.items()}


def bucket_of(world: World, request: Request, permission: str, name: str = "") -> Body:
    """The bucket that a request names, for a caller who holds *permission* on it; raises ApiError 404 or 403."""
    wanted = name or request.params["bucket"]
    body = world.store.get(BUCKET, wanted)
    if body is None:
        raise ApiError(404, "The specified bucket does not exist.")
    demand(world, request, permission, body)
    return body


def demand(world: World, request: Request, permission: str, bucket: Body, *, on: str = "bucket") -> None:
    """Raise Google's 403 unless the caller holds *permission* on *bucket*."""
    places = [f"buckets/{bucket['name']}", f"projects/{bucket['projectId']}"]
    if not world.policies.allowed(request.caller, permission, places):
        who = request.caller.partition(":")[2] or "Anonymous caller"
        text = (
            f"{who} does not have {permission} access to the Google Cloud Storage {on}. "
            f"Permission '{permission}' denied on resource (or it may not exist)."
        )
        raise ApiError(403, text)


def _shown(body: Body) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != "projectId"}


def _on_project(world: World, request: Request, permission: str) -> None:
    if not world.policies.allowed(request.caller, permission, [f"projects/{request.project}"]):
        who = request.caller.partition(":")[2]
        text = f"{who} does not have {permission} access to the Google Cloud project."
        raise ApiError(403, f"{text} Permission '{permission}' denied on resource (or it may not exist).")


def _insert(world: World, request: Request) -> Mapping[str, Any]:
    _on_project(world, request, "storage.buckets.create")
    name = request.body.get("name")
    if not name:
        raise ApiError(400, "Required parameter: name", reason="required")
    project = world.projects.get(request.project)
    number = project.number if project else ""
    body = buckets.made(name, request.body, number, world.clock())
    body["projectId"] = request.project
    try:
        world.store.create(BUCKET, name, body)
    except Exists as error:
        raise _taken(world, request, name) from error
    return _shown(body)


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


def _get(world: World, request: Request) -> Mapping[str, Any] | Answer:
    body = bucket_of(world, request, "storage.buckets.get")
    return _shown(body) if buckets.check_preconditions(body, request.params) else Answer(304)


def _list(world: World, request: Request) -> Mapping[str, Any]:
    _on_project(world, request, "storage.buckets.list")
    prefix = request.params.get("prefix", "")
    items = [
        (name, _shown(body))
        for name, body in world.store.list(BUCKET, prefix)
        if body["projectId"] == request.project and not request.params.get("softDeleted")
    ]
    page = listed("items", items, request.params, default=1000, most=1000, size="maxResults")
    return {"kind": "storage#buckets", **page}


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    bucket_of(world, request, "storage.buckets.update")
    sent = buckets.accepted(request.body)
    return _changed(world, request, lambda body: buckets.merged(body, sent), wanted=bool(sent))


def _update(world: World, request: Request) -> Mapping[str, Any]:
    bucket_of(world, request, "storage.buckets.update")
    return _changed(world, request, lambda body: buckets.replaced(body, request.body), wanted=True)


def _changed(
    world: World, request: Request, change: Callable[[Body], Body], *, wanted: bool
) -> Mapping[str, Any]:
    now = world.clock()

    def apply(old: Body) -> Body:
        if not buckets.check_preconditions(old, request.params):
            raise buckets.failed_precondition()
        if not wanted:
            return old
        fresh = buckets.settled(old, change(old), now)
        return {**buckets.bumped(fresh, now), "projectId": old["projectId"]}

    return _shown(world.store.update(BUCKET, request.params["bucket"], apply))


def _delete(world: World, request: Request) -> Answer:
    name = request.params["bucket"]
    with world.store.transaction():
        body = bucket_of(world, request, "storage.buckets.delete")
        if not buckets.check_preconditions(body, request.params):
            raise buckets.failed_precondition()
        for kind in ("storage.object", "storage.noncurrent"):
            if world.store.list(kind, f"{name}/", limit=1):
                raise ApiError(409, "The bucket you tried to delete is not empty.", reason="conflict")
        world.store.delete(BUCKET, name)
        world.policies.forget(f"buckets/{name}")
    with contextlib.suppress(OSError):
        (world.home / "objects" / name).rmdir()
    return Answer(204)


def _get_policy(world: World, request: Request) -> Mapping[str, Any]:
    body = bucket_of(world, request, "storage.buckets.getIamPolicy")
    return _shown_policy(world, body)


def _shown_policy(world: World, bucket: Body) -> dict[str, Any]:
    name = bucket["name"]
    policy = world.store.get("policy", f"buckets/{name}") or _first_policy(bucket)
    return {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{name}", **policy}


def _first_policy(bucket: Body) -> dict[str, Any]:
    """The legacy bindings that every bucket starts with; on objects only where access is uniform."""
    project = bucket["projectId"]
    owners, viewers = [f"projectEditor:{project}", f"projectOwner:{project}"], [f"projectViewer:{project}"]
    bindings = [
        {"role": "roles/storage.legacyBucketOwner", "members": owners},
        {"role": "roles/storage.legacyBucketReader", "members": viewers},
    ]
    if bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]:
        bindings.append({"role": "roles/storage.legacyObjectOwner", "members": owners})
        bindings.append({"role": "roles/storage.legacyObjectReader", "members": viewers})
    return {"version": 1, "etag": "CAE=", "bindings": bindings}


def _set_policy(world: World, request: Request) -> Mapping[str, Any]:
    bucket = bucket_of(world, request, "storage.buckets.setIamPolicy")
    resource = f"buckets/{bucket['name']}"
    public = {"allUsers", "allAuthenticatedUsers"}
    bindings: list[dict[str, Any]] = request.body.get("bindings", [])
    enforced = bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    if enforced and any(not public.isdisjoint(binding.get("members", ())) for binding in bindings):
        text = (
            "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention "
            "is enforced."
        )
        raise ApiError(412, text, reason="conditionNotMet")
    with world.store.transaction():
        if world.store.get("policy", resource) is None:
            world.store.put("policy", resource, _first_policy(bucket))
        try:
            world.policies.set(resource, {**request.body, "bindings": bindings})
        except ApiError as error:
            if error.rpc_status == "ABORTED":
                raise buckets.failed_precondition() from error
            raise ApiError(error.status, error.message, reason="invalid") from error
    return _shown_policy(world, bucket)


def _test_permissions(world: World, request: Request) -> Mapping[str, Any]:
    body = world.store.get(BUCKET, request.params["bucket"])
    if body is None:
        raise ApiError(404, "The specified bucket does not exist.")
    places = [f"buckets/{body['name']}", f"projects/{body['projectId']}"]
    held = world.policies.held(request.caller, request.params.get("permissions", ()), places)
    return {"kind": "storage#testIamPermissionsResponse", **held}


def _layout(world: World, request: Request) -> Mapping[str, Any]:
    body = bucket_of(world, request, "storage.objects.list")
    return {
        "kind": "storage#storageLayout",
        "bucket": body["name"],
        "location": body["location"],
        "locationType": body["locationType"],
    }
