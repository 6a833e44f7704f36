"""Cloud Storage: folders of hierarchical buckets, and managed folders."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.operations import Progress
from reconciler.sandbox.paging import listed
from reconciler.sandbox.services.storage import Function, served
from reconciler.sandbox.storage import bucket_access, folders, objects, preconditions
from reconciler.sandbox.storage.bucket_access import bucket_of, demand
from reconciler.sandbox.storage.buckets import uniform
from reconciler.sandbox.storage.folders import FOLDER, MANAGED
from reconciler.sandbox.storage.objects import OBJECT
from reconciler.sandbox.store import Body, Exists
from reconciler.sandbox.world import Answer, Method, Request, World, stamp

API: Final = "storage"
VERSIONS: Final = ("v1",)
RENAME: Final = "storage.renameFolder"
_TYPES: Final = "type.googleapis.com/google.storage.control.v2."


def methods(world: World) -> dict[str, Method]:
    """Everything but a recursive deletion."""
    world.operations.register(RENAME, lambda arguments, progress: _move(world, arguments, progress))
    functions: dict[str, Function] = {
        "folders.insert": _insert,
        "folders.get": _get,
        "folders.list": _list,
        "folders.delete": _delete,
        "folders.rename": _rename,
        "managedFolders.insert": _insert_managed,
        "managedFolders.get": _get_managed,
        "managedFolders.list": _list_managed,
        "managedFolders.delete": _delete_managed,
    }
    return served(world, functions)


def _conflict(text: str) -> ApiError:
    return ApiError(409, text, reason="conflict")


def _hierarchical(world: World, request: Request, permission: str) -> Body:
    bucket = bucket_of(world, request, permission)
    if not folders.hierarchical(bucket):
        raise _conflict("The bucket does not support hierarchical namespace.")
    return bucket


def _folder(world: World, bucket: Body, name: str) -> Body:
    body = world.store.get(FOLDER, f"{bucket['name']}/{folders.path(name)}")
    if body is None:
        raise ApiError(404, "The folder does not exist.")
    return body


def _insert(world: World, request: Request) -> Mapping[str, Any]:
    bucket = _hierarchical(world, request, "storage.folders.create")
    name = folders.path(str(request.body.get("name") or ""))
    with world.store.transaction():
        if not request.params.get("recursive"):
            for parent in folders.parents(name):
                if world.store.get(FOLDER, f"{bucket['name']}/{parent}") is None:
                    raise _conflict("The parent folder does not exist.")
        folders.ensure(world, bucket, name)
        try:
            body = world.store.create(FOLDER, f"{bucket['name']}/{name}", folders.made(world, bucket, name))
        except Exists as error:
            raise _conflict("The folder you tried to create already exists.") from error
    return folders.shown(FOLDER, body)


def _get(world: World, request: Request) -> Mapping[str, Any]:
    bucket = _hierarchical(world, request, "storage.folders.get")
    body = _folder(world, bucket, request.params["folder"])
    preconditions.hold(body, request.params)
    return folders.shown(FOLDER, body)


def _list(world: World, request: Request) -> Mapping[str, Any]:
    bucket = _hierarchical(world, request, "storage.folders.list")
    params = request.params
    prefix, start, end = (params.get(name, "") for name in ("prefix", "startOffset", "endOffset"))
    found = [
        (body["name"], folders.shown(FOLDER, body))
        for _, body in world.store.list(FOLDER, f"{bucket['name']}/{prefix}")
        if body["name"] >= start
        and not (end and body["name"] >= end)
        # With a delimiter only what lies directly below the prefix.
        and not (params.get("delimiter") and "/" in body["name"][len(prefix) :].removesuffix("/"))
    ]
    return {"kind": "storage#folders", **listed("items", found, params, default=1000, most=1000)}


def _delete(world: World, request: Request) -> Answer:
    bucket = _hierarchical(world, request, "storage.folders.delete")
    with world.store.transaction():
        body = _folder(world, bucket, request.params["folder"])
        preconditions.hold(body, request.params)
        key = f"{bucket['name']}/{body['name']}"
        inside = len(world.store.list(FOLDER, key, limit=2)) > 1
        if inside or any(world.store.list(kind, key, limit=1) for kind in (OBJECT, MANAGED)):
            raise _conflict("The folder you tried to delete is not empty.")
        world.store.delete(FOLDER, key)
    return Answer(204)


def _rename(world: World, request: Request) -> Mapping[str, Any]:
    bucket = _hierarchical(world, request, "storage.folders.create")
    demand(world, request.caller, "storage.folders.delete", bucket)
    target = folders.path(request.params["destinationFolder"])
    source = _folder(world, bucket, request.params["sourceFolder"])
    preconditions.hold(source, preconditions.of_source(request.params))
    if world.store.get(FOLDER, f"{bucket['name']}/{target}") is not None:
        raise _conflict("The folder you tried to create already exists.")
    identity = base64.urlsafe_b64encode(f"\n${uuid.uuid4()}\x10\x01".encode()).decode().rstrip("=")
    name = f"projects/_/buckets/{bucket['name']}/operations/{identity}"
    arguments = {"bucket": bucket["name"], "source": source["name"], "target": target}
    metadata = _rename_metadata(source["name"], target, stamp(world.clock()), "")
    started = world.operations.start(RENAME, name, arguments, wire={"metadata": metadata})
    link = f"https://www.googleapis.com/storage/v1/b/{bucket['name']}/operations/{identity}"
    return {"kind": "storage#operation", "selfLink": link, "done": False, **started}


def _rename_metadata(source: str, target: str, created: str, ended: str) -> dict[str, Any]:
    return {
        "@type": f"{_TYPES}RenameFolderMetadata",
        "commonMetadata": {
            "createTime": created,
            "updateTime": ended or created,
            **({"endTime": ended} if ended else {}),
            "type": "rename-folder",
            "requestedCancellation": False,
            "progressPercent": 100 if ended else 1,
        },
        "sourceFolderId": source,
        "destinationFolderId": target,
    }


def _move(world: World, arguments: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
    """Move a folder with all that is in it; running it twice moves what is left."""
    bucket, source, target = arguments["bucket"], arguments["source"], arguments["target"]
    began = stamp(world.clock())
    with world.store.transaction():
        folders.ensure(world, bucket_access.found(world, bucket), target)
        for kind in (FOLDER, MANAGED, OBJECT, objects.NONCURRENT):
            for key, body in world.store.list(kind, f"{bucket}/{source}"):
                moved = {**body, "name": target + body["name"].removeprefix(source)}
                world.store.delete(kind, key)
                world.store.put(kind, f"{bucket}/{target}{key.removeprefix(f'{bucket}/{source}')}", moved)
        folder = world.store.get(FOLDER, f"{bucket}/{target}") or {}
    ended = stamp(world.clock())
    progress(_rename_metadata(source, target, began, ended))
    shown = {key: folder[key] for key in ("createTime", "metageneration") if key in folder}
    name = f"projects/_/buckets/{bucket}/folders/{target}"
    return {"@type": f"{_TYPES}Folder", "name": name, **shown, "updateTime": ended}


def managed_folder(world: World, request: Request, permission: str) -> tuple[Body, Body]:
    """The bucket and the managed folder of a request, for a caller who may; raises ApiError 404 or 412."""
    bucket = _uniform(world, request, permission)
    body = world.store.get(MANAGED, f"{bucket['name']}/{folders.path(request.params['managedFolder'])}")
    if body is None:
        raise ApiError(404, "The specified managed folder does not exist.")
    return bucket, body


def _uniform(world: World, request: Request, permission: str) -> Body:
    bucket = bucket_access.found(world, request.params["bucket"])
    if permission:
        demand(world, request.caller, permission, bucket)
    if not uniform(bucket):
        text = (
            "Uniform bucket-level access is required to be enabled on the bucket in order to perform this operation. "
            "Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access"
        )
        raise ApiError(412, text, reason="conditionNotMet", location=("If-Match", "header"))
    return bucket


def _insert_managed(world: World, request: Request) -> Mapping[str, Any]:
    bucket = _uniform(world, request, "storage.managedFolders.create")
    name = folders.path(str(request.body.get("name") or ""))
    if name.count("/") > folders.DEEPEST:
        text = f"Managed folders may be nested at most {folders.DEEPEST} levels deep."
        raise ApiError(400, text, reason="invalid")
    with world.store.transaction():
        # In a hierarchical bucket its folders are made, too.
        folders.ensure(world, bucket, f"{name}x")
        try:
            body = world.store.create(MANAGED, f"{bucket['name']}/{name}", folders.made(world, bucket, name))
        except Exists as error:
            raise _conflict("The specified managed folder already exists.") from error
    return folders.shown(MANAGED, body)


def _get_managed(world: World, request: Request) -> Mapping[str, Any]:
    _, body = managed_folder(world, request, "storage.managedFolders.get")
    preconditions.hold(body, request.params)
    return _shown_managed(body)


def _shown_managed(body: Body) -> dict[str, Any]:
    return folders.shown(MANAGED, {key: value for key, value in body.items() if key != "policyWrites"})


def _list_managed(world: World, request: Request) -> Mapping[str, Any]:
    # gcloud asks for them before it removes any bucket; one without uniform access has none.
    bucket = bucket_of(world, request, "storage.managedFolders.list")
    prefix = f"{bucket['name']}/{request.params.get('prefix', '')}"
    found = [(body["name"], _shown_managed(body)) for _, body in world.store.list(MANAGED, prefix)]
    page = listed("items", found, request.params, default=1000, most=1000)
    return {"kind": "storage#managedFolders", **page}


def _delete_managed(world: World, request: Request) -> Answer:
    with world.store.transaction():
        bucket, body = managed_folder(world, request, "storage.managedFolders.delete")
        preconditions.hold(body, request.params)
        key = f"{bucket['name']}/{body['name']}"
        inside = len(world.store.list(MANAGED, key, limit=2)) > 1 or world.store.list(OBJECT, key, limit=1)
        if inside and not request.params.get("allowNonEmpty"):
            raise _conflict("The managed folder you tried to delete is not empty.")
        world.store.delete(MANAGED, key)
        world.policies.forget(f"buckets/{bucket['name']}/managedFolders/{body['name']}")
    return Answer(204)
