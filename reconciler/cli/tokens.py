"""Tokens of Google's that open a deployed server: ID tokens for Cloud Run, signed JWTs for Identity-Aware Proxy.

IAP with the OAuth client that Google manages takes no ID token at all ("Invalid JWT audience"); what it takes of
programs is a JWT that a service account has signed for the server's URL.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any, cast

from reconciler import errors
from reconciler.gcp.cloud import Cloud
from reconciler.spec.auth import Auth

GIVEN = "MLFLOW_TRACKING_TOKEN"
ELSEWHERE = "https://elsewhere.example"
SECONDS = 3600
"""The longest that IAP accepts."""


def pair(cloud: Cloud, auth: Auth, url: str) -> tuple[str, str]:
    """A token for *url* as the mode asks for it, and one for another address; "" where none is needed or made."""
    if auth.public:
        return "", ""
    token = token_for(cloud, auth, url)
    return token, "" if os.environ.get(GIVEN) else token_for(cloud, auth, ELSEWHERE)


def token_for(cloud: Cloud, auth: Auth, url: str) -> str:
    """MLFLOW_TRACKING_TOKEN, or what this machine's identity can make. Raises `CredentialsMissing`."""
    if given := os.environ.get(GIVEN, ""):
        return given
    return signed_jwt(cloud, auth, url) if auth.mode == "iap" else _id_token(cloud, url)


def account_for(auth: Auth) -> str:
    """The service account among the accessors in whose name programs get in, "" where there is none."""
    accounts = (m.removeprefix("serviceAccount:") for m in auth.accessors if m.startswith("serviceAccount:"))
    return next(accounts, "")


def signed_jwt(cloud: Cloud, auth: Auth, url: str) -> str:
    """A JWT for everything below *url*, signed by IAM in the name of an accessor; the key never leaves Google."""
    account = account_for(auth)
    if not account:
        raise errors.CredentialsMissing(
            "no program gets in: no service account is among auth.accessors",
            way_out=f"Add serviceAccount:NAME@PROJECT.iam.gserviceaccount.com to them, or set {GIVEN}.",
        )
    now = int(time.time())
    claims = {"iss": account, "sub": account, "aud": f"{url}/*", "iat": now, "exp": now + SECONDS}
    accounts = cloud.api("iamcredentials", "v1").projects().serviceAccounts()
    request = accounts.signJwt(
        name=f"projects/-/serviceAccounts/{account}", body={"payload": json.dumps(claims)}
    )
    try:
        return str(cloud.call(f"signing as {account}", request.execute)["signedJwt"])
    except errors.PermissionMissing as error:
        error.way_out = (
            f"gcloud iam service-accounts add-iam-policy-binding {account} --project={cloud.project} "
            f"--role=roles/iam.serviceAccountTokenCreator --member={cloud.member or 'MEMBER'}"
        )
        raise


def _id_token(cloud: Cloud, audience: str) -> str:
    if cloud.endpoint:
        return _sandbox_token(cloud, audience)
    import google.auth.transport.requests
    from google.auth.exceptions import GoogleAuthError
    from google.oauth2 import id_token

    try:
        request = google.auth.transport.requests.Request()
        return str(cast("Any", id_token).fetch_id_token(request, audience))
    except GoogleAuthError as error:
        raise errors.CredentialsMissing(
            f"no ID token for {audience} can be made here: {error}",
            way_out=f"Set {GIVEN}, for example to $(gcloud auth print-identity-token).",
        ) from error


def _sandbox_token(cloud: Cloud, audience: str) -> str:
    from reconciler.sandbox import acting
    from reconciler.sandbox.errors import SandboxError

    try:
        return acting.identity_token(cloud.endpoint, audience, cloud.token)
    except SandboxError as error:
        raise errors.CredentialsMissing(error.message, way_out=error.way_out) from error
