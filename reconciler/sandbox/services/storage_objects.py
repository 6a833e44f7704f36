"""Cloud Storage: objects."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from reconciler.sandbox import blobs, buckets, objects, uploads
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.objects import NONCURRENT, OBJECT
from reconciler.sandbox.services.storage import bucket_of, demand
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Answer, Method, Request, World

API: Final = "storage"
VERSIONS: Final = ("v1",)
Function = Callable[[World, Request], Mapping[str, Any] | Answer]
MOST: Final = 1000
LAST: Final = "\U0010ffff"


def methods(world: World) -> dict[str, Method]:
    """What of objects is emulated: no ACLs, no soft-deleted objects, no holds."""
    uploads.sweep(world)
    found: dict[str, Function] = {
        "insert": _insert,
        "get": _get,
        "list": _list,
        "patch": _patch,
        "update": _update,
        "delete": _delete,
        "copy": _copy,
        "rewrite": _rewrite,
        "compose": _compose,
    }

    def bound(function: Function) -> Method:
        return lambda request: function(world, request)

    named = {f"objects.{verb}": bound(function) for verb, function in found.items()}
    return {**named, "managedFolders.list": bound(_no_folders)}


def _no_folders(world: World, request: Request) -> Mapping[str, Any]:
    """Managed folders cannot be made here, so there are none; gcloud asks before it removes a bucket."""
    bucket_of(world, request, "storage.managedFolders.list")
    return {"kind": "storage#managedFolders"}


def _insert(world: World, request: Request) -> Mapping[str, Any] | Answer:
    bucket = bucket_of(world, request, "storage.objects.create")
    received = uploads.receive(world, request)
    if isinstance(received, Answer):
        return received
    try:
        metadata = objects.accepted(received.metadata)
        name = str(received.params.get("name") or received.metadata.get("name") or "")
        objects.check_name(name)
        if request.params.get("contentEncoding"):
            metadata["contentEncoding"] = request.params["contentEncoding"]
        return _keep(world, request, bucket, name, metadata, received.written, received.params)
    except BaseException:
        received.written.path.unlink(missing_ok=True)
        raise


def _keep(
    world: World,
    request: Request,
    bucket: Body,
    name: str,
    metadata: Mapping[str, Any],
    written: blobs.Written,
    params: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Make *written* the live generation of an object; raises ApiError 412 where a precondition does not hold."""
    stored = f"{bucket['name']}/{name}"
    with world.store.transaction():
        old = world.store.get(OBJECT, stored)
        objects.check_preconditions(old, params)
        if old is not None:
            demand(world, request, "storage.objects.delete", bucket, on="object")
        body = objects.made(bucket, name, metadata, written, world.clock(), old)
        body["file"] = blobs.settle(world.home, bucket["name"], written.path)
        if old is not None:
            objects.retire(world, bucket, old)
        world.store.put(OBJECT, stored, body)
    return objects.shown(body, request.base_url)


def _find(world: World, bucket: str, name: str, generation: str | None) -> Body:
    stored = f"{bucket}/{name}"
    body = world.store.get(OBJECT, stored)
    if generation is not None and (body is None or body["generation"] != generation):
        body = world.store.get(NONCURRENT, f"{stored}\0{int(generation):020d}")
    if body is None:
        raise ApiError(404, f"No such object: {stored}")
    return body


def _object(world: World, request: Request, permission: str) -> tuple[Body, Body]:
    bucket = bucket_of(world, request, permission)
    body = _find(world, bucket["name"], request.params["object"], request.params.get("generation"))
    return bucket, body


def _get(world: World, request: Request) -> Mapping[str, Any] | Answer:
    _, body = _object(world, request, "storage.objects.get")
    if not objects.check_preconditions(body, request.params):
        return Answer(304)
    if request.media or request.params.get("alt") == "media":
        return _content(world, request, body)
    return objects.shown(body, request.base_url)


def _content(world: World, request: Request, body: Body) -> Answer:
    size = int(body["size"])
    headers = objects.headers(body)
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


def _list(world: World, request: Request) -> Mapping[str, Any]:
    bucket = bucket_of(world, request, "storage.objects.list")["name"]
    for unsupported in ("matchGlob", "filter"):
        if request.params.get(unsupported):
            raise ApiError(400, f"The sandbox does not emulate {unsupported}.", reason="sandboxNotEmulated")
    if request.params.get("softDeleted"):
        return {"kind": "storage#objects"}
    most = min(int(request.params.get("maxResults", MOST)) or MOST, MOST)
    items: list[dict[str, Any]] = []
    prefixes: list[str] = []
    last = token = ""
    for name, body in _walk(world, request, bucket):
        # All generations of one object are on one page, since a token stands for a name.
        if len(items) + len(prefixes) >= most and name != last:
            token = base64.urlsafe_b64encode(last.encode()).decode()
            break
        last = name
        if body is None:
            prefixes.append(name)
        else:
            items.append(objects.shown(body, request.base_url))
    return {
        "kind": "storage#objects",
        **({"nextPageToken": token} if token else {}),
        **({"prefixes": prefixes} if prefixes else {}),
        **({"items": items} if items else {}),
    }


def _walk(world: World, request: Request, bucket: str) -> Iterator[tuple[str, Body | None]]:
    """(name, object) and (prefix, None) in order, from where the page token and startOffset say."""
    params = request.params
    prefix, delimiter = params.get("prefix", ""), params.get("delimiter", "")
    start, end = params.get("startOffset", ""), params.get("endOffset", "")
    after = _after(params.get("pageToken", ""))
    if delimiter and after.endswith(delimiter) and len(after) > len(prefix):
        after += LAST
    folder = ""
    for name, body in objects.walk(world, bucket, prefix, after, versions=bool(params.get("versions"))):
        if name.encode() < start.encode() or (folder and name.startswith(folder)):
            continue
        if end and name.encode() >= end.encode():
            return
        cut = name.find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            yield name, body
            continue
        folder = name[: cut + len(delimiter)]
        yield folder, None
        if name == folder and params.get("includeTrailingDelimiter"):
            yield name, body


def _after(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError as error:
        raise ApiError(400, "Invalid page token.", reason="invalid") from error


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    return _changed(world, request, replace=False)


def _update(world: World, request: Request) -> Mapping[str, Any]:
    return _changed(world, request, replace=True)


def _changed(world: World, request: Request, *, replace: bool) -> Mapping[str, Any]:
    bucket, body = _object(world, request, "storage.objects.update")
    sent = objects.accepted(request.body)
    stored = f"{bucket['name']}/{request.params['object']}"
    kind = OBJECT if world.store.get(OBJECT, stored) == body else NONCURRENT
    name = stored if kind == OBJECT else f"{stored}\0{int(body['generation']):020d}"

    def apply(old: Body) -> Body:
        if not objects.check_preconditions(old, request.params):
            raise buckets.failed_precondition()
        ground = {key: value for key, value in old.items() if key not in objects.MUTABLE} if replace else old
        return objects.bumped(buckets.merged(ground, sent), world.clock())

    return objects.shown(world.store.update(kind, name, apply), request.base_url)


def _delete(world: World, request: Request) -> Answer:
    bucket, body = _object(world, request, "storage.objects.delete")
    if not objects.check_preconditions(body, request.params):
        raise buckets.failed_precondition()
    stored = f"{bucket['name']}/{request.params['object']}"
    with world.store.transaction():
        live = world.store.get(OBJECT, stored)
        if live is not None and live["generation"] == body["generation"]:
            world.store.delete(OBJECT, stored)
            if request.params.get("generation"):
                blobs.remove(world.home, body["file"])
            else:
                objects.retire(world, bucket, body)
        else:
            world.store.delete(NONCURRENT, f"{stored}\0{int(body['generation']):020d}")
            blobs.remove(world.home, body["file"])
    return Answer(204)


def _copied(world: World, request: Request) -> Mapping[str, Any]:
    params = request.params
    source_bucket = bucket_of(world, request, "storage.objects.get", params["sourceBucket"])
    target = bucket_of(world, request, "storage.objects.create", params["destinationBucket"])
    source = _find(world, source_bucket["name"], params["sourceObject"], params.get("sourceGeneration"))
    if not objects.check_preconditions(source, objects.source_preconditions(params)):
        raise buckets.failed_precondition()
    objects.check_name(params["destinationObject"])
    inherited = {key: source[key] for key in objects.MUTABLE if key in source and key != "storageClass"}
    # A body replaces the metadata as a whole; without one it is copied.
    metadata = objects.accepted(request.body) or inherited
    metadata.setdefault("contentType", source.get("contentType", "application/octet-stream"))
    file = blobs.link(world.home, blobs.UPLOADS, source["file"])
    written = blobs.Written(
        world.home / "objects" / file, int(source["size"]), source.get("md5Hash", ""), source["crc32c"]
    )
    return _keep(world, request, target, params["destinationObject"], metadata, written, params)


def _copy(world: World, request: Request) -> Mapping[str, Any]:
    return _copied(world, request)


def _rewrite(world: World, request: Request) -> Mapping[str, Any]:
    made = _copied(world, request)
    return {
        "kind": "storage#rewriteResponse",
        "totalBytesRewritten": made["size"],
        "objectSize": made["size"],
        "done": True,
        "resource": made,
    }


def _compose(world: World, request: Request) -> Mapping[str, Any]:
    bucket = bucket_of(world, request, "storage.objects.create", request.params["destinationBucket"])
    wanted: list[dict[str, Any]] = request.body.get("sourceObjects", [])
    if not 1 <= len(wanted) <= 32:
        raise ApiError(400, "The number of source components must be from 1 to 32.", reason="invalid")
    demand(world, request, "storage.objects.get", bucket, on="object")
    sources = [_find(world, bucket["name"], one["name"], one.get("generation")) for one in wanted]

    def pieces() -> Iterator[bytes]:
        for source in sources:
            yield from blobs.read(world.home, source["file"], 0, int(source["size"]))

    written = blobs.write(world.home, pieces())
    metadata = objects.accepted(request.body.get("destination", {}))
    count = sum(source.get("componentCount", 1) for source in sources)
    composed = {**metadata, "componentCount": count}
    return _keep(
        world, request, bucket, request.params["destinationObject"], composed, written, request.params
    )
