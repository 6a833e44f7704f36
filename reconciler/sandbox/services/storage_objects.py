"""Cloud Storage: objects, one at a time. Lists, copies and restored objects have modules of their own."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconciler.sandbox import (
    acls,
    blobs,
    bucket_access,
    buckets,
    generations,
    objects,
    preconditions,
    resumable,
    soft_delete,
    uploads,
)
from reconciler.sandbox.bucket_access import bucket_of, demand, may
from reconciler.sandbox.errors import ApiError, not_emulated
from reconciler.sandbox.services.storage import Function, served
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.world import Answer, Method, Request, World

API: Final = "storage"
VERSIONS: Final = ("v1",)


def methods(world: World) -> dict[str, Method]:
    """What of objects is emulated: everything but keys of the customer's own and policies of single objects."""
    soft_delete.purge(world)
    resumable.sweep(world)
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


def refuse_customer_keys(request: Request) -> None:
    """Raise ApiError for a key of the customer's own: contents are not encrypted here."""
    if "x-goog-encryption-algorithm" in request.headers:
        raise not_emulated(
            request.http_method, request.path.partition("?")[0], "customer-supplied encryption keys"
        )


def kms_key(bucket: Body, wished: str | None) -> dict[str, str]:
    """The key version under which a new object is said to lie: the wished key's, else the bucket's."""
    key = wished or inner(bucket, "encryption").get("defaultKmsKeyName")
    return {"kmsKeyName": f"{key}/cryptoKeyVersions/1"} if key else {}


def _insert(world: World, request: Request) -> Mapping[str, Any] | Answer:
    going_on = "upload_id" in request.params
    bucket = bucket_access.found(world, request.params["bucket"])
    if not going_on:
        demand(world, request.caller, "storage.objects.create", bucket)
    refuse_customer_keys(request)
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
    metadata.update(kms_key(bucket, received.params.get("kmsKeyName")))
    try:
        body = generations.keep(
            world, received.caller, bucket, name, metadata, received.written, received.params
        )
    except BaseException:
        resumable.given_up(world, received)
        raise
    resumable.finished(world, received, body)
    return shown(world, request, bucket, body, "full" if metadata.get("acl") else "noAcl")


def _find(world: World, request: Request, permission: str) -> tuple[Body, Body]:
    """The bucket and the object of a request, for a caller who may; a stranger learns nothing about what there is."""
    bucket = bucket_access.found(world, request.params["bucket"])
    name, generation = request.params["object"], request.params.get("generation")
    try:
        body = generations.find(world, bucket["name"], name, generation)
    except ApiError:
        demand(world, request.caller, permission, bucket, on={})
        if not may(world, request.caller, "storage.objects.list", bucket):
            # Without the right to list, a missing object cannot be told from one that is not the caller's to read.
            raise bucket_access.refused(
                request.caller, "storage.objects.list", "the Google Cloud Storage bucket"
            ) from None
        raise
    demand(world, request.caller, permission, bucket, on=body)
    return bucket, body


def _get(world: World, request: Request) -> Mapping[str, Any] | Answer:
    if request.params.get("softDeleted"):
        return _deleted(world, request)
    bucket, body = _find(world, request, "storage.objects.get")
    preconditions.hold_of_object(body, request.params)
    if request.media or request.params.get("alt") == "media":
        return content(world, request, body)
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


def content(world: World, request: Request, body: Body) -> Answer:
    """An object's bytes: all of them, or the range that the request asks for."""
    size = int(body["size"])
    headers = objects.headers(body)
    if body.get("contentEncoding") == "gzip" and "gzip" not in request.headers.get("accept-encoding", ""):
        return _unpacked(world, request, body, headers)
    wish = request.headers.get("range")
    span = objects.span(wish, size) if wish else None
    if wish and span == (0, 0):
        text = f"The requested range cannot be satisfied: {wish}.".encode()
        return Answer(416, text, [("Content-Range", f"bytes */{size}"), ("Content-Type", "text/plain")])
    start, end = span or (0, size)
    length = [("Content-Length", str(end - start))]
    pieces = b"" if request.http_method == "HEAD" else blobs.read(world.home, body["file"], start, end)
    if span is None:
        return Answer(200, pieces, [*headers, *length])
    return Answer(206, pieces, [*headers, *length, ("Content-Range", f"bytes {start}-{end - 1}/{size}")])


def _unpacked(world: World, request: Request, body: Body, headers: list[tuple[str, str]]) -> Answer:
    """What was stored compressed, for a client that takes no gzip: whole, whatever range it asks for."""
    left = [(name, value) for name, value in headers if name not in ("Content-Encoding", "Accept-Ranges")]

    def pieces() -> Iterator[bytes]:
        unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        for piece in blobs.read(world.home, body["file"], 0, int(body["size"])):
            yield unpacking.decompress(piece)
        yield unpacking.flush()

    try:
        with gzip.open(world.home / "objects" / body["file"]) as stored:
            stored.read(1)
    except (OSError, EOFError):
        # It says gzip and is none: Cloud Storage serves such an object as it is.
        return Answer(200, blobs.read(world.home, body["file"], 0, int(body["size"])), headers)
    return Answer(200, b"" if request.http_method == "HEAD" else pieces(), left)


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    return _changed(world, request, replace=False)


def _update(world: World, request: Request) -> Mapping[str, Any]:
    return _changed(world, request, replace=True)


def _changed(world: World, request: Request, *, replace: bool) -> Mapping[str, Any]:
    override = bool(request.params.get("overrideUnlockedRetention"))
    with world.store.transaction():
        bucket, body = _find(world, request, "storage.objects.update")
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
    bucket, body = _find(world, request, "storage.objects.delete")
    preconditions.hold_of_object(body, request.params)
    generations.delete(world, bucket, body, by_number=bool(request.params.get("generation")))
    return Answer(204)
