"""Secret Manager: secrets and their policies. Versions are in `sandbox.secret_versions`.

Answers name resources by project number, whatever the caller used; the store keeps them by project id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from reconciler.sandbox import labels
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import page
from reconciler.sandbox.secret_versions import (
    SECRET,
    VERSION,
    etag_mismatch,
    fresh_etag,
    project_number,
    secret_name,
    version_methods,
)
from reconciler.sandbox.store import Body, Exists
from reconciler.sandbox.world import Method, Request, World, timestamp

API: Final = "secretmanager"
VERSIONS: Final = ("v1",)
SECRET_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
MUTABLE: Final = (
    # "Secret" in the API reference: everything else is immutable or the server's.
    "labels",
    "annotations",
    "topics",
    "expireTime",
    "ttl",
    "rotation",
    "versionAliases",
    "versionDestroyTtl",
)
_FILTER: Final = re.compile(
    r"(?P<field>name|labels\.[a-z0-9_-]+)\s*(?P<operator>[:=])\s*\"?(?P<value>[^\"]*)\"?"
)


def methods(world: World) -> dict[str, Method]:
    """What of Secret Manager is emulated: global secrets, not regional ones."""
    found: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "create": _create,
        "get": lambda world, request: _shown(world, request, _secret(world, request)),
        "list": _list,
        "patch": _patch,
        "delete": _delete,
        "getIamPolicy": lambda world, request: world.policies.get(_existing(world, request)),
        "setIamPolicy": lambda world, request: world.policies.set(
            _existing(world, request), request.body.get("policy", {})
        ),
        "testIamPermissions": lambda world, request: world.policies.held(
            request.caller,
            request.body.get("permissions", ()),
            [secret_name(request), f"projects/{request.project}"],
        ),
        **version_methods(),
    }

    def bound(function: Callable[[World, Request], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request)

    return {f"projects.secrets.{verb}": bound(function) for verb, function in found.items()}


def _secret(world: World, request: Request) -> Body:
    name = secret_name(request)
    body = world.store.get(SECRET, name)
    if body is None:
        shown = name.replace(f"projects/{request.project}/", f"projects/{project_number(world, request)}/")
        raise ApiError(404, f"Secret [{shown}] not found.")
    return body


def _existing(world: World, request: Request) -> str:
    _secret(world, request)
    return secret_name(request)


def _shown(world: World, request: Request, body: Body) -> dict[str, Any]:
    name = f"projects/{project_number(world, request)}/secrets/{body['secretId']}"
    hidden = ("secretId", "lastVersion", "ttl")
    return {"name": name, **{key: value for key, value in body.items() if key not in hidden and value}}


def _create(world: World, request: Request) -> Mapping[str, Any]:
    secret_id = request.params.get("secretId", "")
    if SECRET_ID.fullmatch(secret_id) is None:
        raise ApiError(400, f"Invalid secret ID '{secret_id}': it must match [A-Za-z0-9_-]{{1,255}}.")
    sent = request.body
    replication = sent.get("replication")
    if not replication or not set(replication) & {"automatic", "userManaged"}:
        raise ApiError(400, "The replication policy of the secret must be set: automatic or userManaged.")
    _check(sent)
    body: Body = {
        "secretId": secret_id,
        "replication": replication,
        "createTime": world.now(),
        "etag": fresh_etag(),
        "lastVersion": 0,
        **{field: sent[field] for field in MUTABLE if sent.get(field)},
    }
    _apply_ttl(world, body)
    name = f"projects/{request.project}/secrets/{secret_id}"
    try:
        world.store.create(SECRET, name, body)
    except Exists as error:
        shown = f"projects/{project_number(world, request)}/secrets/{secret_id}"
        raise ApiError(409, f"Secret [{shown}] already exists.") from error
    return _shown(world, request, body)


def _check(sent: Mapping[str, Any]) -> None:
    labels.check(sent.get("labels", {}))
    if sent.get("ttl") and sent.get("expireTime"):
        raise ApiError(400, "Only one of ttl and expire_time may be set.")


def _apply_ttl(world: World, body: Body) -> None:
    ttl = body.pop("ttl", None)
    if ttl:
        end = world.clock() + timedelta(seconds=float(ttl.removesuffix("s")))
        body["expireTime"] = timestamp(end)


def _list(world: World, request: Request) -> Mapping[str, Any]:
    found = [
        (name, _shown(world, request, body))
        for name, body in world.store.list(SECRET, f"projects/{request.project}/secrets/")
        if _passes(body, request.params.get("filter", ""))
    ]
    values, token = page(found, request.params, default=25000, most=25000)
    return {
        **({"secrets": values, "totalSize": len(found)} if found else {}),
        **({"nextPageToken": token} if token else {}),
    }


def _passes(body: Body, wanted: str) -> bool:
    for term in filter(None, re.split(r"\s+AND\s+", wanted.strip())):
        found = _FILTER.fullmatch(term)
        if found is None:
            raise ApiError(
                400, f"The sandbox does not understand the filter {term!r}.", reason="sandboxNotEmulated"
            )
        field, value = found["field"], found["value"]
        actual = body["secretId"] if field == "name" else body.get("labels", {}).get(field.partition(".")[2])
        exact = field != "name" and found["operator"] == "="
        if actual is None or (actual != value if exact else value.rpartition("/")[2] not in actual):
            return False
    return True


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    current = _secret(world, request)
    fields = [field for field in str(request.params.get("updateMask", "")).split(",") if field]
    if not fields:
        raise ApiError(400, "Request contains an invalid argument: update_mask is required.")
    _check(request.body)
    sent_etag = request.body.get("etag")
    if sent_etag and sent_etag != current["etag"]:
        raise etag_mismatch()
    chosen = {labels.camel(field).partition(".")[0] for field in fields}
    for field in sorted(chosen - {"etag"}):
        if field not in MUTABLE:
            raise ApiError(400, f"The field {field} of a secret cannot be updated.")
    aliases: dict[str, str] = request.body.get("versionAliases", {}) if "versionAliases" in chosen else {}
    for alias, number in aliases.items():
        if world.store.get(VERSION, f"{secret_name(request)}/versions/{int(number):010d}") is None:
            raise ApiError(400, f"The alias {alias} names version {number}, which does not exist.")

    def change(body: Body) -> Body:
        for field in chosen & set(MUTABLE):
            body.pop(field, None)
            if request.body.get(field):
                body[field] = request.body[field]
        _apply_ttl(world, body)
        body["etag"] = fresh_etag()
        return body

    return _shown(world, request, world.store.update(SECRET, secret_name(request), change))


def _delete(world: World, request: Request) -> Mapping[str, Any]:
    current = _secret(world, request)
    if request.params.get("etag", current["etag"]) != current["etag"]:
        raise etag_mismatch()
    name = secret_name(request)
    with world.store.transaction():
        world.store.delete(SECRET, name)
        for version, _ in world.store.list(VERSION, f"{name}/versions/"):
            world.store.delete(VERSION, version)
        world.policies.forget(name)
    return {}
