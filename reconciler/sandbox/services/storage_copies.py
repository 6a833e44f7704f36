"""Cloud Storage: objects made of other objects: copied, rewritten, composed, moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconciler.sandbox.services.storage import Function, served
from reconciler.sandbox.services.storage_objects import shown
from reconciler.sandbox.storage import (
    blobs,
    encryption,
    folders,
    generations,
    objects,
    preconditions,
    uploads,
)
from reconciler.sandbox.storage.bucket_access import bucket_of, demand
from reconciler.sandbox.storage.bucket_settings import invalid
from reconciler.sandbox.storage.objects import OBJECT
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.world import Method, Request, World

API: Final = "storage"
VERSIONS: Final = ("v1",)
MOST_SOURCES: Final = 32
MOST_COMPONENTS: Final = 2**31 - 1


def methods(world: World) -> dict[str, Method]:
    """All four; a rewrite is done in one step, however large."""
    found: dict[str, Function] = {
        "copy": _copy,
        "rewrite": _rewrite,
        "compose": _compose,
        "move": _move,
    }
    return served(world, {f"objects.{verb}": function for verb, function in found.items()})


def _linked(world: World, source: Body) -> blobs.Written:
    """The content of *source* under a second name."""
    file = blobs.link(world.home, blobs.UPLOADS, source["file"])
    path = world.home / "objects" / file
    return blobs.Written(path, int(source["size"]), source.get("md5Hash", ""), source["crc32c"])


def _copied(world: World, request: Request) -> Mapping[str, Any]:
    params = request.params
    uploads.refuse_customer_keys(request)
    origin = bucket_of(world, request, "storage.objects.get", params["sourceBucket"])
    target = bucket_of(world, request, "storage.objects.create", params["destinationBucket"])
    source = generations.find(world, origin["name"], params["sourceObject"], params.get("sourceGeneration"))
    preconditions.hold_of_object(source, preconditions.of_source(params))
    # A body replaces the metadata as a whole; without one it is copied. Holds and retention are never copied.
    metadata = objects.given(request.body, (*objects.ON_WRITING, "acl")) or objects.given(
        source, objects.MUTABLE
    )
    metadata.setdefault("contentType", source.get("contentType", "application/octet-stream"))
    if source.get("componentCount") and not source.get("md5Hash"):
        metadata["componentCount"] = source["componentCount"]
    metadata.update(encryption.key_version(world, target, params.get("destinationKmsKeyName")))
    written = _linked(world, source)
    try:
        body = generations.keep(
            world, request.caller, target, params["destinationObject"], metadata, written, params
        )
    except BaseException:
        written.path.unlink(missing_ok=True)
        raise
    return shown(world, request, target, body, "full" if request.body.get("acl") else "noAcl")


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
    uploads.refuse_customer_keys(request)
    wanted: list[dict[str, Any]] = request.body.get("sourceObjects", [])
    if not 1 <= len(wanted) <= MOST_SOURCES:
        text = (
            f"The number of source components provided ({len(wanted)}) exceeds the maximum ({MOST_SOURCES})"
        )
        raise invalid(text if wanted else "You must provide at least one source component.")
    sources = [_source(world, request, bucket, one) for one in wanted]

    def pieces() -> Iterator[bytes]:
        for source in sources:
            yield from blobs.read(world.home, source["file"], 0, int(source["size"]))

    metadata = objects.given(inner(request.body, "destination"), (*objects.ON_WRITING, "acl"))
    metadata["componentCount"] = sum(source.get("componentCount", 1) for source in sources)
    metadata.update(encryption.key_version(world, bucket, request.params.get("kmsKeyName")))
    written = blobs.write(world.home, pieces())
    name = request.params["destinationObject"]
    try:
        with world.store.transaction():
            body = generations.keep(world, request.caller, bucket, name, metadata, written, request.params)
            if request.body.get("deleteSourceObjects"):
                for source in sources:
                    if source["name"] != name:
                        generations.delete(world, bucket, source, by_number=False)
    except BaseException:
        written.path.unlink(missing_ok=True)
        raise
    return shown(world, request, bucket, body, "full" if metadata.get("acl") else "noAcl")


def _source(world: World, request: Request, bucket: Body, wanted: Mapping[str, Any]) -> Body:
    source = generations.find(world, bucket["name"], wanted.get("name", ""), wanted.get("generation"))
    demand(world, request.caller, "storage.objects.get", bucket, on=source)
    preconditions.hold_of_object(source, inner(wanted, "objectPreconditions"))
    return source


def _move(world: World, request: Request) -> Mapping[str, Any]:
    params = request.params
    bucket = bucket_of(world, request, "storage.objects.create")
    demand(world, request.caller, "storage.objects.delete", bucket)
    target = params["destinationObject"]
    objects.check_name(target)
    with world.store.transaction():
        source = generations.find(world, bucket["name"], params["sourceObject"], None)
        preconditions.hold_of_object(source, preconditions.of_source(params))
        old = world.store.get(OBJECT, f"{bucket['name']}/{target}")
        preconditions.hold_of_object(old, params)
        if target == source["name"]:
            raise invalid("The source and the destination of a move must have different names.")
        generations.check_replaced(world, bucket, source)
        if old is not None:
            generations.check_replaced(world, bucket, old)
            generations.retire(world, bucket, old)
        folders.ensure(world, bucket, target)
        body = _renamed(world, source, target, old)
        body["file"] = blobs.link(world.home, bucket["name"], source["file"])
        world.store.delete(OBJECT, f"{bucket['name']}/{source['name']}")
        generations.retire(world, bucket, source)
        world.store.put(OBJECT, f"{bucket['name']}/{target}", body)
    return shown(world, request, bucket, body)


def _renamed(world: World, source: Body, target: str, old: Body | None) -> Body:
    """The generation that a move makes: everything but name, numbers and times is the source's."""
    written = blobs.Written(world.home, int(source["size"]), source.get("md5Hash", ""), source["crc32c"])
    bucket = {"name": source["bucket"], "storageClass": source["storageClass"]}
    fresh = objects.made(bucket, target, {}, written, world.clock(), old)
    times = {key: fresh[key] for key in fresh if key.startswith("time") or key in ("updated", "generation")}
    return {**source, **times, "name": target, "metageneration": "1"}
