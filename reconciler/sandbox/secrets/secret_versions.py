"""Secret Manager's versions: payloads that are added, read and destroyed, never changed."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import listed
from reconciler.sandbox.secrets.secret_names import (
    SECRET,
    VERSION,
    etag_mismatch,
    find,
    fresh_etag,
    secret_name,
    shown,
    version_id,
)
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.world import Request, World, timestamp

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
    return f"{name}/versions/{_number(world, name, version_id(request))}"


def _version(world: World, request: Request) -> Body:
    name, wanted = secret_name(request), version_id(request)
    known = world.store.get(SECRET, name)
    if known is None or (wanted == "latest" and not known["lastVersion"]):
        raise ApiError(404, f"Secret [{shown(world, request, name)}] not found or has no versions.")
    body = world.store.get(VERSION, _stored(world, request))
    if body is None:
        raise ApiError(404, f"Secret Version [{_by_number(world, request)}] not found.")
    return body


def _by_number(world: World, request: Request) -> str:
    return shown(world, request, f"{secret_name(request)}/versions/{version_id(request)}")


def _shown(world: World, request: Request, body: Body) -> dict[str, Any]:
    name = shown(world, request, f"{secret_name(request)}/versions/{body['number']}")
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
        secret = find(world, request)
        number = secret["lastVersion"] + 1
        body: Body = {
            "number": number,
            "createTime": world.now(),
            "state": "ENABLED",
            **_where(secret),
            "etag": fresh_etag(),
            "data": base64.b64encode(data).decode(),
            "crc32c": checksum,
            **({"clientSpecifiedPayloadChecksum": True} if "dataCrc32c" in payload else {}),
        }
        world.store.create(VERSION, f"{name}/versions/{number:010d}", body)
        world.store.put(SECRET, name, {**secret, "lastVersion": number})
    return _shown(world, request, body)


def _where(secret: Body) -> dict[str, Any]:
    """Where a new version lies, and under which keys: Google's own are not named."""
    replication = inner(secret, "replication")
    if not replication:
        return _encrypted(secret)
    if "automatic" in replication:
        return {"replicationStatus": {"automatic": _encrypted(replication["automatic"])}}
    replicas = [
        {"location": one["location"], **_encrypted(one)} for one in replication["userManaged"]["replicas"]
    ]
    return {"replicationStatus": {"userManaged": {"replicas": replicas}}}


def _encrypted(holder: Mapping[str, Any]) -> dict[str, Any]:
    key = inner(holder, "customerManagedEncryption").get("kmsKeyName")
    return {"customerManagedEncryption": {"kmsKeyVersionName": f"{key}/cryptoKeyVersions/1"}} if key else {}


def _list(world: World, request: Request) -> Mapping[str, Any]:
    find(world, request)
    wanted = str(request.params.get("filter", ""))
    states = _states(wanted)
    found = world.store.list(VERSION, f"{secret_name(request)}/versions/")
    # Newest first; the paging key counts down so that its order is the list's.
    items = [
        (f"{10**10 - body['number']:011d}", _shown(world, request, body))
        for _, body in reversed(found)
        if not states or body["state"] in states
    ]
    total = {"totalSize": len(items)} if items and not wanted else {}
    return {**listed("versions", items, request.params, default=25000, most=25000), **total}


def _states(wanted: str) -> set[str]:
    """The states that a filter asks for; empty for all of them. Raises ApiError 400 for other filters."""
    plain = wanted.replace(" ", "").replace("=", ":")
    if not plain:
        return set()
    terms = plain.replace("(", "").replace(")", "").split("OR")
    states = {term.removeprefix("state:") for term in terms}
    if not plain.startswith("state:") or not states <= {"ENABLED", "DISABLED", "DESTROYED"}:
        raise ApiError(
            400, f"The sandbox does not understand the filter {wanted!r}.", reason="sandboxNotEmulated"
        )
    return states


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
