"""What an object looks like: its resource, its headers, its generations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.storage import acls, blobs, buckets, holds, lifecycle
from reconciler.sandbox.storage.bucket_settings import invalid
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.world import World, stamp

OBJECT: Final = "storage.object"
NONCURRENT: Final = "storage.noncurrent"
PAGE: Final = 1000
MUTABLE: Final = (
    "cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "contentType", "contexts",
    "customTime", "metadata",
)  # fmt: skip
CHANGEABLE: Final = (*MUTABLE, "eventBasedHold", "temporaryHold")
"""What PATCH and PUT change; a retention is changed by rules of its own."""
ON_WRITING: Final = (*CHANGEABLE, "retention", "storageClass")
"""What a new generation may be given."""
HIDDEN: Final = ("file", "acl", "ownerEntity", "retainedFrom")
_SPAN: Final = re.compile(r"bytes=(\d*)-(\d*)")


def check_name(name: str) -> None:
    """Raise ApiError 400 for a name that Cloud Storage refuses: 1 to 1024 bytes, no line breaks, not . or .."""
    if not name:
        raise ApiError(400, "Required", reason="required")
    if len(name.encode()) > 1024 or "\n" in name or "\r" in name or "\0" in name or name in (".", ".."):
        raise ApiError(400, f"Disallowed object name: {name!r}.", reason="invalid")


def given(sent: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """What of *sent* is the client's to say."""
    return {key: sent[key] for key in fields if key in sent}


def made(
    bucket: Body,
    name: str,
    metadata: Mapping[str, Any],
    written: blobs.Written,
    now: datetime,
    old: Body | None,
) -> Body:
    """A new generation of an object; newer than *old* even where the clock stands still. Raises ApiError 400."""
    generation = int(now.timestamp() * 1_000_000)
    if old is not None:
        generation = max(generation, int(old["generation"]) + 1)
    at = stamp(now)
    wished = str(metadata.get("storageClass") or bucket["storageClass"])
    found = lifecycle.storage_class(wished)
    if found is None:
        raise invalid(f'Invalid storage class "{wished}"')
    kept = {key: value for key, value in given(metadata, MUTABLE).items() if value is not None}
    return {
        **kept,
        **_contexts({}, kept, now),
        **holds.of_new(bucket, metadata, now),
        **{key: metadata[key] for key in ("componentCount", "kmsKeyName") if metadata.get(key)},
        "bucket": bucket["name"],
        "name": name,
        "generation": str(generation),
        "metageneration": "1",
        "storageClass": found,
        "size": str(written.size),
        # What was put together of parts has no MD5; everything else does.
        **({} if "componentCount" in metadata or not written.md5 else {"md5Hash": written.md5}),
        "crc32c": written.crc32c,
        "timeCreated": at,
        "updated": at,
        "timeStorageClassUpdated": at,
        "timeFinalized": at,
    }


def link(body: Mapping[str, Any]) -> str:
    """The object's selfLink."""
    return f"https://www.googleapis.com/storage/v1/b/{body['bucket']}/o/{quote(body['name'], safe='')}"


def shown(bucket: Body, body: Body, base_url: str, *, full: bool = False) -> dict[str, Any]:
    """The object's resource; *full* with its list and its owner, which uniform access hides.

    Links point at Google's host, or at the sandbox where it was called by its address.
    """
    root = "https://storage.googleapis.com" if base_url.endswith(".googleapis.com") else base_url
    below = f"b/{body['bucket']}/o/{quote(body['name'], safe='')}"
    until = holds.retained_until(bucket, body)
    lists: dict[str, Any] = {}
    if full and not buckets.uniform(bucket) and "ownerEntity" in body:
        lists["owner"] = {"entity": body["ownerEntity"]}
        lists["acl"] = [acls.shown_on_object(body, link(body), entry) for entry in body.get("acl", ())]
    return {
        "kind": "storage#object",
        "id": f"{body['bucket']}/{body['name']}/{body['generation']}",
        "selfLink": link(body),
        "mediaLink": f"{root}/download/storage/v1/{below}?generation={body['generation']}&alt=media",
        **{key: value for key, value in body.items() if key not in HIDDEN},
        **({"retentionExpirationTime": stamp(until)} if until is not None else {}),
        **lists,
        "etag": buckets.object_etag(body),
    }


def changed(
    bucket: Body, old: Body, sent: Mapping[str, Any], now: datetime, *, replace: bool, override: bool
) -> Body:
    """The object after PATCH, or with *replace* PUT, of *sent*; *override*: an unlocked retention may give way."""
    ground = {key: value for key, value in old.items() if key not in MUTABLE} if replace else old
    fresh = buckets.merged(ground, given(sent, CHANGEABLE))
    if sent.get("metadata") == {}:
        fresh.pop("metadata", None)
    fresh = {**fresh, **_contexts(old, fresh, now)}
    fresh = holds.changed(bucket, old, fresh, sent, now, override=override)
    return bumped(fresh, now)


def bumped(body: Body, now: datetime) -> Body:
    """The object after a change of its metadata."""
    return {**body, "metageneration": str(int(body["metageneration"]) + 1), "updated": stamp(now)}


def _contexts(old: Mapping[str, Any], new: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Object contexts with their times: of each key, when it was made and when its value changed."""
    wished: dict[str, Any] = inner(inner(new, "contexts"), "custom")
    before: dict[str, Any] = inner(inner(old, "contexts"), "custom")
    custom: dict[str, Any] = {}
    for key, entry in wished.items():
        known = inner(before, key)
        same = known.get("value") == entry.get("value")
        custom[key] = {
            "value": entry.get("value", ""),
            "createTime": known.get("createTime", stamp(now)),
            "updateTime": known["updateTime"] if same and known else stamp(now),
        }
    return {"contexts": {"custom": custom}} if custom else {}


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
        ("ETag", buckets.object_etag(body)),
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


def walk(world: World, bucket: str, prefix: str, after: str, *, versions: bool) -> Iterator[tuple[str, Body]]:
    """(name, object) below *prefix* and behind *after*, in order; with *versions* every generation, oldest first."""
    if versions:
        yield from merged_walk(world, bucket, prefix, after, (OBJECT, NONCURRENT))
        return
    last = f"{bucket}/{after}" if after else ""
    while rows := world.store.list(OBJECT, f"{bucket}/{prefix}", after=last, limit=PAGE):
        last = rows[-1][0]
        yield from ((body["name"], body) for _, body in rows)


def merged_walk(
    world: World, bucket: str, prefix: str, after: str, kinds: tuple[str, ...]
) -> Iterator[tuple[str, Body]]:
    """The same over several of the store's kinds, in order of name and generation."""
    found = [body for kind in kinds for _, body in world.store.list(kind, f"{bucket}/{prefix}")]
    for body in sorted(found, key=lambda one: (one["name"].encode(), int(one["generation"]))):
        if body["name"].encode() > after.encode():
            yield body["name"], body
