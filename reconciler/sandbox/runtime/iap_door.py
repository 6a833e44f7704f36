"""What Identity-Aware Proxy does with a request before a Cloud Run service: the login, the session, the headers.

A browser without a session is sent to the login page and comes back to `/_gcp_gatekeeper/authenticate` with a code; the
session is a cookie for an hour. A program sends a token. Who is no accessor gets a 403. What passes goes on in the name
of the project's IAP agent, with headers that say who it is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import html
import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from reconciler.sandbox.iam import agents, iap, iap_keys, identities
from reconciler.sandbox.iam.iap import Place, Refused
from reconciler.sandbox.iam.identities import ANONYMOUS
from reconciler.sandbox.runtime import pages
from reconciler.sandbox.runtime.pages import Page
from reconciler.sandbox.world import Visit, World

CALLBACK: Final = "/_gcp_gatekeeper/authenticate"
SIGN_OUT: Final = "/_gcp_iap/clear_login_cookie"
SIGNER: Final = "iap"
"""Whose key signs sessions, states and codes."""
MARK: Final = ("X-Goog-IAP-Generated-Response", "true")
SESSION_SECONDS: Final = 3600
STATE_SECONDS: Final = 600
SETUP: Final = "https://cloud.google.com/iap/docs/enabling-cloud-run"
NO_AGENT: Final = (
    "The IAP service account is not provisioned. Please follow the instructions to create service account and rectify "
    f"IAP and Cloud Run setup: {SETUP}"
)
_LOCAL: Final = ("127.0.0.1", "localhost")


def admitted(world: World, service: Mapping[str, Any], visit: Visit) -> Visit | None:
    """The request as it goes on to the service; None where it was answered here."""
    place = iap.place_of_service(service["name"])
    path, _, query = visit.target.partition("?")
    if path == CALLBACK:
        _come_back(world, place, visit, parse_qs(query))
        return None
    if path == SIGN_OUT or "gcp-iap-mode=CLEAR_LOGIN_COOKIE" in query:
        _send_to_login(
            world, place, visit, "/", [("Set-Cookie", f"{_cookie(place)}=; path=/; Max-Age=0; HttpOnly")]
        )
        return None
    try:
        email = _who(world, place, service, visit)
    except Refused as refused:
        _refuse(visit, 401, f"Invalid IAP credentials: {refused.text}")
        return None
    if not email:
        _send_to_login(world, place, visit, visit.target, [])
        return None
    if not iap.passes(world, place, email):
        _refuse(visit, 403, _no_access(email), "text/html; charset=UTF-8")
        return None
    refusal = _agent_refused(world, service, visit)
    if refusal is not None:
        pages.send(visit, refusal)
        return None
    return _marked(world, place, visit, email)


def _who(world: World, place: Place, service: Mapping[str, Any], visit: Visit) -> str:
    """Whose request it is, "" where nobody says so. Raises Refused for a token that does not hold."""
    token = iap.bearer(visit)
    if token is not None:
        host = service["urls"][0].removeprefix("https://") if visit.host in _LOCAL else visit.host
        return iap.email_of(world, place, token, f"https://{host}{visit.target.partition('?')[0]}")
    session = _signed(world, _cookies(visit).get(_cookie(place), ""), f"session {place.run_name}")
    return str(session["email"]) if session else ""


def _send_to_login(
    world: World, place: Place, visit: Visit, target: str, headers: list[tuple[str, str]]
) -> None:
    text = "Invalid IAP credentials: empty token"
    if (visit.header("X-Requested-With") or "").lower() == "xmlhttprequest":
        _refuse(visit, 401, text)
        return
    nonce = secrets.token_urlsafe(16)
    state = _sign(world, f"state {place.run_name}", STATE_SECONDS, nonce=nonce, target=target)
    local = visit.host in _LOCAL
    question = {
        "client_id": iap.CLIENT,
        "response_type": "code",
        "scope": "openid email",
        "redirect_uri": f"{_origin(visit)}{CALLBACK}",
        "state": state,
    }
    page = f"http://127.0.0.1:{world.port}" if local else "https://accounts.google.com"
    cookie = f"GCP_IAP_XSRF_NONCE_{nonce}=1; path=/; Max-Age={STATE_SECONDS}; HttpOnly"
    answer = [
        ("Location", f"{page}/o/oauth2/v2/auth?{urlencode(question)}"),
        ("Set-Cookie", cookie if local else f"{cookie}; Secure"),
        *headers,
    ]
    _refuse(visit, 302, text, more=answer)


def _come_back(world: World, place: Place, visit: Visit, given: Mapping[str, list[str]]) -> None:
    """From the login page: a code for a session, and on to where the browser wanted to go."""
    state = _signed(world, given.get("state", [""])[0], f"state {place.run_name}")
    code = _signed(world, given.get("code", [""])[0], f"code {_origin(visit)}{CALLBACK}")
    if state is None or code is None or f"GCP_IAP_XSRF_NONCE_{state['nonce']}" not in _cookies(visit):
        _refuse(visit, 401, "Invalid IAP credentials: the login was not begun here, or took too long.")
        return
    email = str(code["email"])
    session = _sign(world, f"session {place.run_name}", SESSION_SECONDS, email=email)
    safe = "" if visit.host in _LOCAL else "; Secure"
    cookies = {_cookie(place): session, "GCP_IAP_UID": identities.subject_of(email)}
    answer = [("Set-Cookie", f"{name}={value}; path=/; HttpOnly{safe}") for name, value in cookies.items()]
    _refuse(visit, 302, "", more=[("Location", str(state["target"])), *answer])


def _agent_refused(world: World, service: Mapping[str, Any], visit: Visit) -> Page | None:
    """Cloud Run's own answer to IAP's agent, None where it lets the agent in."""
    name: str = service["name"]
    places = (name, "/".join(name.split("/")[:2]))
    address = _agent(world, iap.place_of_service(name))
    if not agents.exists(world.store, world.projects, address):
        return Page(500, NO_AGENT, (MARK,), "text/plain; charset=UTF-8")
    callers = (f"serviceAccount:{address}", ANONYMOUS)
    if service.get("invokerIamDisabled") or any(
        world.policies.allowed(caller, "run.routes.invoke", places) for caller in callers
    ):
        return None
    return pages.forbidden(visit.target)


def _marked(world: World, place: Place, visit: Visit, email: str) -> Visit:
    """The request with what IAP adds; what a client wrote under these names is dropped."""
    ours = (_cookie(place).lower(), "gcp_iap_")
    kept: list[tuple[str, str]] = []
    for name, value in visit.headers:
        lower = name.lower()
        if lower == "cookie":
            cookies = [one for one in value.split(";") if not one.strip().lower().startswith(ours)]
            if cookies:
                kept.append((name, ";".join(cookies).strip()))
        elif not lower.startswith("x-goog-") and lower not in (
            "proxy-authorization",
            "x-serverless-authorization",
        ):
            kept.append((name, value))
    number = _number(world, place)
    audience = f"/projects/{number}/locations/{place.region}/services/{place.service}"
    who = f"accounts.google.com:{identities.subject_of(email)}"
    agent = world.identities.mint_id_token(_agent(world, place), audience)
    added = [
        ("X-Goog-Authenticated-User-Email", f"accounts.google.com:{email}"),
        ("X-Goog-Authenticated-User-Id", who),
        ("X-Goog-IAP-JWT-Assertion", iap_keys.assertion(world, audience, who, email)),
        ("X-Serverless-Authorization", f"Bearer {agent}"),
    ]
    return dataclasses.replace(visit, headers=[*kept, *added])


def _refuse(
    visit: Visit, status: int, text: str, kind: str = "text/html", more: list[tuple[str, str]] | None = None
) -> None:
    """An answer of IAP's own, which no service has seen."""
    pages.send(visit, Page(status, text, (MARK, *(more or ())), kind))


def _no_access(email: str) -> str:
    return (
        "<html><head><title>Access denied</title></head><body style='font-family: sans-serif; margin: 4em'>"
        "<h1>You don't have access</h1>"
        f"<p>You are signed in as <b>{html.escape(email)}</b>, who is no IAP-secured Web App User of this page.</p>"
        "<p>Error code 4033</p>"
        f"<p><a href='{SIGN_OUT}'>Sign in with a different account</a></p></body></html>"
    )


def _sign(world: World, purpose: str, seconds: int, **claims: str) -> str:
    now = int(world.clock().timestamp())
    return world.identities.sign_jwt(SIGNER, {**claims, "aud": purpose, "exp": now + seconds})


def code_for(world: World, redirect_uri: str, email: str) -> str:
    """What the login page hands to the browser for IAP: good for one place, for a minute."""
    return _sign(world, f"code {redirect_uri}", 60, email=email)


def _signed(world: World, token: str, purpose: str) -> dict[str, Any] | None:
    """The claims of what was signed here for *purpose*, None where it does not hold."""
    claims = world.identities.verify_jwt(SIGNER, token) if token.count(".") == 2 else None
    if claims is None or claims.get("aud") != purpose or claims["exp"] <= world.clock().timestamp():
        return None
    return claims


def _cookie(place: Place) -> str:
    """The session's name: one for each service, as all services of this machine share the host 127.0.0.1."""
    return f"GCP_IAAP_AUTH_TOKEN_{hashlib.sha256(place.run_name.encode()).hexdigest()[:16].upper()}"


def _cookies(visit: Visit) -> dict[str, str]:
    pairs = (
        one.strip().partition("=")
        for name, value in visit.headers
        if name.lower() == "cookie"
        for one in value.split(";")
    )
    return {name: value for name, _, value in pairs}


def _origin(visit: Visit) -> str:
    return f"{visit.scheme}://{visit.header('Host')}" if visit.host in _LOCAL else f"https://{visit.host}"


def _number(world: World, place: Place) -> str:
    known = world.projects.get(place.project)
    return known.number if known else place.project


def _agent(world: World, place: Place) -> str:
    return agents.address_of(agents.agent_of("iap.googleapis.com"), _number(world, place))
