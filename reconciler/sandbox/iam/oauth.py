"""The token endpoints of Google's libraries: oauth2.googleapis.com/token, /tokeninfo, the published certificates."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import parse_qs

from reconciler.sandbox.iam import accounts, iap_keys, identities
from reconciler.sandbox.seeding import account_exists
from reconciler.sandbox.world import Visit, World

GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CERTIFICATES: Final = ("/oauth2/v1/certs", "/oauth2/v3/certs")
JSON: Final = ("Content-Type", "application/json; charset=UTF-8")
_API: Final = re.compile(r"https://[a-z0-9.-]+\.googleapis\.com/?")
KEYS_HOST: Final = "www.gstatic.com"
"""Where the keys behind signed headers of Identity-Aware Proxy stand."""
KEY: Final = "iam.key"
"""The store's kind of a service account key; its body has "publicKeyPem"."""


def serves(visit: Visit) -> bool:
    """Whether a request is for these endpoints."""
    path = visit.target.partition("?")[0]
    if visit.host == KEYS_HOST:
        return path in iap_keys.PUBLISHED
    hosts = ("oauth2.googleapis.com", "www.googleapis.com", "accounts.google.com", "127.0.0.1", "localhost")
    return visit.host in hosts and (path in CERTIFICATES or path in ("/token", "/tokeninfo"))


def answer(world: World, visit: Visit) -> None:
    """Answer a token or certificate request."""
    path = visit.target.partition("?")[0]
    if path in iap_keys.PUBLISHED:
        status, body = 200, iap_keys.published(world, path)
    elif path == "/oauth2/v1/certs":
        status, body = 200, world.identities.certificates()
    elif path == "/oauth2/v3/certs":
        status, body = 200, world.identities.web_keys()
    else:
        query = visit.target.partition("?")[2]
        form = parse_qs(f"{visit.body.read(1 << 20).decode('utf-8', 'replace')}&{query}")
        status, body = (_token if path == "/token" else _token_info)(world, form)
    visit.respond(status, [JSON], json.dumps(body).encode())


def _token(world: World, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
    if form.get("grant_type") != [GRANT]:
        text = "The sandbox only exchanges the JWT of a service account key."
        return 400, {"error": "unsupported_grant_type", "error_description": text}
    assertion = form.get("assertion", [""])[0]
    email = str(identities.claims_of(assertion).get("iss", ""))
    if not account_exists(world.store, email):
        return 400, {"error": "invalid_grant", "error_description": "Invalid grant: account not found"}
    claims, disabled = verified(world, email, assertion)
    if claims is None:
        return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    if disabled or not accounts.works(world.store, f"serviceAccount:{email}"):
        return 401, {"error": "disabled_client", "error_description": "The OAuth client was disabled."}
    now = world.clock().timestamp()
    if not claims.get("iat", 0) - 300 <= now < claims.get("exp", 0):
        text = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
        return 400, {"error": "invalid_grant", "error_description": text}
    if audience := claims.get("target_audience"):
        return 200, {"id_token": world.identities.mint_id_token(email, str(audience))}
    token = world.identities.mint_access_token(f"serviceAccount:{email}")
    return 200, {"access_token": token, "expires_in": identities.LIFETIME - 1, "token_type": "Bearer"}


def bearer(world: World, token: str) -> str | None:
    """The member behind an access token, or behind a JWT that a service account key signed for an API; else None.

    Google's generated clients log in with such a JWT in place of an access token wherever they have a key file.
    """
    if token.count(".") != 2 or token.startswith("ya29."):
        return world.identities.verify_access_token(token)
    unverified = identities.claims_of(token)
    email = str(unverified.get("iss", ""))
    claims, disabled = verified(world, email, token)
    if claims is None or disabled or claims.get("sub") != email:
        return None
    addressed = "scope" in claims or _API.fullmatch(str(claims.get("aud", ""))) is not None
    fresh = claims.get("iat", 0) - 300 <= world.clock().timestamp() < claims.get("exp", 0)
    return f"serviceAccount:{email}" if addressed and fresh else None


def _token_info(world: World, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
    """Whose an access token is; Google tells the address of those with the scope for it, and here all have it."""
    member = world.identities.verify_access_token(form.get("access_token", [""])[0])
    if member is None:
        return 400, {"error": "invalid_token", "error_description": "Invalid Value"}
    email = member.partition(":")[2]
    return 200, {
        "azp": identities.subject_of(email),
        "aud": identities.subject_of(email),
        "scope": "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email",
        "email": email,
        "email_verified": "true",
        "access_type": "online",
    }


def verified(world: World, email: str, assertion: str) -> tuple[dict[str, Any] | None, bool]:
    """(claims, whether the key that signed them is switched off); None where no key of *email* did."""
    from cryptography.hazmat.primitives import serialization

    for _, key in world.store.list(KEY, f"{email}/"):
        public = serialization.load_pem_public_key(key["publicKeyPem"].encode())
        claims = identities.verify_jwt(public, assertion)
        if claims is not None:
            return claims, bool(key.get("disabled"))
    return None, False
