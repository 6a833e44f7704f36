"""Artifact Registry: repositories with clean-up policies and IAM, and what was pushed into them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox import labels, registry
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam.policies import EMPTY_ETAG
from reconciler.sandbox.iam.policy_bindings import requested_version
from reconciler.sandbox.paging import listed
from reconciler.sandbox.services.artifactregistry_locations import LOCATIONS
from reconciler.sandbox.store import Body
from reconciler.sandbox.web.fields import check_change, fixed_fields, open_fields
from reconciler.sandbox.world import Method, Request, World

API: Final = "artifactregistry"
VERSIONS: Final = ("v1",)
REPOSITORY: Final = "artifactregistry.repository"
REPOSITORY_ID: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
MUTABLE: Final = tuple(sorted(open_fields("artifactregistry.Repository")))
FIXED: Final = tuple(sorted(fixed_fields("artifactregistry.Repository")))
_MADE_WITH: Final = ("kmsKeyName", "remoteRepositoryConfig", "mavenConfig", "disallowUnspecifiedMode")
SCANNER: Final = "containerscanning.googleapis.com"
FORMATS: Final = ("DOCKER", "MAVEN", "NPM", "APT", "YUM", "PYTHON", "KFP", "GO", "GENERIC", "GOOGET", "RUBY")
_URI: Final = "registryUri"
_KIND: Final = "type.googleapis.com/google.devtools.artifactregistry.v1."
Function = Callable[[World, Request], Mapping[str, Any]]


def methods(world: World) -> dict[str, Method]:
    """What of Artifact Registry is emulated."""
    world.operations.register("artifactregistry.create", lambda arguments, _: _do_create(world, arguments))
    world.operations.register("artifactregistry.delete", lambda arguments, _: _do_delete(world, arguments))
    world.operations.register("artifactregistry.drop", lambda arguments, _: registry.drop(world, arguments))
    found: dict[str, Function] = {
        "create": _create,
        "get": lambda world, request: _shown(world, _repository(world, request)),
        "list": _list,
        "patch": _patch,
        "delete": _delete,
        "getIamPolicy": _policy,
        "setIamPolicy": lambda world, request: world.policies.set(
            _named(world, request), request.body.get("policy", {})
        ),
        "testIamPermissions": lambda world, request: world.policies.held(
            request.caller,
            request.body.get("permissions", ()),
            [_named(world, request), f"projects/{request.project}"],
        ),
        "packages.get": _behind(registry.get_package),
        "packages.list": _behind(registry.list_packages),
        "packages.delete": _dropping,
        "packages.versions.get": _behind(registry.get_version),
        "packages.versions.list": _behind(registry.list_versions),
        "packages.versions.delete": _dropping,
        "packages.tags.get": _behind(registry.get_tag),
        "packages.tags.list": _behind(registry.list_tags),
        "packages.tags.create": _behind(registry.create_tag),
        "packages.tags.patch": _behind(registry.move_tag),
        "packages.tags.delete": _behind(registry.delete_tag),
        "dockerImages.get": _behind(registry.get_image),
        "dockerImages.list": _behind(registry.list_images),
    }

    def bound(function: Function) -> Method:
        return lambda request: function(world, request)

    return {f"projects.locations.repositories.{verb}": bound(function) for verb, function in found.items()}


def _name(request: Request) -> str:
    sent = str(request.params.get("name") or request.params.get("resource") or request.params.get("parent"))
    parts = sent.split("/")
    return "/".join(["projects", request.project, *parts[2:6]])


def _repository(world: World, request: Request) -> Body:
    body = world.store.get(REPOSITORY, _name(request))
    if body is None:
        raise ApiError(404, "Requested entity was not found.")
    return body


def _named(world: World, request: Request) -> str:
    return _repository(world, request)["name"]


def _behind(function: Function) -> Function:
    """*function*, once its repository is known to exist."""

    def checked(world: World, request: Request) -> Mapping[str, Any]:
        _repository(world, request)
        return function(world, request)

    return checked


def _policy(world: World, request: Request) -> Mapping[str, Any]:
    policy = world.policies.get(_named(world, request), requested_version(request.params, request.body))
    return policy if policy.get("bindings") else {"etag": policy.get("etag", EMPTY_ETAG)}


def _shown(world: World, body: Body) -> dict[str, Any]:
    project, location, repository = (body["name"].split("/")[at] for at in (1, 3, 5))
    shown = {key: value for key, value in body.items() if value not in (False, "", {}, [])}
    return {
        **shown,
        "vulnerabilityScanningConfig": _scanning(world, project, body),
        "satisfiesPzi": True,
        _URI: f"{location}-docker.pkg.dev/{project}/{repository}",
        **({"sizeBytes": str(size)} if (size := registry.size_of(world, body["name"])) else {}),
    }


def _scanning(world: World, project: str, body: Body) -> dict[str, Any]:
    config: dict[str, Any] = dict(body.get("vulnerabilityScanningConfig", {}))
    if config.get("enablementConfig") == "ENABLEMENT_CONFIG_UNSPECIFIED":
        del config["enablementConfig"]
    mode, state, reason = body["mode"], "SCANNING_ACTIVE", ""
    if mode == "VIRTUAL_REPOSITORY":
        state, reason = "SCANNING_UNSUPPORTED", f"Repository mode {mode} is not supported."
    elif config.get("enablementConfig") == "DISABLED":
        state, reason = "SCANNING_DISABLED", "Scanning is disabled for this repository."
    elif not world.projects.enabled(project, SCANNER):
        state, reason = "SCANNING_DISABLED", f"API {SCANNER} is not enabled."
    words = {"enablementStateReason": reason} if reason else {}
    return {**config, "enablementState": state, **words, "lastEnableTime": body["createTime"]}


def _create(world: World, request: Request) -> Mapping[str, Any]:
    repository_id = request.params.get("repositoryId", "")
    location = request.params["parent"].split("/")[3]
    if REPOSITORY_ID.fullmatch(repository_id) is None:
        raise ApiError(
            400, f'The repository ID "{repository_id}" is invalid: it must match {REPOSITORY_ID.pattern}.'
        )
    if location not in LOCATIONS:
        raise ApiError(403, f"Location {location} is not found or access is unauthorized.")
    sent = request.body
    if sent.get("format") not in FORMATS:
        raise ApiError(400, f'Invalid repository format "{sent.get("format", "FORMAT_UNSPECIFIED")}".')
    name = f"projects/{request.project}/locations/{location}/repositories/{repository_id}"
    if world.store.get(REPOSITORY, name) is not None:
        raise ApiError(409, "the repository already exists")
    _check(sent)
    mode = sent.get("mode", "MODE_UNSPECIFIED")
    body: Body = {
        "name": name,
        "format": sent["format"],
        "mode": "STANDARD_REPOSITORY" if mode == "MODE_UNSPECIFIED" else mode,
        **{field: sent[field] for field in (*MUTABLE, *_MADE_WITH) if sent.get(field)},
    }
    return _operation(world, "artifactregistry.create", request, {"body": _normalised(body)}, lock=name)


def _operation(
    world: World, kind: str, request: Request, arguments: Mapping[str, Any], lock: str
) -> Mapping[str, Any]:
    location = str(request.params.get("parent") or request.params.get("name")).split("/")[3]
    name = f"projects/{request.project}/locations/{location}/operations/{uuid.uuid4()}"
    if world.operations.running(lock) is not None:
        raise ApiError(409, "unable to queue the operation", rpc_status="ABORTED")
    metadata = {"@type": f"{_KIND}OperationMetadata"}
    return world.operations.start(kind, name, arguments, wire={"metadata": metadata}, lock=lock)


def _do_create(world: World, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    now = world.now()
    body = {**arguments["body"], "createTime": now, "updateTime": now}
    world.store.put(REPOSITORY, body["name"], body)
    return {"@type": f"{_KIND}Repository", **_without(_shown(world, body), "createTime", "updateTime", _URI)}


def _check(sent: Mapping[str, Any]) -> None:
    labels.check(sent.get("labels", {}))
    for key, policy in sent.get("cleanupPolicies", {}).items():
        if policy.get("id", key) != key:
            raise ApiError(400, f"The clean-up policy {key} carries another id: {policy['id']}.")
        if policy.get("action") not in ("DELETE", "KEEP"):
            raise ApiError(400, f"The clean-up policy {key} must have the action DELETE or KEEP.")
        if not ("condition" in policy) ^ ("mostRecentVersions" in policy):
            raise ApiError(
                400, f"The clean-up policy {key} must have either a condition or mostRecentVersions."
            )
        if "mostRecentVersions" in policy and policy["action"] != "KEEP":
            raise ApiError(
                400, f"The clean-up policy {key}: mostRecentVersions goes with the action KEEP only."
            )


def _normalised(body: Body) -> Body:
    for key, policy in body.get("cleanupPolicies", {}).items():
        policy["id"] = key
        condition = policy.get("condition", {})
        for age in ("olderThan", "newerThan"):
            if age in condition:
                condition[age] = (
                    f"{float(condition[age].removesuffix('s')):g}s"
                    if "." in condition[age]
                    else condition[age]
                )
        if condition.get("tagState") == "TAG_STATE_UNSPECIFIED":
            del condition["tagState"]
    return body


def _list(world: World, request: Request) -> Mapping[str, Any]:
    location = request.params["parent"].split("/")[3]
    prefix = f"projects/{request.project}/locations/" + ("" if location == "-" else f"{location}/")
    items = [(name, _shown(world, body)) for name, body in world.store.list(REPOSITORY, prefix)]
    return listed("repositories", items, request.params, default=100, most=1000)


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    current = _repository(world, request)
    sent = request.body
    mask = [
        labels.camel(field).partition(".")[0]
        for field in str(request.params.get("updateMask", "")).split(",")
        if field
    ]
    fields = (MUTABLE if "*" in mask else mask) or [field for field in sent if field != "name"]
    check_change("artifactregistry.Repository", current, sent, fields)
    for field in fields:
        if field not in (*MUTABLE, *FIXED, "name"):
            raise ApiError(400, f'Invalid field "{field}" in the update mask.')
    _check(sent)

    def change(body: Body) -> Body:
        for field in set(fields) & set(MUTABLE):
            body.pop(field, None)
            if sent.get(field):
                body[field] = sent[field]
        return {**_normalised(body), "updateTime": world.now()}

    return _without(_shown(world, world.store.update(REPOSITORY, current["name"], change)), _URI)


def _without(shown: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    """*shown* without what only a read answers: a creation says no times, and neither it nor a change the URI."""
    return {field: value for field, value in shown.items() if field not in fields}


def _delete(world: World, request: Request) -> Mapping[str, Any]:
    name = _named(world, request)
    return _operation(world, "artifactregistry.delete", request, {"name": name}, lock=name)


def _do_delete(world: World, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    name = arguments["name"]
    with world.store.transaction():
        if world.store.get(REPOSITORY, name) is not None:
            world.store.delete(REPOSITORY, name)
        registry.forget_repository(world, name)
        world.policies.forget(name)
    return {"@type": "type.googleapis.com/google.protobuf.Empty"}


def _dropping(world: World, request: Request) -> Mapping[str, Any]:
    _repository(world, request)
    arguments = registry.to_drop(world, request)
    return _operation(world, "artifactregistry.drop", request, arguments, lock="")
