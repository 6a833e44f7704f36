"""What an object looks like: its resource, its headers, its generations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from reconciler.sandbox import blobs, buckets
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World, timestamp

OBJECT: Final = "storage.object"
NONCURRENT: Final = "storage.noncurrent"
PAGE: Final = 1000
MUTABLE: Final = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "customTime",
    "eventBasedHold",
    "metadata",
    "storageClass",
    "temporaryHold",
)
_SPAN: Final = re.compile(r"bytes=(\d*)-(\d*)")


def check_name(name: str) -> None:
    """Raise ApiError 400 for a name that Cloud Storage refuses: 1 to 1024 bytes, no line breaks, not . or .."""
    if not name:
        raise ApiError(400, "Required", reason="required")
    if len(name.encode()) > 1024 or "\n" in name or "\r" in name or "\0" in name or name in (".", ".."):
        raise ApiError(400, f"Disallowed object name: {name!r}.", reason="invalid")


def accepted(sent: Mapping[str, Any]) -> dict[str, Any]:
    """What of *sent* is the client's to say."""
    return {key: sent[key] for key in MUTABLE if key in sent}


def made(
    bucket: Body,
    name: str,
    metadata: Mapping[str, Any],
    written: blobs.Written,
    now: datetime,
    old: Body | None,
) -> Body:
    """A new generation of an object; newer than *old* even where the clock stands still."""
    generation = int(now.timestamp() * 1_000_000)
    if old is not None:
        generation = max(generation, int(old["generation"]) + 1)
    at = timestamp(now)
    return {
        **{key: value for key, value in metadata.items() if value is not None},
        "bucket": bucket["name"],
        "name": name,
        "generation": str(generation),
        "metageneration": "1",
        "storageClass": metadata.get("storageClass", bucket["storageClass"]),
        "size": str(written.size),
        # Composed objects have no MD5; everything else does.
        **({} if "componentCount" in metadata else {"md5Hash": written.md5}),
        "crc32c": written.crc32c,
        "timeCreated": at,
        "updated": at,
        "timeStorageClassUpdated": at,
        "timeFinalized": at,
    }


def shown(body: Body, base_url: str) -> dict[str, Any]:
    """The object's resource. Links point at Google's host, or at the sandbox where it was called by its address."""
    root = "https://storage.googleapis.com" if base_url.endswith(".googleapis.com") else base_url
    below = f"b/{body['bucket']}/o/{quote(body['name'], safe='')}"
    plain = {key: value for key, value in body.items() if key != "file"}
    media = f"{root}/download/storage/v1/{below}?generation={body['generation']}&alt=media"
    return {
        "kind": "storage#object",
        "id": f"{body['bucket']}/{body['name']}/{body['generation']}",
        "selfLink": f"https://www.googleapis.com/storage/v1/{below}",
        "mediaLink": media,
        **plain,
        "etag": buckets.etag(body["metageneration"]),
    }


def bumped(body: Body, now: datetime) -> Body:
    """The object after a change of its metadata."""
    return {**body, "metageneration": str(int(body["metageneration"]) + 1), "updated": timestamp(now)}


def headers(body: Body) -> list[tuple[str, str]]:
    """The headers that come with an object's content."""
    sums = f"crc32c={body['crc32c']}" + (f",md5={body['md5Hash']}" if body.get("md5Hash") else "")
    optional = {
        "Cache-Control": body.get("cacheControl"),
        "Content-Disposition": body.get("contentDisposition"),
        "Content-Encoding": body.get("contentEncoding"),
        "Content-Language": body.get("contentLanguage"),
    }
    return [
        ("Content-Type", body.get("contentType", "application/octet-stream")),
        ("ETag", buckets.etag(body["metageneration"])),
        ("X-Goog-Generation", body["generation"]),
        ("X-Goog-Metageneration", body["metageneration"]),
        ("X-Goog-Hash", sums),
        ("X-Goog-Storage-Class", body["storageClass"]),
        ("X-Goog-Stored-Content-Encoding", body.get("contentEncoding", "identity")),
        ("X-Goog-Stored-Content-Length", body["size"]),
        ("Accept-Ranges", "bytes"),
        *((name, value) for name, value in optional.items() if value),
    ]


def span(wish: str, size: int) -> tuple[int, int] | None:
    """(start, end) of a Range header; (0, 0) where it cannot be satisfied; None where it is to be ignored."""
    found = _SPAN.fullmatch(wish.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return (max(0, size - int(found[2])), size) if size and int(found[2]) else (0, 0)
    start = int(found[1])
    end = min(int(found[2]) + 1, size) if found[2] else size
    return (start, end) if start < end else (0, 0)


def check_preconditions(body: Body | None, params: Mapping[str, Any]) -> bool:
    """Raise ApiError 412 where if…Match does not hold; False where if…NotMatch says that nothing changed.

    A missing object has generation 0, so that ifGenerationMatch=0 means "only if there is none".
    """
    actual = body or {}
    fresh = buckets.check_preconditions(actual, params, "generation")
    if not fresh and body is None:
        raise buckets.failed_precondition()
    return buckets.check_preconditions(actual, params) and fresh


def source_preconditions(params: Mapping[str, Any]) -> dict[str, Any]:
    """The ifSource… parameters under the names of the plain ones."""
    return {
        f"if{key.removeprefix('ifSource')}": value
        for key, value in params.items()
        if key.startswith("ifSource")
    }


def retire(world: World, bucket: Body, body: Body) -> None:
    """What becomes of a generation that is live no more: kept where the bucket has versions, else gone."""
    if bucket.get("versioning", {}).get("enabled"):
        name = f"{body['bucket']}/{body['name']}\0{int(body['generation']):020d}"
        world.store.put(NONCURRENT, name, {**body, "timeDeleted": world.now()})
    else:
        blobs.remove(world.home, body["file"])


def walk(world: World, bucket: str, prefix: str, after: str, *, versions: bool) -> Iterator[tuple[str, Body]]:
    """(name, object) below *prefix* and behind *after*, in order; with *versions* every generation, oldest first."""
    if versions:
        yield from _all_generations(world, bucket, prefix, after)
        return
    last = f"{bucket}/{after}" if after else ""
    while rows := world.store.list(OBJECT, f"{bucket}/{prefix}", after=last, limit=PAGE):
        last = rows[-1][0]
        yield from ((body["name"], body) for _, body in rows)


def _all_generations(world: World, bucket: str, prefix: str, after: str) -> Iterator[tuple[str, Body]]:
    found = [
        body for kind in (OBJECT, NONCURRENT) for _, body in world.store.list(kind, f"{bucket}/{prefix}")
    ]
    for body in sorted(found, key=lambda one: (one["name"].encode(), int(one["generation"]))):
        if body["name"].encode() > after.encode():
            yield body["name"], body
