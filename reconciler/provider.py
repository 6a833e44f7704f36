"""The identity provider of mode `oidc`, as `verify` looks at it: from here, without a login.

Each look answers what is wrong, "" where nothing is.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import httpx

SUFFIX: Final = "/.well-known/openid-configuration"
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


def description(discovery_url: str) -> dict[str, Any]:
    """The provider's discovery document. Raises httpx.HTTPError, ValueError where it is not JSON."""
    return _fetched(discovery_url)


def _fetched(url: str) -> dict[str, Any]:
    # A provider on this machine is there for a trial: no proxy reaches it.
    trust = urlsplit(url).hostname not in LOOPBACK
    return httpx.get(url, timeout=30, trust_env=trust).raise_for_status().json()


def describes_itself(discovery_url: str) -> str:
    """Its document is there, names a login's endpoints, and is this issuer's own (OpenID Connect Discovery, 4.3)."""
    said = description(discovery_url)
    if missing := [name for name in ENDPOINTS if not said.get(name)]:
        return f"{discovery_url} does not say {' and '.join(missing)}"
    # Some providers write their issuer with a slash at its end.
    if str(said.get("issuer", "")).rstrip("/") != discovery_url.removesuffix(SUFFIX).rstrip("/"):
        return f"{discovery_url} is of the issuer {said.get('issuer')!r}, whose logins would be refused"
    place = str(said["jwks_uri"])
    return "" if _fetched(place).get("keys") else f"{place} lists no keys"


def forged_token() -> str:
    """A token of a fixed stranger that no provider's key has signed."""
    parts = (
        b'{"alg": "RS256", "kid": "forged"}',
        b'{"email": "nobody@example.com", "exp": 4102444800}',
        b"forged",
    )
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def is_where_logins_go(client: httpx.Client, url: str, discovery_url: str, client_id: str) -> str:
    """The server sends a visitor to the provider's login page, as its client, and asks to get him back."""
    answer = client.get("/login", headers={"Accept": "text/html"})
    place = str(answer.headers.get("Location", ""))
    wanted = str(description(discovery_url)["authorization_endpoint"])
    if answer.status_code not in {302, 303, 307} or not place.startswith(wanted):
        led = place.partition("?")[0] or "nowhere"
        return f"/login answered {answer.status_code} and leads to {led}, not to {wanted}"
    asked = dict(parse_qsl(urlsplit(place).query))
    return _differences(asked, {"client_id": client_id, "redirect_uri": f"{url}/callback"})


def _differences(asked: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    wrong = [name for name, value in wanted.items() if asked.get(name) != value]
    return "; ".join(
        f"the login's {name} is {asked.get(name)!r} instead of {wanted[name]!r}" for name in wrong
    )
