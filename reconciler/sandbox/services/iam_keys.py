"""IAM: keys of service accounts. The private half is answered once and never kept."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox import identities
from reconciler.sandbox.accounts import account_of, full_name
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.oauth import KEY
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Method, Request, World

API: Final = "iam"
VERSIONS: Final = ("v1",)
MOST_KEYS: Final = 10


def methods(world: World) -> dict[str, Method]:
    """What of keys is emulated: no uploads, no disabling."""
    found: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "create": _create_key,
        "get": lambda world, request: _shown_key(_key(world, request)),
        "list": _list_keys,
        "delete": _delete_key,
    }

    def bound(function: Callable[[World, Request], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request)

    return {f"projects.serviceAccounts.keys.{verb}": bound(function) for verb, function in found.items()}


def _create_key(world: World, request: Request) -> Mapping[str, Any]:
    account = account_of(world, request)
    if sum(1 for _ in world.store.list(KEY, f"{account['email']}/")) >= MOST_KEYS:
        raise ApiError(400, "Maximum number of keys on account reached.", rpc_status="FAILED_PRECONDITION")
    key = identities.new_key()
    public = _public_pem(key)
    key_id = identities.fingerprint(public)
    body: Body = {
        "name": f"{full_name(account)}/keys/{key_id}",
        "publicKeyPem": public.decode(),
        "validAfterTime": world.now(),
        "keyAlgorithm": "KEY_ALG_RSA_2048",
        "keyOrigin": "GOOGLE_PROVIDED",
        "keyType": "USER_MANAGED",
    }
    world.store.create(KEY, f"{account['email']}/{key_id}", body)
    credentials = {
        "type": "service_account",
        "project_id": account["projectId"],
        "private_key_id": key_id,
        "private_key": identities.private_pem(key).decode(),
        "client_email": account["email"],
        "client_id": account["uniqueId"],
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    }
    private = base64.b64encode(json.dumps(credentials, indent=2).encode()).decode()
    return {**_shown_key(body), "privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE", "privateKeyData": private}


def _public_pem(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization as s

    return key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)


def _key(world: World, request: Request) -> Body:
    account = account_of(world, request)
    key_id = request.params["name"].rpartition("/")[2]
    key = world.store.get(KEY, f"{account['email']}/{key_id}")
    if key is None:
        raise ApiError(404, f"Service account key {key_id} does not exist.")
    return key


def _shown_key(key: Body) -> dict[str, Any]:
    return {
        **{name: value for name, value in key.items() if name != "publicKeyPem"},
        "validBeforeTime": "9999-12-31T23:59:59Z",
    }


def _list_keys(world: World, request: Request) -> Mapping[str, Any]:
    account = account_of(world, request)
    keys = [_shown_key(body) for _, body in world.store.list(KEY, f"{account['email']}/")]
    return {"keys": keys} if keys else {}


def _delete_key(world: World, request: Request) -> Mapping[str, Any]:
    key = _key(world, request)
    account = account_of(world, request)
    world.store.delete(KEY, f"{account['email']}/{key['name'].rpartition('/')[2]}")
    return {}
