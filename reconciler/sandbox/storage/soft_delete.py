"""What Cloud Storage keeps of what was deleted: objects and whole buckets, until their hard delete time.

As measured: a bucket that ever had soft delete on is kept when it is deleted, for the longest retention that it ever
had; its soft-deleted objects are hidden with it, and are there again when it is restored.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.sandbox.storage import blobs, buckets
from reconciler.sandbox.storage.bucket_access import POLICY
from reconciler.sandbox.storage.buckets import BUCKET
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World, stamp

DELETED_BUCKET: Final = "storage.deletedBucket"
DELETED: Final = "storage.deletedObject"
HIDDEN: Final = "storage.hiddenObject"
"""A soft-deleted object of a soft-deleted bucket."""


def seconds(bucket: Body) -> int:
    """How long the bucket's deleted objects can be restored; 0 where they cannot."""
    return int(bucket["softDeletePolicy"]["retentionDurationSeconds"])


def object_key(body: Body) -> str:
    """The store's name of a generation that is not live."""
    return f"{body['bucket']}/{body['name']}\0{int(body['generation']):020d}"


def keep_object(world: World, bucket: Body, body: Body) -> None:
    """Keep a generation that is live no more, or let its content go where the bucket keeps nothing."""
    if not seconds(bucket):
        blobs.remove(world.home, body["file"])
        return
    world.store.put(DELETED, object_key(body), {**body, **_times(world, seconds(bucket))})


def keep_bucket(world: World, bucket: Body) -> None:
    """Take a bucket out of service; inside a transaction."""
    name = bucket["name"]
    policy = world.store.get(POLICY, f"buckets/{name}")
    world.store.delete(BUCKET, name)
    world.policies.forget(f"buckets/{name}")
    longest = int(bucket.get("longestSoftDelete", 0))
    if not longest:
        for key, body in world.store.list(DELETED, f"{name}/"):
            world.store.delete(DELETED, key)
            blobs.remove(world.home, body["file"])
        return
    kept = {**bucket, **_times(world, longest), "policy": policy}
    world.store.put(DELETED_BUCKET, _bucket_key(bucket), kept)
    _move(world, DELETED, f"{name}/", HIDDEN, f"{_bucket_key(bucket)}/")


def find_bucket(world: World, name: str, generation: str) -> Body | None:
    """A soft-deleted bucket."""
    body = world.store.get(DELETED_BUCKET, _bucket_key({"name": name, "generation": generation}))
    return None if body is None or expired(world, body) else body


def restore_bucket(world: World, kept: Body) -> Body:
    """Put a soft-deleted bucket back into service, with its policy and what of its objects can be restored."""
    gone = ("softDeleteTime", "hardDeleteTime", "policy")
    body = {key: value for key, value in kept.items() if key not in gone}
    body["updated"] = stamp(world.clock())
    world.store.delete(DELETED_BUCKET, _bucket_key(kept))
    world.store.create(BUCKET, body["name"], body)
    if kept.get("policy"):
        world.store.put(POLICY, f"buckets/{body['name']}", kept["policy"])
    _move(world, HIDDEN, f"{_bucket_key(kept)}/", DELETED, f"{body['name']}/")
    return body


def shown_bucket(kept: Body) -> dict[str, Any]:
    """A soft-deleted bucket's resource."""
    return {key: value for key, value in buckets.shown(kept).items() if key != "policy"}


def expired(world: World, body: Body) -> bool:
    """Whether something that was deleted cannot be had any more."""
    return datetime.fromisoformat(body["hardDeleteTime"]) <= world.clock()


def purge(world: World) -> None:
    """Forget what cannot be restored any more."""
    for kind in (DELETED, HIDDEN, DELETED_BUCKET):
        for name, body in world.store.list(kind):
            if expired(world, body):
                world.store.delete(kind, name)
                if "file" in body:
                    blobs.remove(world.home, body["file"])


def _times(world: World, lasting: int) -> dict[str, str]:
    now = world.clock()
    return {"softDeleteTime": stamp(now), "hardDeleteTime": stamp(now + timedelta(seconds=lasting))}


def _bucket_key(bucket: Body) -> str:
    return f"{bucket['name']}\0{bucket['generation']}"


def _move(world: World, kind: str, prefix: str, to_kind: str, to_prefix: str) -> None:
    for key, body in world.store.list(kind, prefix):
        world.store.delete(kind, key)
        world.store.put(to_kind, to_prefix + key.removeprefix(prefix), body)
