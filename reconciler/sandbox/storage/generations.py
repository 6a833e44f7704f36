"""Generations of objects come and go: written, found, made noncurrent, soft-deleted, dropped.

Every write of content passes through `keep`: preconditions, then what keeps the old generation, then the new one, in
one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.storage import (
    acls,
    blobs,
    bucket_access,
    folders,
    holds,
    objects,
    preconditions,
    soft_delete,
)
from reconciler.sandbox.storage.objects import NONCURRENT, OBJECT
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.world import World, stamp


def keep(
    world: World,
    caller: str,
    bucket: Body,
    name: str,
    metadata: Mapping[str, Any],
    written: blobs.Written,
    params: Mapping[str, Any] | None = None,
) -> Body:
    """Make *written* the live generation of an object; raises ApiError 412 where a precondition of *params* fails.

    *metadata* may bring an "acl"; the content's file is the object's afterwards, or still the caller's on an error.
    """
    asked = params or {}
    objects.check_name(name)
    with world.store.transaction():
        old = world.store.get(OBJECT, f"{bucket['name']}/{name}")
        preconditions.hold_of_object(old, asked)
        if old is not None:
            bucket_access.demand(world, caller, "storage.objects.delete", bucket, on=old)
            check_replaced(world, bucket, old)
        body = objects.made(bucket, name, metadata, written, world.clock(), old)
        body.update(_lists(world, caller, bucket, metadata.get("acl"), asked))
        folders.ensure(world, bucket, name)
        body["file"] = blobs.settle(world.home, bucket["name"], written.path)
        if old is not None:
            retire(world, bucket, old)
        world.store.put(OBJECT, f"{bucket['name']}/{name}", body)
    return body


def _lists(
    world: World,
    caller: str,
    bucket: Body,
    sent: Sequence[Mapping[str, Any]] | None,
    params: Mapping[str, Any],
) -> dict[str, Any]:
    """The list and the owner of a new object: the canned or the sent list, or the bucket's default one."""
    canned = params.get("predefinedAcl") or params.get("destinationPredefinedAcl")
    if sent or canned:
        acls.demand_lists(bucket, acls.INSERT_OBJECT)
    if sent and canned:
        raise acls.twice()
    owner = acls.entity_of(caller, lambda project: bucket_access.number_of(world, project)) or "allUsers"
    own = {"entity": owner, "role": "OWNER"}
    if canned:
        entries = [own, *acls.canned("object", canned, bucket["projectNumber"])]
    elif sent:
        entries = acls.checked("object", sent, owner, lambda project: bucket_access.number_of(world, project))
    else:
        entries = [*bucket.get("defaultObjectAcl", ()), own]
    if (canned or sent) and acls.public(entries) and bucket_access.prevented(world, bucket):
        raise bucket_access.no_public()
    return {"ownerEntity": owner, "acl": entries}


def sweep(world: World) -> None:
    """At start: remove contents that no generation of any object has."""
    kinds = (OBJECT, NONCURRENT, soft_delete.DELETED, soft_delete.HIDDEN)
    blobs.sweep_contents(world.home, {body["file"] for kind in kinds for _, body in world.store.list(kind)})


def find(world: World, bucket: str, name: str, generation: str | None) -> Body:
    """A live object, or the generation that is asked for; raises ApiError 404."""
    stored = f"{bucket}/{name}"
    body = world.store.get(OBJECT, stored)
    if generation is not None and (body is None or body["generation"] != generation):
        body = world.store.get(NONCURRENT, f"{stored}\0{int(generation):020d}")
    if body is None:
        raise missing(bucket, name)
    return body


def missing(bucket: str, name: str) -> ApiError:
    """Google's 404."""
    return ApiError(404, f"No such object: {bucket}/{name}")


def versioned(bucket: Body) -> bool:
    """Whether the bucket keeps the generations that an overwrite or a delete replaces."""
    return bool(inner(bucket, "versioning").get("enabled"))


def check_replaced(world: World, bucket: Body, old: Body) -> None:
    """Raise Google's 403 where the live generation *old* may not be replaced."""
    holds.check(bucket, old, world.clock(), archives=versioned(bucket))


def retire(world: World, bucket: Body, body: Body) -> None:
    """What becomes of a generation that is live no more: noncurrent where the bucket has versions, else deleted."""
    if versioned(bucket):
        gone = {**body, "timeDeleted": stamp(world.clock())}
        world.store.put(NONCURRENT, soft_delete.object_key(body), gone)
    else:
        soft_delete.keep_object(world, bucket, body)


def delete(world: World, bucket: Body, body: Body, *, by_number: bool) -> None:
    """Delete a generation, live or not; *by_number* even where the bucket has versions. Raises ApiError 403."""
    stored = f"{body['bucket']}/{body['name']}"
    with world.store.transaction():
        live = world.store.get(OBJECT, stored)
        if live is None or live["generation"] != body["generation"]:
            holds.check(bucket, body, world.clock())
            world.store.delete(NONCURRENT, soft_delete.object_key(body))
            soft_delete.keep_object(world, bucket, body)
            return
        holds.check(bucket, body, world.clock(), archives=versioned(bucket) and not by_number)
        world.store.delete(OBJECT, stored)
        if by_number:
            soft_delete.keep_object(world, bucket, body)
        else:
            retire(world, bucket, body)


def change(world: World, body: Body, fresh: Body) -> None:
    """Put *fresh* in the place of the generation *body*."""
    stored = f"{body['bucket']}/{body['name']}"
    live = world.store.get(OBJECT, stored)
    if live is not None and live["generation"] == body["generation"]:
        world.store.put(OBJECT, stored, fresh)
    else:
        world.store.put(NONCURRENT, soft_delete.object_key(body), fresh)
