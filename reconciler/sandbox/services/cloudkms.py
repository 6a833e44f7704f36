"""Cloud KMS: key rings and symmetric keys with their policies. Nothing is encrypted with them here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox import labels
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam.policy_bindings import requested_version
from reconciler.sandbox.paging import listed
from reconciler.sandbox.secrets.kms_keys import KEY, RING, plain
from reconciler.sandbox.services.vpcaccess_regions import REGIONS
from reconciler.sandbox.store import Body, Exists, inner
from reconciler.sandbox.world import Method, Request, World

API: Final = "cloudkms"
VERSIONS: Final = ("v1",)
LOCATIONS: Final = frozenset(
    {
        # "Cloud KMS locations": every region, and places of several.
        *REGIONS,
        "global", "us", "europe", "eu", "asia", "asia1", "ca", "de", "eur3", "eur4", "eur5", "eur6", "in", "it", "nam3",
        "nam4", "nam6", "nam7", "nam8", "nam9", "nam10", "nam11", "nam12", "nam-eur-asia1", "nam-eur-asia3",
    }
)  # fmt: skip
MOST: Final = 1000
ALGORITHM: Final = "GOOGLE_SYMMETRIC_ENCRYPTION"
_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,63}")
_DESTROYED_AFTER: Final = "2592000s"
_MADE: Final = ("purpose", "labels", "rotationPeriod", "nextRotationTime", "destroyScheduledDuration")
Function = Callable[[World, Request], Mapping[str, Any]]


def methods(world: World) -> dict[str, Method]:
    """What of Cloud KMS is emulated: what a service needs that keeps its data under a key of the customer's."""
    policies: dict[str, Function] = {
        "getIamPolicy": lambda world, request: world.policies.get(
            _existing(world, request), requested_version(request.params, request.body)
        ),
        "setIamPolicy": lambda world, request: world.policies.set(
            _existing(world, request), inner(request.body, "policy")
        ),
        "testIamPermissions": _held,
    }
    rings: dict[str, Function] = {"create": _create_ring, "get": _get, "list": _list_rings, **policies}
    keys: dict[str, Function] = {"create": _create_key, "get": _get, "list": _list_keys, **policies}
    versions: dict[str, Function] = {"get": _get_version, "list": _list_versions}

    def bound(function: Function) -> Method:
        return lambda request: function(world, request)

    collections = {"": rings, ".cryptoKeys": keys, ".cryptoKeys.cryptoKeyVersions": versions}
    return {
        f"projects.locations.keyRings{collection}.{verb}": bound(function)
        for collection, functions in collections.items()
        for verb, function in functions.items()
    }


def _named(world: World, request: Request) -> str:
    return plain(world, str(request.params.get("name") or request.params.get("resource")))


def _found(world: World, name: str) -> Body:
    kind, word = (KEY, "CryptoKey") if "/cryptoKeys/" in name else (RING, "KeyRing")
    body = world.store.get(kind, name)
    if body is None:
        raise ApiError(404, f"{word} {name} not found.")
    return body


def _get(world: World, request: Request) -> Mapping[str, Any]:
    return _found(world, _named(world, request))


def _existing(world: World, request: Request) -> str:
    name = _named(world, request)
    _found(world, name)
    return name


def _held(world: World, request: Request) -> Mapping[str, Any]:
    name = _existing(world, request)
    parts = name.split("/")
    places = ["/".join(parts[:end]) for end in range(len(parts), 1, -2)]
    return world.policies.held(request.caller, request.body.get("permissions", ()), places)


def _create_ring(world: World, request: Request) -> Mapping[str, Any]:
    parent, ring = plain(world, request.params["parent"]), str(request.params.get("keyRingId", ""))
    location = parent.rpartition("/")[2]
    if location not in LOCATIONS:
        raise ApiError(404, f"Location '{location}' is not found or access is unauthorized.")
    name = f"{parent}/keyRings/{_checked(ring, 'key_ring_id')}"
    return _kept(world, RING, {"name": name, "createTime": world.now()}, "KeyRing")


def _create_key(world: World, request: Request) -> Mapping[str, Any]:
    parent = plain(world, request.params["parent"])
    _found(world, parent)
    name = f"{parent}/cryptoKeys/{_checked(str(request.params.get('cryptoKeyId', '')), 'crypto_key_id')}"
    sent = request.body
    if sent.get("purpose", "CRYPTO_KEY_PURPOSE_UNSPECIFIED") == "CRYPTO_KEY_PURPOSE_UNSPECIFIED":
        raise ApiError(400, "The request parameter crypto_key.purpose must be specified.")
    if sent["purpose"] != "ENCRYPT_DECRYPT":
        raise ApiError(
            400, "The sandbox makes keys of purpose ENCRYPT_DECRYPT alone.", reason="sandboxNotEmulated"
        )
    if sent.get("rotationPeriod") and not sent.get("nextRotationTime"):
        raise ApiError(400, "next_rotation_time must be set if rotation_period is set.")
    for key, value in inner(sent, "labels").items():
        if not labels.is_key(key) or not labels.is_value(value):
            raise ApiError(400, f"Invalid label {key}={value}.")
    template = {"protectionLevel": "SOFTWARE", "algorithm": ALGORITHM, **inner(sent, "versionTemplate")}
    now = world.now()
    body: Body = {
        "destroyScheduledDuration": _DESTROYED_AFTER,
        **{field: sent[field] for field in _MADE if sent.get(field)},
        "name": name,
        "createTime": now,
        "versionTemplate": template,
    }
    if not request.params.get("skipInitialVersionCreation"):
        body["primary"] = {
            "name": f"{name}/cryptoKeyVersions/1",
            "state": "ENABLED",
            "createTime": now,
            "protectionLevel": template["protectionLevel"],
            "algorithm": template["algorithm"],
            "generateTime": now,
        }
    return _kept(world, KEY, body, "CryptoKey")


def _checked(own: str, parameter: str) -> str:
    if _ID.fullmatch(own) is None:
        raise ApiError(400, f"The request parameter {parameter} must match [a-zA-Z0-9_-]{{1,63}}.")
    return own


def _kept(world: World, kind: str, body: Body, word: str) -> Body:
    try:
        world.store.create(kind, body["name"], body)
    except Exists as error:
        raise ApiError(409, f"{word} {body['name']} already exists.") from error
    return body


def _list_rings(world: World, request: Request) -> Mapping[str, Any]:
    return _listed(world, request, RING, "keyRings")


def _list_keys(world: World, request: Request) -> Mapping[str, Any]:
    _found(world, plain(world, request.params["parent"]))
    return _listed(world, request, KEY, "cryptoKeys")


def _listed(world: World, request: Request, kind: str, collection: str) -> Mapping[str, Any]:
    items = list(world.store.list(kind, f"{plain(world, request.params['parent'])}/{collection}/"))
    total = {"totalSize": len(items)} if items else {}
    return {**listed(collection, items, request.params, default=100, most=MOST), **total}


def _get_version(world: World, request: Request) -> Mapping[str, Any]:
    name = plain(world, request.params["name"])
    primary = _found(world, name.partition("/cryptoKeyVersions/")[0]).get("primary", {})
    if primary.get("name") != name:
        raise ApiError(404, f"CryptoKeyVersion {name} not found.")
    return primary


def _list_versions(world: World, request: Request) -> Mapping[str, Any]:
    primary = _found(world, plain(world, request.params["parent"])).get("primary")
    return {"cryptoKeyVersions": [primary], "totalSize": 1} if primary else {}
