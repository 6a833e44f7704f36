"""Secret Manager's versions: payloads that are added, read and destroyed, never changed."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import page
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World, timestamp

SECRET: Final = "secretmanager.secret"  # noqa: S105 -- the store's word for the kind
VERSION: Final = "secretmanager.version"
MOST_BYTES: Final = 65536
Function = Callable[[World, Request], Mapping[str, Any]]


def version_methods() -> dict[str, Function]:
    """The methods on versions, by their id below projects.secrets."""
    return {
        "addVersion": _add,
        "versions.get": lambda world, request: _shown(world, request, _version(world, request)),
        "versions.list": _list,
        "versions.access": _access,
        "versions.enable": lambda world, request: _switch(world, request, "ENABLED"),
        "versions.disable": lambda world, request: _switch(world, request, "DISABLED"),
        "versions.destroy": _destroy,
    }


def secret_name(request: Request) -> str:
    """The store's name of the secret that a request names: by project id, without a version."""
    named = request.params.get("name") or request.params.get("parent") or request.params.get("resource")
    parts = str(named).split("/")
    return f"projects/{request.project}/secrets/{parts[3]}" if len(parts) > 3 else ""


def project_number(world: World, request: Request) -> str:
    """The number that stands in the answer's names."""
    project = world.projects.get(request.project)
    return project.number if project else request.project


def fresh_etag() -> str:
    """A new etag; Secret Manager's carry quotes."""
    return f'"{secrets.token_hex(7)}"'


def etag_mismatch() -> ApiError:
    """The 400 for an etag that is not the resource's own any more."""
    text = "The etag provided in the request does not match the resource's current etag."
    return ApiError(400, text, rpc_status="FAILED_PRECONDITION")


def access_payload(world: World, project_id: str, secret: str, version: str) -> bytes:
    """The bytes of a version ("latest", a number or an alias), as Cloud Run reads it when it starts a container.

    Raises ApiError as the API does; whether the reader may read is the caller's to check.
    """
    name = f"projects/{project_id}/secrets/{secret}"
    body = world.store.get(VERSION, f"{name}/versions/{_number(world, name, version)}")
    if body is None or body["state"] != "ENABLED":
        state = "missing" if body is None else f"in {body['state']} state"
        text = f"Secret Version [{name}/versions/{version}] is {state}."
        raise ApiError(
            404 if body is None else 400, text, rpc_status="" if body is None else "FAILED_PRECONDITION"
        )
    return base64.b64decode(body["data"])


def _number(world: World, name: str, wanted: str) -> str:
    """The ten digits under which the store keeps a version, in the order of their making."""
    secret = world.store.get(SECRET, name) or {}
    if wanted == "latest":
        wanted = str(secret.get("lastVersion", 0))
    wanted = str(secret.get("versionAliases", {}).get(wanted, wanted))
    return f"{int(wanted):010d}" if wanted.isdigit() and len(wanted) <= 10 else wanted


def _stored(world: World, request: Request) -> str:
    name = secret_name(request)
    wanted = request.params["name"].split("/")[5]
    return f"{name}/versions/{_number(world, name, wanted)}"


def _version(world: World, request: Request) -> Body:
    if world.store.get(SECRET, secret_name(request)) is None:
        raise _no_secret(world, request)
    body = world.store.get(VERSION, _stored(world, request))
    if body is None:
        raise ApiError(404, f"Secret Version [{_by_number(world, request)}] not found.")
    return body


def _no_secret(world: World, request: Request) -> ApiError:
    secret = secret_name(request).rpartition("/")[2]
    return ApiError(404, f"Secret [projects/{project_number(world, request)}/secrets/{secret}] not found.")


def _by_number(world: World, request: Request) -> str:
    parts = request.params["name"].split("/")
    return "/".join(["projects", project_number(world, request), *parts[2:]])


def _shown(world: World, request: Request, body: Body) -> dict[str, Any]:
    secret = secret_name(request).rpartition("/")[2]
    name = f"projects/{project_number(world, request)}/secrets/{secret}/versions/{body['number']}"
    hidden = ("data", "crc32c", "number")
    return {"name": name, **{key: value for key, value in body.items() if key not in hidden}}


def _add(world: World, request: Request) -> Mapping[str, Any]:
    payload: dict[str, Any] = request.body.get("payload", {})
    sent = str(payload.get("data", "")).replace("-", "+").replace("_", "/")
    data = base64.b64decode(sent + "=" * (-len(sent) % 4))
    if not data:
        raise ApiError(400, "Secret Payload cannot be empty.")
    if len(data) > MOST_BYTES:
        raise ApiError(
            400, f"The secret payload is {len(data)} bytes, more than the limit of {MOST_BYTES} bytes."
        )
    checksum = crc32c(data)
    if "dataCrc32c" in payload and int(payload["dataCrc32c"]) != checksum:
        raise ApiError(400, "The provided CRC32C checksum of the payload does not match its data.")
    name = secret_name(request)
    with world.store.transaction():
        secret = world.store.get(SECRET, name)
        if secret is None:
            raise _no_secret(world, request)
        number = secret["lastVersion"] + 1
        kind = "automatic" if "automatic" in secret["replication"] else "userManaged"
        replicas = [
            {"location": one["location"]} for one in secret["replication"].get(kind, {}).get("replicas", ())
        ]
        body: Body = {
            "number": number,
            "createTime": world.now(),
            "state": "ENABLED",
            "replicationStatus": {kind: {"replicas": replicas} if replicas else {}},
            "etag": fresh_etag(),
            "data": base64.b64encode(data).decode(),
            "crc32c": checksum,
            **({"clientSpecifiedPayloadChecksum": True} if "dataCrc32c" in payload else {}),
        }
        world.store.create(VERSION, f"{name}/versions/{number:010d}", body)
        world.store.put(SECRET, name, {**secret, "lastVersion": number})
    return _shown(world, request, body)


def _list(world: World, request: Request) -> Mapping[str, Any]:
    name = secret_name(request)
    if world.store.get(SECRET, name) is None:
        raise _no_secret(world, request)
    wanted = str(request.params.get("filter", "")).replace(" ", "").replace("=", ":")
    if wanted and not wanted.startswith("state:"):
        raise ApiError(
            400, f"The sandbox does not understand the filter {wanted!r}.", reason="sandboxNotEmulated"
        )
    states = set(wanted.replace("state:", "").strip("()").split("OR")) if wanted else set[str]()
    found = world.store.list(VERSION, f"{name}/versions/")
    # Newest first; the paging key counts down so that its order is the list's.
    items = [
        (f"{10**10 - body['number']:011d}", _shown(world, request, body))
        for _, body in reversed(found)
        if not states or body["state"] in states
    ]
    values, token = page(items, request.params, default=25000, most=25000)
    return {
        **({"versions": values, "totalSize": len(items)} if items else {}),
        **({"nextPageToken": token} if token else {}),
    }


def _access(world: World, request: Request) -> Mapping[str, Any]:
    body = _version(world, request)
    shown = _shown(world, request, body)
    if body["state"] != "ENABLED":
        text = f"Secret Version [{shown['name']}] is in {body['state']} state."
        raise ApiError(400, text, rpc_status="FAILED_PRECONDITION")
    return {"name": shown["name"], "payload": {"data": body["data"], "dataCrc32c": str(body["crc32c"])}}


def _switch(world: World, request: Request, state: str) -> Mapping[str, Any]:
    body = _checked(world, request)
    if body["state"] == "DESTROYED":
        raise _destroyed(world, request)
    gone = ("scheduledDestroyTime",) if state == "ENABLED" else ()
    kept = {key: value for key, value in body.items() if key not in gone}
    fresh = {**kept, "state": state, "etag": fresh_etag()}
    world.store.put(VERSION, _stored(world, request), fresh)
    return _shown(world, request, fresh)


def _destroy(world: World, request: Request) -> Mapping[str, Any]:
    body = _checked(world, request)
    if body["state"] == "DESTROYED":
        raise _destroyed(world, request)
    secret = world.store.get(SECRET, secret_name(request)) or {}
    if ttl := secret.get("versionDestroyTtl"):
        end = world.clock() + timedelta(seconds=float(ttl.removesuffix("s")))
        fresh = {**body, "state": "DISABLED", "scheduledDestroyTime": timestamp(end), "etag": fresh_etag()}
    else:
        kept = {key: value for key, value in body.items() if key not in ("data", "crc32c")}
        fresh = {**kept, "state": "DESTROYED", "destroyTime": world.now(), "etag": fresh_etag()}
    world.store.put(VERSION, _stored(world, request), fresh)
    return _shown(world, request, fresh)


def _checked(world: World, request: Request) -> Body:
    body = _version(world, request)
    if request.body.get("etag", body["etag"]) != body["etag"]:
        raise etag_mismatch()
    return body


def _destroyed(world: World, request: Request) -> ApiError:
    text = f"Secret Version [{_by_number(world, request)}] is in DESTROYED state."
    return ApiError(400, text, rpc_status="FAILED_PRECONDITION")


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum, as Google's APIs carry it."""
    from google_crc32c import value  # pyright: ignore[reportUnknownVariableType] -- the library has no types

    return int(cast("Any", value)(data))
