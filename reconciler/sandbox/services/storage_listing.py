"""Cloud Storage: lists of objects, as folders, by glob, with their old and their deleted generations."""

from __future__ import annotations

import base64
import heapq
from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services.storage import served
from reconciler.sandbox.services.storage_objects import shown
from reconciler.sandbox.storage import folders, globs, objects, soft_delete
from reconciler.sandbox.storage.bucket_access import bucket_of
from reconciler.sandbox.storage.bucket_settings import invalid
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Method, Request, World

API: Final = "storage"
VERSIONS: Final = ("v1",)
MOST: Final = 1000
LAST: Final = "\U0010ffff"


def methods(world: World) -> dict[str, Method]:
    """Only `filter` (by object contexts) is not emulated."""
    return served(world, {"objects.list": _list})


def _list(world: World, request: Request) -> Mapping[str, Any]:
    bucket = bucket_of(world, request, "storage.objects.list")
    if request.params.get("filter"):
        raise ApiError(400, "The sandbox does not emulate filter.", reason="sandboxNotEmulated")
    if request.params.get("softDeleted"):
        if request.params.get("versions"):
            raise invalid("Soft-deleted objects and versions cannot be listed together.")
        if not soft_delete.seconds(bucket):
            raise invalid("bucket soft delete policy must be set.")
    most = min(int(request.params.get("maxResults", MOST)) or MOST, MOST)
    items: list[Mapping[str, Any]] = []
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
            items.append(shown(world, request, bucket, body))
    return {
        "kind": "storage#objects",
        **({"nextPageToken": token} if token else {}),
        **({"prefixes": prefixes} if prefixes else {}),
        **({"items": items} if items else {}),
    }


def _walk(world: World, request: Request, bucket: Body) -> Iterator[tuple[str, Body | None]]:
    """(name, object) and (prefix, None) in order, from where the page token and startOffset say."""
    params = request.params
    prefix, delimiter = params.get("prefix", ""), params.get("delimiter", "")
    glob = globs.compiled(params["matchGlob"]) if params.get("matchGlob") else None
    start, end = params.get("startOffset", ""), params.get("endOffset", "")
    after = _after(params.get("pageToken", ""))
    if delimiter and after.endswith(delimiter) and len(after) > len(prefix):
        after += LAST
    folder = ""
    for name, body in _names(world, request, bucket, prefix, after):
        if name.encode() < start.encode() or (folder and name.startswith(folder)):
            continue
        if end and name.encode() >= end.encode():
            return
        cut = name.find(delimiter, len(prefix)) if delimiter else -1
        matched = (
            glob is None or glob.fullmatch(name if cut < 0 else name[: cut + len(delimiter)]) is not None
        )
        if cut < 0:
            if body is not None and matched:
                yield name, body
            continue
        folder = name[: cut + len(delimiter)]
        if matched or (glob is not None and glob.fullmatch(folder.removesuffix(delimiter))):
            yield folder, None
        if body is not None and name == folder and params.get("includeTrailingDelimiter"):
            yield name, body


def _names(
    world: World, request: Request, bucket: Body, prefix: str, after: str
) -> Iterator[tuple[str, Body | None]]:
    """What is listed, in order: objects, and folders without objects where the request wants them as prefixes."""
    name, params = bucket["name"], request.params
    found: Iterator[tuple[str, Body]]
    if params.get("softDeleted"):
        deleted = objects.merged_walk(world, name, prefix, after, (soft_delete.DELETED,))
        found = ((key, body) for key, body in deleted if not soft_delete.expired(world, body))
    else:
        found = objects.walk(world, name, prefix, after, versions=bool(params.get("versions")))
    if not params.get("includeFoldersAsPrefixes"):
        yield from found
        return
    if params.get("delimiter") != "/":
        raise invalid("includeFoldersAsPrefixes needs the delimiter /.")
    kinds = (folders.FOLDER, folders.MANAGED)
    places = {body["name"] for kind in kinds for _, body in world.store.list(kind, f"{name}/{prefix}")}
    empty = ((place, None) for place in sorted(places) if place > after and place != prefix)
    merging: Iterator[tuple[str, Body | None]] = heapq.merge(found, empty, key=lambda one: one[0].encode())
    yield from merging


def _after(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError as error:
        raise ApiError(400, "Invalid page token.", reason="invalid") from error
