"""IAM: workload identity pools and their providers. What comes in through them is exchanged in `sandbox.federation`."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import cel
from reconciler.sandbox.iam.federation import POOL, PROVIDER
from reconciler.sandbox.paging import listed
from reconciler.sandbox.store import Body, Exists
from reconciler.sandbox.world import Method, Request, World, timestamp

API: Final = "iam"
VERSIONS: Final = ("v1",)
KEPT_DAYS: Final = 30
_ID: Final = re.compile(r"[a-z0-9-]{4,32}")
_METADATA: Final = "type.googleapis.com/google.iam.v1.WorkloadIdentityPool"
_TEXTS: Final = {"displayName": 32, "description": 256}


@dataclass(frozen=True)
class _Kind:
    """Pools or providers: they behave alike."""

    stored: str
    collection: str
    parameter: str
    message: str
    fields: tuple[str, ...]
    check: Callable[[Mapping[str, Any]], None]


def methods(world: World) -> dict[str, Method]:
    """What of pools and providers is emulated: OpenID Connect, with the issuer's keys uploaded."""
    base = "projects.locations.workloadIdentityPools"
    return {**_verbs(world, base, _POOLS), **_verbs(world, f"{base}.providers", _PROVIDERS)}


def _verbs(world: World, prefix: str, kind: _Kind) -> dict[str, Method]:
    found: dict[str, Callable[[World, Request, _Kind], Mapping[str, Any]]] = {
        "create": _create,
        "get": lambda world, request, kind: _shown(world, _found(world, request, kind)),
        "list": _list,
        "patch": _patch,
        "delete": lambda world, request, kind: _mark(world, request, kind, deleted=True),
        "undelete": lambda world, request, kind: _mark(world, request, kind, deleted=False),
    }

    def bound(function: Callable[[World, Request, _Kind], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request, kind)

    return {f"{prefix}.{verb}": bound(function) for verb, function in found.items()}


def _check_provider(body: Mapping[str, Any]) -> None:
    if not body.get("oidc"):
        raise ApiError(400, "The sandbox emulates OpenID Connect providers alone: oidc must be set.")
    if not str(body["oidc"].get("issuerUri", "")).startswith("https://"):
        raise ApiError(400, "The issuer URI must be an https URI.")
    mapping: Mapping[str, str] = body.get("attributeMapping", {})
    if "google.subject" not in mapping:
        raise ApiError(400, "The mapping for google.subject is required.")
    for expression in (*mapping.values(), body.get("attributeCondition") or "true"):
        try:
            cel.check(expression)
        except cel.Unreadable as error:
            raise ApiError(400, f"Error in attribute mapping or condition: {error}") from error


_POOLS: Final = _Kind(
    POOL, "workloadIdentityPools", "workloadIdentityPoolId", "Pool", ("disabled", *_TEXTS), lambda _: None
)
_PROVIDERS: Final = _Kind(
    PROVIDER,
    "providers",
    "workloadIdentityPoolProviderId",
    "PoolProvider",
    ("disabled", *_TEXTS, "attributeMapping", "attributeCondition", "oidc"),
    _check_provider,
)


def _name(request: Request, name: str) -> str:
    """The stored name: with the project's id."""
    return re.sub(r"^projects/[^/]+", f"projects/{request.project}", name)


def _found(world: World, request: Request, kind: _Kind) -> Body:
    name = _name(request, str(request.params["name"]))
    body = world.store.get(kind.stored, name)
    if body is None:
        raise ApiError(404, f"Requested entity was not found: {name}")
    return {**body, "name": name}


def _create(world: World, request: Request, kind: _Kind) -> Mapping[str, Any]:
    parent, own = str(request.params["parent"]), str(request.params.get(kind.parameter, ""))
    if _ID.fullmatch(own) is None or own.startswith("gcp-"):
        raise ApiError(400, f"Invalid ID {own!r}: 4 to 32 of [a-z0-9-], not beginning with gcp-.")
    if "/locations/global" not in parent:
        raise ApiError(400, "Workload identity pools are in the location global.")
    _check(kind, request.body)
    body: Body = {field: request.body[field] for field in kind.fields if request.body.get(field)}
    name = _name(request, f"{parent}/{kind.collection}/{own}")
    if kind is _PROVIDERS and world.store.get(POOL, _name(request, parent)) is None:
        raise ApiError(404, "Requested entity was not found.")
    try:
        world.store.create(kind.stored, name, body)
    except Exists as error:
        raise ApiError(409, "Requested entity already exists") from error
    return _operation(world, kind, {**body, "name": name})


def _check(kind: _Kind, body: Mapping[str, Any]) -> None:
    for field, most in _TEXTS.items():
        if len(body.get(field, "")) > most:
            raise ApiError(400, f"The {field} must not be longer than {most} characters.")
    kind.check(body)


def _list(world: World, request: Request, kind: _Kind) -> Mapping[str, Any]:
    prefix = _name(request, f"{request.params['parent']}/{kind.collection}/")
    items = [
        (name, _shown(world, {**body, "name": name}))
        for name, body in world.store.list(kind.stored, prefix)
        if "/" not in name.removeprefix(prefix)
        and (request.params.get("showDeleted") or not body.get("deleted"))
    ]
    key = "workloadIdentityPools" if kind is _POOLS else "workloadIdentityPoolProviders"
    return listed(key, items, request.params, default=50, most=1000)


def _patch(world: World, request: Request, kind: _Kind) -> Mapping[str, Any]:
    body = _found(world, request, kind)
    fields = [_camel(field) for field in str(request.params.get("updateMask", "")).split(",") if field]
    top = {field.partition(".")[0] for field in fields}
    if not top or not top <= set(kind.fields):
        raise ApiError(400, "The update mask must name fields that can be changed.")
    kept = {key: value for key, value in body.items() if key not in top and key != "name"}
    fresh = {**kept, **{field: request.body[field] for field in top if request.body.get(field)}}
    _check(kind, fresh)
    world.store.put(kind.stored, body["name"], fresh)
    return _operation(world, kind, {**fresh, "name": body["name"]})


def _mark(world: World, request: Request, kind: _Kind, *, deleted: bool) -> Mapping[str, Any]:
    body = _found(world, request, kind)
    if bool(body.get("deleted")) == deleted:
        raise ApiError(400, "Precondition check failed.", rpc_status="FAILED_PRECONDITION")
    fresh = {key: value for key, value in body.items() if key not in ("name", "deleted")}
    if deleted:
        fresh["deleted"] = timestamp(world.clock() + timedelta(days=KEPT_DAYS))
    world.store.put(kind.stored, body["name"], fresh)
    return _operation(world, kind, {**fresh, "name": body["name"]})


def _operation(world: World, kind: _Kind, body: Body) -> Mapping[str, Any]:
    """An operation that the first look finds done."""
    shown = _shown(world, body)
    name = f"{shown['name']}/operations/{secrets.token_hex(16)}"
    metadata = {"@type": f"{_METADATA.removesuffix('Pool')}{kind.message}OperationMetadata"}
    response = {"@type": f"{_METADATA.removesuffix('Pool')}{kind.message}", **shown}
    for one in (name, f"{body['name']}/operations/{name.rpartition('/')[2]}"):
        world.operations.finished(one, {"metadata": metadata, "done": True, "response": response})
    return {"name": name, "metadata": metadata}


def _shown(world: World, body: Body) -> dict[str, Any]:
    _, project, *rest = str(body["name"]).split("/")
    known = world.projects.find(project)
    name = "/".join(["projects", known.number if known else project, *rest])
    fields = {key: value for key, value in body.items() if key not in ("name", "deleted")}
    gone = {"expireTime": body["deleted"]} if body.get("deleted") else {}
    return {"name": name, "state": "DELETED" if gone else "ACTIVE", **fields, **gone}


def _camel(field: str) -> str:
    head, *rest = field.split("_")
    return head + "".join(part.capitalize() for part in rest)
