"""Logins at an OpenID Connect provider: every key of `auth.oidc` on a live deployment, with a real provider."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.identity_provider import identity_provider
from tests.keys.live import Case, Live, keys_of, living, prove

ENV = "~ run.service/mlflow-keys template.containers.env"
SECRETS = "projects/every-key/secrets/oidc-client/versions"
OTHER = "https://login.acme.example/.well-known/openid-configuration"
CASES = {
    "auth.oidc.discovery_url": Case(OTHER, (f"{ENV}.OIDC_DISCOVERY_URL: PROVIDER -> {OTHER}",)),
    "auth.oidc.client_id": Case("other", (f"{ENV}.OIDC_CLIENT_ID: mlflow -> other",)),
    "auth.oidc.client_secret": Case(
        "oidc-client:2", (f"{ENV}.OIDC_CLIENT_SECRET: {SECRETS}/1 -> {SECRETS}/2",)
    ),
    "auth.oidc.provider_name": Case("Acme", (f"{ENV}.OIDC_PROVIDER_DISPLAY_NAME: Log in -> Acme",)),
    "auth.oidc.groups_claim": Case("roles", (f"{ENV}.OIDC_GROUPS_ATTRIBUTE: groups -> roles",)),
    "auth.oidc.users": Case(["ml", "data"], (f"{ENV}.OIDC_GROUP_NAME: ml -> ml,data",)),
    "auth.oidc.administrators": Case(["chiefs"], (f"{ENV}.OIDC_ADMIN_GROUP_NAME: admins -> chiefs",)),
    "auth.oidc.default_permission": Case("EDIT", (f"{ENV}.DEFAULT_MLFLOW_PERMISSION: READ -> EDIT",)),
}


@pytest.fixture(scope="module", name="live")
def _live(tmp_path_factory: pytest.TempPathFactory) -> Generator[Live]:
    with identity_provider({}, set()) as provider, living(tmp_path_factory.mktemp("oidc")) as live:
        for value in ("first", "second"):
            live.keep_secret("oidc-client", value)
        live.say("auth", {"mode": "oidc", "oidc": {
            "discovery_url": provider.discovery_url, "client_id": "mlflow", "client_secret": "oidc-client:1",
            "groups_claim": "groups", "users": ["ml"], "administrators": ["admins"],
        }})  # fmt: skip
        live.apply()
        yield live


@pytest.mark.parametrize("key", [key for key in keys_of("auth") if key.startswith("auth.oidc.")])
def test_a_key_changes_exactly_what_it_says(live: Live, key: str) -> None:
    """Applied, it leaves nothing to say; applied again, nothing is written."""
    prove(live, key, CASES)
