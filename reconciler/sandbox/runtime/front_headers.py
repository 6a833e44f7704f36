"""The headers that the front door changes on the way in and out, as Google's front end does."""

import base64
import binascii
import secrets
from typing import Any, Final

from reconciler.sandbox.json_text import parsed
from reconciler.sandbox.runtime.upstream import Received
from reconciler.sandbox.world import Visit

TRACE: Final = "X-Cloud-Trace-Context"
_HOP: Final = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "expect",
    )
)
_GOOGLE: Final = ("https://accounts.google.com", "accounts.google.com")
_RESET_BY_GOOGLE: Final = frozenset(
    ("host", "content-length", "x-forwarded-proto", "forwarded", "x-serverless-authorization")
)


def inward(visit: Visit, host: str, length: int | None) -> list[tuple[str, str]]:
    """The headers that the container gets; *length* is that of the body, None where it is not known."""
    dropped = _HOP | _RESET_BY_GOOGLE
    headers: list[tuple[str, str]] = []
    forwarded_for: list[str] = []
    for name, value in visit.headers:
        lower = name.lower()
        if lower == "x-forwarded-for":
            forwarded_for.append(value)
        elif lower in ("origin", "referer"):
            headers.append((name, _outside_in(value, visit, host)))
        elif lower == "authorization" and not visit.header("X-Serverless-Authorization"):
            headers.append((name, _unsigned(value)))
        elif lower not in dropped:
            headers.append((name, value))
    serverless = visit.header("X-Serverless-Authorization")
    if serverless:
        headers.append(("X-Serverless-Authorization", _unsigned(serverless)))
    peer = visit.peer[0]
    headers.append(("X-Forwarded-For", ",".join([*forwarded_for, peer])))
    headers.append(("X-Forwarded-Proto", "https"))
    headers.append(("Forwarded", f'for="{peer}";proto=https'))
    if visit.header(TRACE) is None:
        headers.append((TRACE, f"{secrets.token_hex(16)}/{secrets.randbits(63)}"))
    if length is not None:
        headers.append(("Content-Length", str(length)))
    return headers


def _unsigned(value: str) -> str:
    """The signature of Google's ID tokens is not passed on, so that the container cannot use the token as its own.

    A token of somebody else's, for the container itself to check, is.
    """
    kind, _, token = value.partition(" ")
    if kind.lower() != "bearer" or token.count(".") != 2 or _issuer(token) not in _GOOGLE:
        return value
    return f"{kind} {token.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"


def _issuer(token: str) -> str:
    """Whom a token says that it comes from, unchecked; "" where it is no token."""
    payload = token.split(".")[1]
    try:
        claims: Any = parsed(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["iss"])
    except (binascii.Error, ValueError, LookupError, TypeError):
        return ""


def _local_address(visit: Visit) -> str:
    """How the client writes the address that it came by: "http://127.0.0.1:9480"."""
    return f"{visit.scheme}://{visit.header('Host') or visit.host}"


def _outside_in(value: str, visit: Visit, host: str) -> str:
    local = _local_address(visit)
    if value == local or value.startswith(local + "/"):
        return f"https://{host}{value[len(local) :]}"
    return value


def outward(visit: Visit, host: str, received: Received) -> list[tuple[str, str]]:
    """The headers that the client gets."""
    local = _local_address(visit)
    plain = visit.scheme == "http"
    headers: list[tuple[str, str]] = []
    for name, value in received.headers:
        lower = name.lower()
        if lower in _HOP or lower == "server":
            continue
        if lower == "location" and value.startswith(f"https://{host}"):
            headers.append((name, local + value[len(f"https://{host}") :]))
        elif lower == "set-cookie" and plain:
            headers.append((name, ";".join(part for part in value.split(";") if not _tied_to_host(part))))
        else:
            headers.append((name, value))
    headers.append(("Server", "Google Frontend"))
    return headers


def _tied_to_host(attribute: str) -> bool:
    name = attribute.strip().lower()
    return name == "secure" or name.startswith("domain=")
