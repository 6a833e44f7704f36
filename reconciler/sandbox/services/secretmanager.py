"""Secret Manager: secrets and their policies, global and regional. Versions are in `sandbox.secret_versions`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam.policy_bindings import requested_version
from reconciler.sandbox.paging import listed
from reconciler.sandbox.secrets import secret_settings
from reconciler.sandbox.secrets.secret_names import (
    SECRET,
    VERSION,
    etag_mismatch,
    find,
    fresh_etag,
    parent,
    regional,
    secret_name,
    shown,
)
from reconciler.sandbox.secrets.secret_versions import version_methods
from reconciler.sandbox.store import Body, Exists, inner
from reconciler.sandbox.world import Method, Request, World

API: Final = "secretmanager"
VERSIONS: Final = ("v1",)
SECRET_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
MOST: Final = 25000
LOCATIONS: Final = (
    # "Secret Manager locations", the regions a deployment is likely to be in.
    "asia-east1", "asia-northeast1", "asia-southeast1", "europe-north1", "europe-west1", "europe-west2", "europe-west3",
    "europe-west4", "europe-west6", "europe-west9", "us-central1", "us-east1", "us-east4", "us-west1",
)  # fmt: skip
_FILTER: Final = re.compile(
    r"(?P<field>name|labels\.[a-z0-9_-]+)\s*(?P<operator>[:=])\s*\"?(?P<value>[^\"]*)\"?"
)
Function = Callable[[World, Request], Mapping[str, Any]]


def methods(world: World) -> dict[str, Method]:
    """What of Secret Manager is emulated: everything but rotation by Google, and expiry."""
    found: dict[str, Function] = {
        "create": _create,
        "get": lambda world, request: _shown(world, request, find(world, request)),
        "list": _list,
        "patch": _patch,
        "delete": _delete,
        "getIamPolicy": lambda world, request: world.policies.get(
            _existing(world, request), requested_version(request.params, request.body)
        ),
        "setIamPolicy": lambda world, request: world.policies.set(
            _existing(world, request), inner(request.body, "policy")
        ),
        "testIamPermissions": lambda world, request: world.policies.held(
            request.caller,
            request.body.get("permissions", ()),
            [secret_name(request), f"projects/{request.project}"],
        ),
        **version_methods(),
    }

    def bound(function: Function) -> Method:
        return lambda request: function(world, request)

    places = ("projects.secrets", "projects.locations.secrets")
    secrets = {f"{place}.{verb}": bound(function) for place in places for verb, function in found.items()}
    locations: dict[str, Function] = {"list": _locations, "get": _location}
    return secrets | {f"projects.locations.{verb}": bound(function) for verb, function in locations.items()}


def _existing(world: World, request: Request) -> str:
    find(world, request)
    return secret_name(request)


def _shown(world: World, request: Request, body: Body) -> dict[str, Any]:
    name = shown(world, request, f"{parent(request)}/secrets/{body['secretId']}")
    hidden = ("secretId", "lastVersion")
    return {"name": name, **{key: value for key, value in body.items() if key not in hidden and value}}


def _create(world: World, request: Request) -> Mapping[str, Any]:
    secret_id = str(request.params.get("secretId", ""))
    if SECRET_ID.fullmatch(secret_id) is None:
        text = f"The provided Secret ID [{secret_id}] does not match the expected format [[a-zA-Z_0-9]+]"
        raise ApiError(400, text)
    sent = request.body
    replication = secret_settings.replication(sent, regional=regional(request))
    secret_settings.check(sent)
    if not regional(request) and sent.get(secret_settings.ENCRYPTION):
        text = "The encryption of a secret that is replicated is set in its replication policy."
        raise ApiError(400, text)
    if sent.get("versionAliases"):
        raise ApiError(400, "A new secret has no versions that an alias could name.")
    body: Body = {
        **{field: sent[field] for field in secret_settings.ON_CREATION if sent.get(field)},
        "secretId": secret_id,
        "createTime": world.now(),
        "etag": fresh_etag(),
        "lastVersion": 0,
    }
    body = secret_settings.settled(body, world.clock())
    body |= {"replication": replication} if replication else {}
    name = f"{parent(request)}/secrets/{secret_id}"
    try:
        world.store.create(SECRET, name, body)
    except Exists as error:
        raise ApiError(409, f"Secret [{shown(world, request, name)}] already exists.") from error
    return _shown(world, request, body)


def _list(world: World, request: Request) -> Mapping[str, Any]:
    wanted = str(request.params.get("filter", ""))
    found = [
        body
        for _, body in world.store.list(SECRET, f"{parent(request)}/secrets/")
        if _passes(world, request, body, wanted)
    ]
    # Newest first; the paging key counts down so that its order is the list's.
    found.sort(key=lambda body: (body["createTime"], body["secretId"]), reverse=True)
    items = [(f"{10**9 + number}", _shown(world, request, body)) for number, body in enumerate(found)]
    total = {"totalSize": len(items)} if items and not wanted else {}
    return {**listed("secrets", items, request.params, default=MOST, most=MOST), **total}


def _passes(world: World, request: Request, body: Body, wanted: str) -> bool:
    name = shown(world, request, f"{parent(request)}/secrets/{body['secretId']}")
    for term in filter(None, re.split(r"\s+AND\s+", wanted.strip())):
        found = _FILTER.fullmatch(term)
        if found is None:
            raise ApiError(
                400, f"The sandbox does not understand the filter {term!r}.", reason="sandboxNotEmulated"
            )
        field, value = found["field"], found["value"]
        actual = name if field == "name" else inner(body, "labels").get(field.partition(".")[2])
        if actual is None:
            return False
        if found["operator"] == ":":
            if value != "*" and value not in actual:
                return False
        elif actual not in (value, name.rpartition("/")[0] + f"/{value}"):
            return False
    return True


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    find(world, request)
    sent_etag = request.body.get("etag")
    mask = [field for field in str(request.params.get("updateMask", "")).split(",") if field]
    if not mask:
        raise ApiError(400, "Request contains an invalid argument: update_mask is required.")
    if any(field.partition(".")[0] in ("versionAliases", "version_aliases") for field in mask):
        for alias, number in inner(request.body, "versionAliases").items():
            if world.store.get(VERSION, f"{secret_name(request)}/versions/{int(number):010d}") is None:
                raise ApiError(400, f"The alias {alias} names version {number}, which does not exist.")

    def change(body: Body) -> Body:
        if sent_etag and sent_etag != body["etag"]:
            raise etag_mismatch()
        fresh = secret_settings.patched(body, request.body, mask, world.clock())
        secret_settings.check(fresh)
        return {**fresh, "etag": fresh_etag()}

    return _shown(world, request, world.store.update(SECRET, secret_name(request), change))


def _delete(world: World, request: Request) -> Mapping[str, Any]:
    name = secret_name(request)
    with world.store.transaction():
        current = find(world, request)
        if request.params.get("etag", current["etag"]) != current["etag"]:
            raise etag_mismatch()
        world.store.delete(SECRET, name)
        for version, _ in world.store.list(VERSION, f"{name}/versions/"):
            world.store.delete(VERSION, version)
        world.policies.forget(name)
    return {}


def _locations(_world: World, request: Request) -> Mapping[str, Any]:
    items = [(place, _place(request, place)) for place in LOCATIONS]
    return listed("locations", items, request.params, default=MOST, most=MOST)


def _location(_world: World, request: Request) -> Mapping[str, Any]:
    place = str(request.params["name"]).rpartition("/")[2]
    if place not in LOCATIONS:
        raise ApiError(404, f"Location [{place}] not found.")
    return _place(request, place)


def _place(request: Request, place: str) -> dict[str, Any]:
    labels = {"cloud.googleapis.com/region": place}
    return {"name": f"projects/{request.project}/locations/{place}", "locationId": place, "labels": labels}
