"""Objects on their way out: which one a request means, for a caller who may, and its bytes."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.storage import blobs, bucket_access, generations, objects
from reconciler.sandbox.storage.bucket_access import demand, may
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Answer, Request, World


def found(world: World, request: Request, permission: str) -> tuple[Body, Body]:
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
