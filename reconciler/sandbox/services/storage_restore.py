"""Cloud Storage: deleted objects brought back, one or many, and the operations that do so."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from reconciler.sandbox.errors import ApiError, not_emulated
from reconciler.sandbox.operations import Busy, Progress
from reconciler.sandbox.services.storage import Function, served
from reconciler.sandbox.services.storage_objects import shown
from reconciler.sandbox.storage import blobs, generations, globs, objects, preconditions, soft_delete
from reconciler.sandbox.storage.bucket_access import bucket_of, found
from reconciler.sandbox.storage.bucket_settings import invalid
from reconciler.sandbox.storage.objects import OBJECT
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Method, Request, World, stamp

API: Final = "storage"
VERSIONS: Final = ("v1",)
KIND: Final = "storage.bulkRestore"
_TYPES: Final = "type.googleapis.com/google.storage.control.v2."


def methods(world: World) -> dict[str, Method]:
    """Restores, and the operations of a bucket; a running operation cannot be cancelled here."""
    world.operations.register(KIND, lambda arguments, progress: _work(world, arguments, progress))
    functions: dict[str, Function] = {
        "objects.restore": _restore,
        "objects.bulkRestore": _bulk,
        "buckets.operations.get": _operation,
        "buckets.operations.list": _operations,
        "buckets.operations.cancel": _cancel,
    }
    return served(world, functions)


def _restorable(world: World, request: Request) -> Body:
    bucket = bucket_of(world, request, "storage.objects.restore")
    if not soft_delete.seconds(bucket):
        raise invalid("bucket soft delete policy must be set.")
    return bucket


def _restore(world: World, request: Request) -> Mapping[str, Any]:
    bucket = _restorable(world, request)
    name = request.params["object"]
    key = {"bucket": bucket["name"], "name": name, "generation": request.params["generation"]}
    kept = world.store.get(soft_delete.DELETED, soft_delete.object_key(key))
    if kept is None or soft_delete.expired(world, kept):
        raise generations.missing(bucket["name"], name)
    source_list = bool(request.params.get("copySourceAcl"))
    body = _brought_back(world, request.caller, bucket, kept, request.params, source_list=source_list)
    return shown(world, request, bucket, body, "full")


def _brought_back(
    world: World, caller: str, bucket: Body, kept: Body, params: Mapping[str, Any], *, source_list: bool
) -> Body:
    """A new live generation of a soft-deleted one, which stays where it is."""
    metadata = objects.given(kept, (*objects.MUTABLE, "storageClass", "componentCount"))
    if source_list:
        metadata["acl"] = kept.get("acl")
    file = blobs.link(world.home, blobs.UPLOADS, kept["file"])
    path = world.home / "objects" / file
    written = blobs.Written(path, int(kept["size"]), kept.get("md5Hash", ""), kept["crc32c"])
    try:
        return generations.keep(world, caller, bucket, kept["name"], metadata, written, params)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _bulk(world: World, request: Request) -> Mapping[str, Any]:
    bucket = _restorable(world, request)
    for glob in request.body.get("matchGlobs", ()):
        globs.compiled(glob)
    place = f"projects/_/buckets/{bucket['name']}"
    identity = base64.urlsafe_b64encode(f"\n${uuid.uuid4()}\x10\x02".encode()).decode().rstrip("=")
    name = f"{place}/operations/{identity}"
    arguments = {"bucket": bucket["name"], "wish": request.body, "caller": request.caller}
    counts = {"succeededCount": "0", "skippedCount": "0", "failedCount": "0"}
    wire = {"metadata": _metadata(request.body, stamp(world.clock()), counts)}
    try:
        started = world.operations.start(KIND, name, arguments, wire=wire, lock=f"{place}/bulkRestore")
    except Busy as busy:
        text = "Another bulk restore operation is running on the bucket."
        raise ApiError(429, text, reason="rateLimitExceeded") from busy
    return _shown(started)


def _metadata(
    wish: Mapping[str, Any], created: str, counts: Mapping[str, str], ended: str = ""
) -> dict[str, Any]:
    times = {"createTime": created, "updateTime": ended or created, **({"endTime": ended} if ended else {})}
    return {
        "@type": f"{_TYPES}BulkRestoreObjectsMetadata",
        "commonMetadata": {
            **times,
            "type": "bulk-restore-objects",
            "requestedCancellation": False,
            "progressPercent": -1,
        },
        **({"matchGlobs": wish["matchGlobs"]} if wish.get("matchGlobs") else {}),
        "allowOverwrite": bool(wish.get("allowOverwrite")),
        "copySourceAcl": bool(wish.get("copySourceAcl")),
        **counts,
    }


def _work(world: World, arguments: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
    """Bring back the newest soft-deleted generation of every name that the wish fits."""
    bucket, wish = found(world, arguments["bucket"]), arguments["wish"]
    began, done, skipped = stamp(world.clock()), 0, 0
    newest: dict[str, Body] = {}
    for _, body in world.store.list(soft_delete.DELETED, f"{bucket['name']}/"):
        if _fits(world, wish, body):
            newest[body["name"]] = body
        else:
            skipped += 1
    params: dict[str, Any] = {} if wish.get("allowOverwrite") else {"ifGenerationMatch": "0"}
    source_list = bool(wish.get("copySourceAcl"))
    for body in newest.values():
        try:
            _brought_back(world, arguments["caller"], bucket, body, params, source_list=source_list)
            done += 1
        except (ApiError, preconditions.Unchanged):
            skipped += 1
    counts = {"succeededCount": str(done), "skippedCount": str(skipped), "failedCount": "0"}
    progress(_metadata(wish, began, counts, stamp(world.clock())))
    return {"@type": f"{_TYPES}BulkRestoreObjectsResponse"}


def _fits(world: World, wish: Mapping[str, Any], body: Body) -> bool:
    if soft_delete.expired(world, body):
        return False
    if wish.get("matchGlobs") and not any(
        globs.compiled(one).fullmatch(body["name"]) for one in wish["matchGlobs"]
    ):
        return False
    if not wish.get("allowOverwrite") and world.store.get(OBJECT, f"{body['bucket']}/{body['name']}"):
        return False
    bounds = (("softDeleted", body["softDeleteTime"]), ("created", body["timeCreated"]))
    for word, actual in bounds:
        moment = datetime.fromisoformat(actual)
        after, before = wish.get(f"{word}AfterTime"), wish.get(f"{word}BeforeTime")
        if after and moment <= datetime.fromisoformat(after):
            return False
        if before and moment >= datetime.fromisoformat(before):
            return False
    return True


def _shown(wire: Mapping[str, Any]) -> dict[str, Any]:
    place = wire["name"].replace("projects/_/buckets/", "b/", 1)
    link = f"https://www.googleapis.com/storage/v1/{place}"
    return {"kind": "storage#operation", "selfLink": link, "done": False, **wire}


def _operation(world: World, request: Request) -> Mapping[str, Any]:
    bucket = bucket_of(world, request, "storage.bucketOperations.get")
    name = f"projects/_/buckets/{bucket['name']}/operations/{request.params['operationId']}"
    wire = world.operations.get(name)
    if wire is None:
        raise ApiError(404, "The specified long-running operation does not exist.")
    return _shown(wire)


def _operations(world: World, request: Request) -> Mapping[str, Any]:
    bucket = bucket_of(world, request, "storage.bucketOperations.list")
    found_here = world.operations.list(f"projects/_/buckets/{bucket['name']}/operations/")
    shown_here = [_shown(wire) for wire in found_here]
    return {"kind": "storage#operations", **({"operations": shown_here} if shown_here else {})}


def _cancel(world: World, request: Request) -> Mapping[str, Any]:
    bucket = bucket_of(world, request, "storage.bucketOperations.cancel")
    name = f"projects/_/buckets/{bucket['name']}/operations/{request.params['operationId']}"
    wire = world.operations.get(name)
    if wire is None:
        raise ApiError(404, "The specified long-running operation does not exist.")
    if wire.get("done"):
        raise ApiError(412, "The long-running operation is already done.", reason="conditionNotMet")
    raise not_emulated(request.http_method, request.path, "cancelling a running operation")
