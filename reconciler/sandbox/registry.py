"""What repositories hold: packages, versions by digest, and tags that point at them.

Cloud Build pushes with `push_image`; `resolve_image` says which digest a reference means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import listed
from reconciler.sandbox.store import Body, Exists
from reconciler.sandbox.world import Request, World

VERSION: Final = "artifactregistry.version"
TAG: Final = "artifactregistry.tag"
MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"


def push_image(
    world: World,
    repository: str,
    package: str,
    digest: str,
    tags: tuple[str, ...] = (),
    *,
    size_bytes: int = 0,
) -> None:
    """Keep an image as a push would.

    *repository* is a full name, "projects/p/locations/r/repositories/x", and must exist (ApiError 404); *package*
    is what follows it in a reference, "mlflow" or "team/mlflow"; *digest* is "sha256:…". A tag that pointed at
    another digest moves.
    """
    if world.store.get("artifactregistry.repository", repository) is None:
        raise ApiError(404, f"Repository {repository} not found.")
    now = world.now()
    with world.store.transaction():
        name = _version_name(repository, package, digest)
        old = world.store.get(VERSION, name)
        body: Body = {
            "package": package,
            "digest": digest,
            "size": size_bytes,
            "createTime": now,
            "updateTime": now,
        }
        if old is not None:
            body["createTime"] = old["createTime"]
        world.store.put(VERSION, name, body)
        for tag in tags:
            world.store.put(
                TAG, _tag_name(repository, package, tag), {"package": package, "tag": tag, "digest": digest}
            )


def resolve_image(world: World, reference: str) -> str | None:
    """ "REGION-docker.pkg.dev/p/repo/package@sha256:…" for a reference with a tag (or none: latest) or a digest.

    None where the registry does not hold it.
    """
    host, _, rest = reference.partition("/")
    parts = rest.split("/")
    if not host.endswith("-docker.pkg.dev") or len(parts) < 3:
        return None
    location = host.removesuffix("-docker.pkg.dev")
    repository = f"projects/{parts[0]}/locations/{location}/repositories/{parts[1]}"
    image = "/".join(parts[2:])
    package, at, digest = image.partition("@")
    head, colon, tag = package.rpartition(":")
    package, tag = (head, tag) if colon else (package, "latest")
    if not at:
        found = world.store.get(TAG, _tag_name(repository, package, tag))
        digest = found["digest"] if found else ""
    if world.store.get(VERSION, _version_name(repository, package, digest)) is None:
        return None
    return f"{host}/{parts[0]}/{parts[1]}/{package}@{digest}"


def size_of(world: World, repository: str) -> int:
    """Bytes of all images in a repository."""
    return sum(body["size"] for _, body in world.store.list(VERSION, f"{repository}/"))


def forget_repository(world: World, repository: str) -> None:
    """Drop everything that a deleted repository held."""
    for kind in (VERSION, TAG):
        for name, _ in world.store.list(kind, f"{repository}/"):
            world.store.delete(kind, name)


def get_package(world: World, request: Request) -> Mapping[str, Any]:
    """packages.get."""
    return _package(world, *_located(request))


def list_packages(world: World, request: Request) -> Mapping[str, Any]:
    """packages.list."""
    repository = _located(request)[0]
    packages = sorted({body["package"] for _, body in world.store.list(VERSION, f"{repository}/")})
    items = [(package, _package(world, repository, package)) for package in packages]
    return listed("packages", items, request.params, default=100, most=1000)


def get_version(world: World, request: Request) -> Mapping[str, Any]:
    """packages.versions.get."""
    repository, package = _located(request)
    return _version(repository, _found(world, VERSION, _version_name(repository, package, _last(request))))


def list_versions(world: World, request: Request) -> Mapping[str, Any]:
    """packages.versions.list; with view=FULL the tags of each."""
    repository, package = _located(request)
    full = request.params.get("view") == "FULL"
    items: list[tuple[str, dict[str, Any]]] = []
    for name, body in _of_package(world, VERSION, repository, package):
        shown = _version(repository, body)
        if full:
            tagged = _of_package(world, TAG, repository, package)
            shown["relatedTags"] = [
                _tag(repository, tag) for _, tag in tagged if tag["digest"] == body["digest"]
            ]
        items.append((name, shown))
    return listed("versions", items, request.params, default=100, most=1000)


def get_tag(world: World, request: Request) -> Mapping[str, Any]:
    """packages.tags.get."""
    repository, package = _located(request)
    return _tag(repository, _found(world, TAG, _tag_name(repository, package, _last(request))))


def list_tags(world: World, request: Request) -> Mapping[str, Any]:
    """packages.tags.list."""
    repository, package = _located(request)
    items = [(name, _tag(repository, body)) for name, body in _of_package(world, TAG, repository, package)]
    return listed("tags", items, request.params, default=100, most=1000)


def create_tag(world: World, request: Request) -> Mapping[str, Any]:
    """packages.tags.create."""
    repository, package = _located(request)
    tag = request.params.get("tagId", "")
    body = {"package": package, "tag": tag, "digest": _target(world, request, repository, package)}
    try:
        world.store.create(TAG, _tag_name(repository, package, tag), body)
    except Exists as error:
        raise ApiError(409, f"tag {tag} already exists") from error
    return _tag(repository, body)


def move_tag(world: World, request: Request) -> Mapping[str, Any]:
    """packages.tags.patch: point a tag elsewhere."""
    repository, package = _located(request)
    body = {"package": package, "tag": _last(request), "digest": _target(world, request, repository, package)}
    world.store.put(TAG, _tag_name(repository, package, _last(request)), body)
    return _tag(repository, body)


def delete_tag(world: World, request: Request) -> Mapping[str, Any]:
    """packages.tags.delete: synchronous, unlike the others."""
    get_tag(world, request)
    repository, package = _located(request)
    world.store.delete(TAG, _tag_name(repository, package, _last(request)))
    return {}


def get_image(world: World, request: Request) -> Mapping[str, Any]:
    """dockerImages.get: by "package@sha256:…"."""
    repository = _located(request)[0]
    package, _, digest = _last(request).partition("@")
    return _image(world, repository, _found(world, VERSION, _version_name(repository, package, digest)))


def list_images(world: World, request: Request) -> Mapping[str, Any]:
    """dockerImages.list."""
    repository = _located(request)[0]
    items = [
        (name, _image(world, repository, body)) for name, body in world.store.list(VERSION, f"{repository}/")
    ]
    return listed("dockerImages", items, request.params, default=100, most=1000)


def to_drop(world: World, request: Request) -> Mapping[str, Any]:
    """What deleting a package or version takes away; raises ApiError 400 for a version that tags point at."""
    repository, package = _located(request)
    if "/versions/" not in request.params["name"]:
        _package(world, repository, package)
        return {"repository": repository, "package": package, "digest": ""}
    digest = _last(request)
    _found(world, VERSION, _version_name(repository, package, digest))
    tagged = [
        body["tag"] for _, body in _of_package(world, TAG, repository, package) if body["digest"] == digest
    ]
    if tagged and not request.params.get("force"):
        text = f"could not delete version {digest}: it is referenced by tags: {tagged}"
        raise ApiError(400, text, rpc_status="FAILED_PRECONDITION")
    return {"repository": repository, "package": package, "digest": digest}


def drop(world: World, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The operation behind deleting a package or a version."""
    for kind in (TAG, VERSION):
        for name, body in _of_package(world, kind, arguments["repository"], arguments["package"]):
            if arguments["digest"] in ("", body["digest"]):
                world.store.delete(kind, name)
    return {"@type": "type.googleapis.com/google.protobuf.Empty"}


def _of_package(world: World, kind: str, repository: str, package: str) -> list[tuple[str, Body]]:
    return world.store.list(kind, f"{repository}/packages/{quote(package, safe='')}/")


def _located(request: Request) -> tuple[str, str]:
    parts = str(request.params.get("name") or request.params.get("parent")).split("/")
    package = parts[7] if len(parts) > 7 and parts[6] == "packages" else ""
    # A package with slashes travels as team%2Fmlflow, once more escaped by some clients.
    return "/".join(["projects", request.project, *parts[2:6]]), package.replace("%2F", "/")


def _last(request: Request) -> str:
    return request.params["name"].rpartition("/")[2].replace("%2F", "/")


def _version_name(repository: str, package: str, digest: str) -> str:
    return f"{repository}/packages/{quote(package, safe='')}/versions/{digest}"


def _tag_name(repository: str, package: str, tag: str) -> str:
    return f"{repository}/packages/{quote(package, safe='')}/tags/{tag}"


def _target(world: World, request: Request, repository: str, package: str) -> str:
    digest = request.body.get("version", "").rpartition("/")[2]
    _found(world, VERSION, _version_name(repository, package, digest))
    return digest


def _package(world: World, repository: str, package: str) -> dict[str, Any]:
    versions = [body for _, body in _of_package(world, VERSION, repository, package)]
    if not versions:
        raise _missing()
    return {
        "name": f"{repository}/packages/{quote(package, safe='')}",
        "displayName": package,
        "createTime": min(body["createTime"] for body in versions),
        "updateTime": max(body["updateTime"] for body in versions),
    }


def _version(repository: str, body: Body) -> dict[str, Any]:
    return {
        "name": _version_name(repository, body["package"], body["digest"]),
        "createTime": body["createTime"],
        "updateTime": body["updateTime"],
        "metadata": {
            "name": _image_name(repository, body),
            "imageSizeBytes": str(body["size"]),
            "mediaType": MANIFEST,
        },
    }


def _tag(repository: str, body: Body) -> dict[str, Any]:
    return {
        "name": _tag_name(repository, body["package"], body["tag"]),
        "version": _version_name(repository, body["package"], body["digest"]),
    }


def _image_name(repository: str, body: Body) -> str:
    return f"{repository}/dockerImages/{quote(body['package'], safe='')}@{body['digest']}"


def _image(world: World, repository: str, body: Body) -> dict[str, Any]:
    tagged = _of_package(world, TAG, repository, body["package"])
    tags = [tag["tag"] for _, tag in tagged if tag["digest"] == body["digest"]]
    project, location, name = (repository.split("/")[at] for at in (1, 3, 5))
    return {
        "name": _image_name(repository, body),
        "uri": f"{location}-docker.pkg.dev/{project}/{name}/{body['package']}@{body['digest']}",
        **({"tags": tags} if tags else {}),
        "imageSizeBytes": str(body["size"]),
        "uploadTime": body["createTime"],
        "updateTime": body["updateTime"],
        "mediaType": MANIFEST,
        "buildTime": body["createTime"],
    }


def _found(world: World, kind: str, name: str) -> Body:
    if body := world.store.get(kind, name):
        return body
    raise _missing()


def _missing() -> ApiError:
    return ApiError(404, "Requested entity was not found.")
