"""Folders of hierarchical buckets, and managed folders of buckets with uniform access: how they are kept and shown."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from reconciler.sandbox.storage.bucket_settings import invalid
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.world import World, stamp

FOLDER: Final = "storage.folder"
MANAGED: Final = "storage.managedFolder"
DEEPEST: Final = 15
"""Levels of managed folders."""


def hierarchical(bucket: Body) -> bool:
    """Whether folders are things of their own in *bucket*."""
    return bool(inner(bucket, "hierarchicalNamespace").get("enabled"))


def path(name: str) -> str:
    """A folder's name as it is kept, with a slash at its end. Raises ApiError 400."""
    kept = name if name.endswith("/") else f"{name}/"
    odd = "\n" in kept or "\r" in kept or kept in ("/", "./", "../") or len(kept.encode()) > 1024
    if odd or kept.startswith(".well-known/acme-challenge/"):
        raise invalid(f"Invalid folder name: '{name}'")
    return kept


def parents(name: str) -> list[str]:
    """The folders that *name* (an object's or a folder's) lies in, outermost first."""
    parts = name.removesuffix("/").split("/")[:-1]
    return ["/".join(parts[: end + 1]) + "/" for end in range(len(parts))]


def made(world: World, bucket: Body, name: str) -> Body:
    """A new folder, as it is kept."""
    at = stamp(world.clock())
    return {"bucket": bucket["name"], "name": name, "metageneration": "1", "createTime": at, "updateTime": at}


def ensure(world: World, bucket: Body, name: str) -> None:
    """Make the folders that an object or a folder of that name needs, where folders are things of their own."""
    if not hierarchical(bucket):
        return
    for parent in parents(name):
        if world.store.get(FOLDER, f"{bucket['name']}/{parent}") is None:
            world.store.put(FOLDER, f"{bucket['name']}/{parent}", made(world, bucket, parent))


def shown(kind: str, body: Body) -> dict[str, Any]:
    """A storage#folder or storage#managedFolder."""
    collection, word = ("folders", "folder") if kind == FOLDER else ("managedFolders", "managedFolder")
    link = f"https://www.googleapis.com/storage/v1/b/{body['bucket']}/{collection}/{quote(body['name'], safe='')}"
    return {"kind": f"storage#{word}", "id": f"{body['bucket']}/{body['name']}", "selfLink": link, **body}
