"""Workload identity federation: an identity of somebody else's, exchanged for an access token (sts.googleapis.com).

The issuer's keys are those uploaded with the provider (`oidc.jwksJson`): the sandbox fetches nothing from elsewhere.
Errors are OAuth's, in the words of Google's Security Token Service.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from reconciler.sandbox.iam import cel, identities
from reconciler.sandbox.iam.policy_members import SETS
from reconciler.sandbox.json_text import parsed
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Visit, World

POOL: Final = "iam.workloadIdentityPool"
PROVIDER: Final = "iam.workloadIdentityPoolProvider"
HOST: Final = "sts.googleapis.com"
PATH: Final = "/v1/token"
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_AUDIENCE: Final = re.compile(
    r"//iam\.googleapis\.com/projects/(?P<number>\d+)/locations/global/workloadIdentityPools/(?P<pool>[^/]+)"
    r"/providers/(?P<provider>[^/]+)"
)
_TYPES: Final = ("urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token")


class Refused(Exception):
    """No token: *error* is OAuth's word, *text* says why."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text


def serves(visit: Visit) -> bool:
    """Whether a request is a token exchange."""
    local = visit.host in ("127.0.0.1", "localhost")
    return visit.method == "POST" and visit.target.partition("?")[0] == PATH and (local or visit.host == HOST)


def answer(world: World, visit: Visit) -> None:
    """Answer a token exchange, sent as a form or as JSON."""
    raw = visit.body.read(1 << 20).decode("utf-8", "replace")
    try:
        status, body = 200, _exchanged(world, _fields(raw))
    except Refused as refused:
        status, body = 400, {"error": refused.error, "error_description": refused.text}
    visit.respond(status, [("Content-Type", "application/json; charset=UTF-8")], json.dumps(body).encode())


def _fields(raw: str) -> dict[str, str]:
    if not raw.lstrip().startswith("{"):
        return dict(parse_qsl(raw))
    try:
        sent: dict[str, Any] = parsed(raw)
    except ValueError as error:
        raise Refused("invalid_request", "The request is no JSON.") from error
    return {
        re.sub(r"[A-Z]", lambda one: f"_{one[0].lower()}", key): str(value) for key, value in sent.items()
    }


def _exchanged(world: World, fields: Mapping[str, str]) -> dict[str, Any]:
    if fields.get("grant_type") != EXCHANGE or fields.get("subject_token_type") not in _TYPES:
        raise Refused("invalid_request", "Only JWTs are exchanged here.")
    if not fields.get("scope"):
        raise Refused("invalid_request", 'Invalid value for "scope".')
    provider, home = _provider(world, fields.get("audience", ""))
    claims = _verified(world, provider, fields["audience"], fields.get("subject_token", ""))
    member, sets = _mapped(provider, home, claims)
    world.store.put(SETS, member, {"sets": sets})
    token = world.identities.mint_access_token(member)
    return {
        "access_token": token,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": identities.LIFETIME - 1,
    }


def _provider(world: World, audience: str) -> tuple[Body, str]:
    """The provider that an audience names, and its pool's full name with the project's number."""
    found = _AUDIENCE.fullmatch(audience)
    project = world.projects.get(found["number"]) if found is not None else None
    if found is not None and project is not None:
        pool = f"projects/{project.project_id}/locations/global/workloadIdentityPools/{found['pool']}"
        above = world.store.get(POOL, pool)
        body = world.store.get(PROVIDER, f"{pool}/providers/{found['provider']}")
        if above is not None and body is not None and _usable(above) and _usable(body):
            return body, pool.replace(f"/{project.project_id}/", f"/{project.number}/", 1)
    text = (
        'The target service indicated by the "audience" parameters is invalid. This might either be because the pool '
        "or provider is disabled or deleted or because it doesn't exist."
    )
    raise Refused("invalid_target", text)


def _usable(body: Body) -> bool:
    return not body.get("deleted") and not body.get("disabled")


def _verified(world: World, provider: Body, audience: str, token: str) -> dict[str, Any]:
    """The claims of a token that the provider vouches for."""
    oidc: Mapping[str, Any] = provider["oidc"]
    claims = _signed(oidc, token)
    issuer = str(claims.get("iss", ""))
    if issuer != oidc["issuerUri"]:
        text = f"The issuer in ID Token {issuer} does not match the expected ones: [{oidc['issuerUri']}]"
        raise Refused("invalid_grant", text)
    expected = [*(oidc.get("allowedAudiences") or (audience, f"https:{audience}"))]
    sent: Any = claims.get("aud")
    if sent not in expected and not (isinstance(sent, list) and set(expected).intersection(map(str, sent))):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] -- a claim is what the issuer wrote
        text = f"The audience in ID Token [{sent}] does not match the expected audience(s)."
        raise Refused("invalid_grant", text)
    if not claims.get("iat", 0) - 300 <= world.clock().timestamp() < claims.get("exp", 0):
        raise Refused("invalid_grant", "ID Token is stale to sign-in.")
    return claims


def _signed(oidc: Mapping[str, Any], token: str) -> dict[str, Any]:
    if not oidc.get("jwksJson"):
        raise Refused("invalid_grant", "Error connecting to the given credential's issuer.")
    for key in json.loads(base64.b64decode(oidc["jwksJson"]) if _encoded(oidc) else oidc["jwksJson"])["keys"]:
        claims = identities.verify_jwt(identities.public_key_of(key), token)
        if claims is not None:
            return claims
    raise Refused("invalid_grant", "Invalid JWT signature for the given ID token.")


def _encoded(oidc: Mapping[str, Any]) -> bool:
    return not str(oidc["jwksJson"]).lstrip().startswith("{")


def _mapped(provider: Body, pool: str, claims: Mapping[str, Any]) -> tuple[str, list[str]]:
    """(the principal, the principal sets it is in) of who brought *claims*."""
    mapped: dict[str, Any] = {}
    try:
        for name, expression in provider["attributeMapping"].items():
            mapped[name] = cel.evaluate(expression, {"assertion": claims})
        names = {
            "assertion": claims,
            "google": _below(mapped, "google."),
            "attribute": _below(mapped, "attribute."),
        }
        let_in = cel.evaluate(provider.get("attributeCondition") or "true", names)
    except cel.Unreadable as error:
        text = (
            f"Could not obtain a value for google.subject or an attribute from the given credential: {error}"
        )
        raise Refused("invalid_grant", text) from error
    if let_in is not True:
        text = "The given credential is rejected by the attribute condition."
        raise Refused("unauthorized_client", text)
    base = f"iam.googleapis.com/{pool}"
    sets = [f"principalSet://{base}/*"]
    sets += [f"principalSet://{base}/attribute.{name}/{value}" for name, value in names["attribute"].items()]
    groups: Any = mapped.get("google.groups", [])
    sets += [f"principalSet://{base}/group/{group}" for group in groups]
    return f"principal://{base}/subject/{mapped['google.subject']}", sets


def _below(mapped: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in mapped.items() if name.startswith(prefix)}
