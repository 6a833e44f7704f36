"""Cloud Storage: objects, one at a time. Lists, copies and restored objects have modules of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services.storage import Function, served
from reconciler.sandbox.storage import (
    acls,
    blobs,
    bucket_access,
    buckets,
    downloads,
    encryption,
    generations,
    objects,
    preconditions,
    resumable,
    soft_delete,
    uploads,
    xml_uploads,
)
from reconciler.sandbox.storage.bucket_access import bucket_of, demand, may
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Answer, Method, Request, World

API: Final = "storage"
VERSIONS: Final = ("v1",)


def methods(world: World) -> dict[str, Method]:
    """What of objects is emulated: everything but keys of the customer's own and policies of single objects."""
    soft_delete.purge(world)
    blobs.sweep(world.home, [*resumable.sweep(world), *xml_uploads.sweep(world)])
    generations.sweep(world)
    found: dict[str, Function] = {
        "insert": _insert,
        "get": _get,
        "patch": _patch,
        "update": _update,
        "delete": _delete,
    }
    return served(world, {f"objects.{verb}": function for verb, function in found.items()})


def shown(
    world: World, request: Request, bucket: Body, body: Body, default: str = "noAcl"
) -> Mapping[str, Any]:
    """The object's resource, as full as the request asks and the caller may see."""
    full = request.params.get("projection", default) == "full"
    if (
        full
        and not buckets.uniform(bucket)
        and not may(world, request.caller, "storage.objects.getIamPolicy", bucket, body)
    ):
        if "projection" in request.params:
            demand(world, request.caller, "storage.objects.getIamPolicy", bucket, on=body)
        full = False
    return objects.shown(bucket, body, request.base_url, full=full)


def _insert(world: World, request: Request) -> Mapping[str, Any] | Answer:
    going_on = "upload_id" in request.params
    bucket = bucket_access.found(world, request.params["bucket"])
    if not going_on:
        demand(world, request.caller, "storage.objects.create", bucket)
    uploads.refuse_customer_keys(request)
    received = uploads.receive(world, request)
    if isinstance(received, Answer):
        return received
    if isinstance(received, resumable.Finished):
        made = generations.find(world, bucket["name"], received.name, received.generation)
        return shown(world, request, bucket, made)
    metadata = {**objects.given(received.metadata, (*objects.ON_WRITING, "acl"))}
    name = str(received.params.get("name") or received.metadata.get("name") or "")
    if received.params.get("contentEncoding"):
        metadata["contentEncoding"] = received.params["contentEncoding"]
    try:
        demand(world, received.caller, "storage.objects.create", bucket, on={"name": name})
        metadata.update(encryption.key_version(world, bucket, received.params.get("kmsKeyName")))
        body = generations.keep(
            world, received.caller, bucket, name, metadata, received.written, received.params
        )
    except BaseException:
        resumable.given_up(world, received)
        raise
    resumable.finished(world, received, body)
    return shown(world, request, bucket, body, "full" if metadata.get("acl") else "noAcl")


def _get(world: World, request: Request) -> Mapping[str, Any] | Answer:
    if request.params.get("softDeleted"):
        return _deleted(world, request)
    bucket, body = downloads.found(world, request, "storage.objects.get")
    preconditions.hold_of_object(body, request.params)
    if request.media or request.params.get("alt") == "media":
        return downloads.content(world, request, body)
    return shown(world, request, bucket, body)


def _deleted(world: World, request: Request) -> Mapping[str, Any]:
    bucket = bucket_of(world, request, "storage.objects.get")
    generation = request.params.get("generation")
    if generation is None:
        raise ApiError(400, "You must specify a generation.", reason="required")
    name = request.params["object"]
    key = soft_delete.object_key({"bucket": bucket["name"], "name": name, "generation": generation})
    body = world.store.get(soft_delete.DELETED, key)
    if body is None or soft_delete.expired(world, body):
        raise generations.missing(bucket["name"], name)
    return shown(world, request, bucket, body)


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    return _changed(world, request, replace=False)


def _update(world: World, request: Request) -> Mapping[str, Any]:
    return _changed(world, request, replace=True)


def _changed(world: World, request: Request, *, replace: bool) -> Mapping[str, Any]:
    override = bool(request.params.get("overrideUnlockedRetention"))
    with world.store.transaction():
        bucket, body = downloads.found(world, request, "storage.objects.update")
        preconditions.hold_of_object(body, request.params)
        fresh = objects.changed(bucket, body, request.body, world.clock(), replace=replace, override=override)
        fresh.update(_list(world, request, bucket, body))
        generations.change(world, body, fresh)
    return shown(world, request, bucket, fresh, "full")


def _list(world: World, request: Request, bucket: Body, body: Body) -> dict[str, Any]:
    """The list that a PATCH or PUT brings; raises ApiError where there may be none."""
    sent, canned = request.body.get("acl"), request.params.get("predefinedAcl")
    if not sent and not canned:
        return {}
    acls.demand_lists(bucket, acls.WRITE_OBJECT)
    if sent and canned:
        raise acls.twice()
    owner = body["ownerEntity"]
    entries = (
        [{"entity": owner, "role": "OWNER"}, *acls.canned("object", canned, bucket["projectNumber"])]
        if canned
        else acls.checked(
            "object", sent or (), owner, lambda project: bucket_access.number_of(world, project)
        )
    )
    if acls.public(entries) and bucket_access.prevented(world, bucket):
        raise bucket_access.no_public()
    return {"acl": entries}


def _delete(world: World, request: Request) -> Answer:
    bucket, body = downloads.found(world, request, "storage.objects.delete")
    preconditions.hold_of_object(body, request.params)
    generations.delete(world, bucket, body, by_number=bool(request.params.get("generation")))
    return Answer(204)
