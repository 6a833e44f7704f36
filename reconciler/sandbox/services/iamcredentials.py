"""IAM Credentials: short-lived tokens and signatures on behalf of a service account."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam.access import require
from reconciler.sandbox.iam.accounts import find_account
from reconciler.sandbox.json_text import parsed
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Method, Request, World

API: Final = "iamcredentials"
VERSIONS: Final = ("v1",)
MOST_SECONDS: Final = 3600


def methods(world: World) -> dict[str, Method]:
    """What of IAM Credentials is emulated."""
    found: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "generateAccessToken": _access_token,
        "generateIdToken": _id_token,
        "signBlob": _sign_blob,
        "signJwt": _sign_jwt,
    }

    def bound(function: Callable[[World, Request], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request)

    return {f"projects.serviceAccounts.{verb}": bound(function) for verb, function in found.items()}


def _account(world: World, request: Request, permission: str) -> Body:
    name = request.params["name"]
    account = find_account(world, name)
    if account is None:
        raise ApiError(404, "Not found; Gaia id not found for email " + name.rpartition("/")[2])
    resource = f"projects/{account['projectId']}/serviceAccounts/{account['email']}"
    require(world, request, permission, [resource, f"projects/{account['projectId']}"])
    if account.get("disabled"):
        raise ApiError(400, "The service account is disabled.", rpc_status="FAILED_PRECONDITION")
    return account


def _access_token(world: World, request: Request) -> Mapping[str, Any]:
    account = _account(world, request, "iam.serviceAccounts.getAccessToken")
    if not request.body.get("scope"):
        raise ApiError(400, "Request contains an invalid argument: scope is required.")
    seconds = float(request.body.get("lifetime", "3600s").removesuffix("s"))
    if not 0 < seconds <= MOST_SECONDS:
        raise ApiError(400, f"The lifetime must be between 1s and {MOST_SECONDS}s.")
    token = world.identities.mint_access_token(f"serviceAccount:{account['email']}", int(seconds))
    expiry = world.clock() + timedelta(seconds=int(seconds))
    return {"accessToken": token, "expireTime": expiry.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _id_token(world: World, request: Request) -> Mapping[str, Any]:
    account = _account(world, request, "iam.serviceAccounts.getOpenIdToken")
    audience = request.body.get("audience")
    if not audience:
        raise ApiError(400, "Request contains an invalid argument: audience is required.")
    token = world.identities.mint_id_token(account["email"], audience, subject=account["uniqueId"])
    return {"token": token}


def _sign_blob(world: World, request: Request) -> Mapping[str, Any]:
    account = _account(world, request, "iam.serviceAccounts.signBlob")
    payload = request.body.get("payload")
    if not payload:
        raise ApiError(400, "Request contains an invalid argument: payload is required.")
    key_id, signature = world.identities.sign(account["email"], base64.b64decode(payload))
    return {"keyId": key_id, "signedBlob": base64.b64encode(signature).decode()}


def _sign_jwt(world: World, request: Request) -> Mapping[str, Any]:
    account = _account(world, request, "iam.serviceAccounts.signJwt")
    try:
        claims: Any = parsed(request.body.get("payload", ""))
    except ValueError as error:
        raise ApiError(400, "Request contains an invalid argument: payload is no JSON.") from error
    token = world.identities.sign_jwt(account["email"], claims)
    return {"keyId": world.identities.key_id(account["email"]), "signedJwt": token}
