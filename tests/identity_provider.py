"""A small OpenID Connect provider: discovery, a login page, the authorization code flow with PKCE, RS256 tokens.

As strict as a real one: unknown clients and redirect addresses are told so and sent nowhere, a code is good once, for
one client, one address and one verifier. Google's auth library signs.
"""

from __future__ import annotations

import base64
import hashlib
import html
import importlib
import json
import secrets
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

LIFETIME = 3600
KEY_ID = "test-key"
_CRYPT: Any = importlib.import_module("google.auth.crypt")
_JWT: Any = importlib.import_module("google.auth.jwt")
PAGE = """<!doctype html><title>Log in</title><h1>{title}</h1>
<form method="post"><input type="hidden" name="request" value="{request}">
<label>User <input name="user"></label> <label>Password <input name="password" type="password"></label>
<button>Continue</button></form>"""


@dataclass(frozen=True)
class Person:
    """Who may log in at the provider, with the *groups* that its tokens list."""

    email: str
    password: str = field(repr=False)
    groups: tuple[str, ...] = ()


@dataclass
class Provider:
    """A running provider. *redirects* are the addresses that the client registered."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    people: Mapping[str, Person]
    redirects: set[str]
    key: rsa.RSAPrivateKey = field(repr=False)
    codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    exchanged: int = 0
    """How many codes were turned into tokens."""

    @property
    def discovery_url(self) -> str:
        """Where it describes itself."""
        return f"{self.issuer}/.well-known/openid-configuration"

    def token(self, name: str, *, key: rsa.RSAPrivateKey | None = None, **changed: Any) -> str:
        """An ID token of the person *name*, with claims *changed*; signed with another *key* it is a forgery."""
        person, now = self.people[name], int(time.time())
        claims = {
            "iss": self.issuer, "aud": self.client_id, "sub": f"subject-{name}", "iat": now, "exp": now + LIFETIME,
            "email": person.email, "email_verified": True, "name": name, "groups": list(person.groups),
        }  # fmt: skip
        pem = (key or self.key).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        signer = _CRYPT.RSASigner.from_string(pem, KEY_ID)
        return str(_JWT.encode(signer, {**claims, **changed}).decode())

    def description(self) -> dict[str, Any]:
        """The discovery document."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "profile"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["sub", "iss", "email", "name", "groups"],
        }

    def keys(self) -> dict[str, Any]:
        """The public key, as a JSON Web Key Set."""
        numbers = self.key.public_key().public_numbers()
        values = {"n": _number(numbers.n), "e": _number(numbers.e)}
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, **values}]}

    def complaint(self, request: Mapping[str, str]) -> str:
        """Why an authorization request is not even answered to its redirect address, or ""."""
        if request.get("client_id") != self.client_id:
            return "unknown client_id"
        if request.get("redirect_uri") not in self.redirects:
            return "redirect_uri is not registered"
        if request.get("response_type") != "code" or "openid" not in request.get("scope", "").split():
            return "only the code flow of OpenID Connect is offered"
        if request.get("code_challenge_method") != "S256" or not request.get("code_challenge"):
            return "PKCE with S256 is required"
        return ""

    def code_for(self, name: str, request: Mapping[str, str]) -> str:
        """The address to send the browser to after the login of *name*."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**request, "name": name}
        return f"{request['redirect_uri']}?{urlencode({'code': code, 'state': request.get('state', '')})}"

    def exchange(self, sent: Mapping[str, str], client: tuple[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and answer of the token endpoint."""
        if client != (self.client_id, self.client_secret):
            return 401, {"error": "invalid_client"}
        request = self.codes.pop(sent.get("code", ""), None)
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        if (
            request is None
            or sent.get("redirect_uri") != request["redirect_uri"]
            or _text(digest) != request["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        self.exchanged += 1
        id_token = self.token(request["name"], nonce=request.get("nonce", ""))
        access = secrets.token_urlsafe(24)
        return 200, {
            "access_token": access, "id_token": id_token, "token_type": "Bearer", "expires_in": LIFETIME,
        }  # fmt: skip


class _Answers(BaseHTTPRequestHandler):
    """One connection to the provider."""

    def __init__(self, provider: Provider, *arguments: Any) -> None:
        self.provider = provider
        super().__init__(*arguments)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: tests have their own output."""

    def do_GET(self) -> None:
        """The discovery document, the keys, the login page."""
        url = urlsplit(self.path)
        if url.path == "/.well-known/openid-configuration":
            self._json(200, self.provider.description())
        elif url.path == "/keys":
            self._json(200, self.provider.keys())
        elif url.path == "/authorize":
            request = _form(url.query)
            if why := self.provider.complaint(request):
                self._send(400, f"<h1>Refused: {html.escape(why)}</h1>", "text/html")
            else:
                self._login("Log in at the test provider", request)
        else:
            self._send(404, "not found", "text/plain")

    def do_POST(self) -> None:
        """A login that was filled in, or a code to exchange."""
        sent = _form(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        if urlsplit(self.path).path == "/token":
            self._json(*self.provider.exchange(sent, self._client(sent)))
            return
        request: dict[str, str] = json.loads(sent.get("request") or "{}")
        person = self.provider.people.get(sent.get("user", ""))
        if self.provider.complaint(request):
            self._send(400, "refused", "text/plain")
        elif person is None or person.password != sent.get("password"):
            self._login("Wrong user or password", request)
        else:
            self.send_response(303)
            self.send_header("Location", self.provider.code_for(sent["user"], request))
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _client(self, sent: Mapping[str, str]) -> tuple[str, str]:
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "basic":
            return sent.get("client_id", ""), sent.get("client_secret", "")
        name, _, secret = base64.b64decode(given).decode().partition(":")
        return unquote(name), unquote(secret)

    def _login(self, title: str, request: Mapping[str, str]) -> None:
        page = PAGE.format(title=title, request=html.escape(json.dumps(request), quote=True))
        self._send(200, page, "text/html")

    def _json(self, status: int, answer: Mapping[str, Any]) -> None:
        self._send(status, json.dumps(answer), "application/json")

    def _send(self, status: int, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def identity_provider(people: Mapping[str, Person], redirects: set[str]) -> Generator[Provider]:
    """A provider on this machine, for one client called `mlflow`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    issuer = f"http://127.0.0.1:{server.server_address[1]}"
    provider = Provider(issuer, "mlflow", secrets.token_urlsafe(16), people, redirects, new_key())
    server.RequestHandlerClass = partial(_Answers, provider)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def new_key() -> rsa.RSAPrivateKey:
    """A key to sign with."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _form(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
