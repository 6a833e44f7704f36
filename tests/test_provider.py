"""What `verify` sees of an identity provider, and what it says where logins could not work."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import httpx
import pytest

from reconciler import provider as looks
from tests.identity_provider import Provider, identity_provider

URL = "https://mlflow-1.europe-west1.run.app"


@pytest.fixture(name="provider")
def _provider() -> Generator[Provider]:
    with identity_provider({}, set()) as provider:
        yield provider


def _saying(provider: Provider, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    said = {**provider.description(), **changed}
    monkeypatch.setattr(provider, "description", lambda: said)


def _server(status: int, location: str) -> httpx.Client:
    headers: Mapping[str, str] = {"Location": location} if location else {}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers))
    return httpx.Client(base_url=URL, transport=transport)


def test_a_provider_that_describes_itself_is_fine(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with a slash at the issuer's end, as some write it."""
    assert looks.describes_itself(provider.discovery_url) == ""
    _saying(provider, monkeypatch, issuer=f"{provider.issuer}/")
    assert looks.describes_itself(provider.discovery_url) == ""


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"issuer": "https://elsewhere.example"}, "is of the issuer 'https://elsewhere.example'"),
        ({"token_endpoint": ""}, "does not say token_endpoint"),
        ({"authorization_endpoint": None, "jwks_uri": None}, "authorization_endpoint and jwks_uri"),
    ],
)
def test_a_description_without_logins_is_told(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], complaint: str
) -> None:
    """Another issuer's document, and one that lacks what a login needs."""
    _saying(provider, monkeypatch, **changed)
    assert complaint in looks.describes_itself(provider.discovery_url)


def test_a_provider_without_keys_is_told(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token could be checked."""
    monkeypatch.setattr(provider, "keys", dict[str, Any])
    assert "lists no keys" in looks.describes_itself(provider.discovery_url)


def test_logins_go_to_the_provider_and_come_back(provider: Provider) -> None:
    """As this client, to this server's address; each difference is named."""
    start = f"{provider.issuer}/authorize?response_type=code"
    good = f"{start}&client_id=mlflow&redirect_uri={URL}/callback"
    asked = (URL, provider.discovery_url, "mlflow")
    assert looks.is_where_logins_go(_server(302, good), *asked) == ""
    other = looks.is_where_logins_go(
        _server(302, f"{start}&client_id=x&redirect_uri=http://y/callback"), *asked
    )
    assert "client_id is 'x' instead of 'mlflow'" in other
    assert f"redirect_uri is 'http://y/callback' instead of '{URL}/callback'" in other
    assert "leads to https://x.example/login" in looks.is_where_logins_go(
        _server(302, "https://x.example/login?a=b"), *asked
    )
    assert "answered 500 and leads to nowhere" in looks.is_where_logins_go(_server(500, ""), *asked)
