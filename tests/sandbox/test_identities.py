"""Tokens, minted and verified."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import google.auth.jwt
import pytest
from google.oauth2 import id_token

from reconciler.sandbox.iam.identities import Identities
from reconciler.sandbox.store import Store

EMAIL = "runner@p-known.iam.gserviceaccount.com"
AUDIENCE = "https://mlflow-123456789012.europe-west9.run.app"


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        """The time."""
        return self.now


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="identities")
def _identities(tmp_path: Path, clock: Clock) -> Identities:
    return Identities(Store(tmp_path / "s.db"), tmp_path / "keys", clock)


def test_an_access_token_is_its_bearer_until_it_is_over(identities: Identities, clock: Clock) -> None:
    """It says who calls for an hour, and nothing afterwards; a made-up one never does."""
    token = identities.mint_access_token(f"serviceAccount:{EMAIL}")
    assert identities.verify_access_token(token) == f"serviceAccount:{EMAIL}"
    assert identities.verify_access_token(token + "x") is None
    clock.now += timedelta(seconds=3601)
    assert identities.verify_access_token(token) is None


def test_an_access_token_is_not_readable_in_the_state(identities: Identities, tmp_path: Path) -> None:
    """Only its hash is kept."""
    token = identities.mint_access_token("user:a@b.example")
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("s.db*"))
    assert b"user:a@b.example" in kept
    assert token.encode() not in kept


def test_an_id_token_holds_for_its_audience_and_its_hour(identities: Identities, clock: Clock) -> None:
    """Another audience, an hour later, or another signature: not valid."""
    token = identities.mint_id_token(EMAIL, AUDIENCE)
    claims = identities.verify_id_token(token, (AUDIENCE, "https://other.example"))
    assert claims is not None
    assert (claims["email"], claims["aud"], claims["email_verified"]) == (EMAIL, AUDIENCE, True)
    assert identities.verify_id_token(token, ("https://other.example",)) is None
    assert identities.verify_id_token(token[:-6] + "AAAAAA", (AUDIENCE,)) is None
    clock.now += timedelta(seconds=3601)
    assert identities.verify_id_token(token, (AUDIENCE,)) is None


def test_googles_library_verifies_our_id_tokens(
    identities: Identities, monkeypatch: pytest.MonkeyPatch
) -> None:
    """google-auth accepts them with the certificates that we publish."""
    certificates: Any = identities.certificates()
    library: Any = google.auth.jwt
    claims = library.decode(identities.mint_id_token(EMAIL, AUDIENCE), certs=certificates, audience=AUDIENCE)
    assert claims["email"] == EMAIL

    def published(_request: Any, _url: str) -> Any:
        return certificates

    monkeypatch.setattr(id_token, "_fetch_certs", published)
    verifier: Any = id_token
    assert (
        verifier.verify_oauth2_token(identities.mint_id_token(EMAIL, AUDIENCE), None, AUDIENCE)["email"]
        == EMAIL
    )


def test_keys_survive_a_restart_and_are_private(identities: Identities, tmp_path: Path, clock: Clock) -> None:
    """A token signed before the restart is valid after it; the key file is readable by its owner only."""
    token = identities.mint_id_token(EMAIL, AUDIENCE)
    again = Identities(Store(tmp_path / "s2.db"), tmp_path / "keys", clock)
    assert again.verify_id_token(token, (AUDIENCE,)) is not None
    modes = {file.stat().st_mode & 0o777 for file in (tmp_path / "keys").iterdir()}
    assert modes == {0o600}
