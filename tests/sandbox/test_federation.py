"""Workload identity federation: pools, providers, and what a CI job's own token is worth."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from reconciler.sandbox import control
from reconciler.sandbox.control import Running
from tests.sandbox.calls import Answered, Cloud
from tests.sandbox.test_gcloud import Gcloud

POOLS = "/v1/projects/{P}/locations/global/workloadIdentityPools"
ISSUER = "https://ci.example"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
MAPPING = {"google.subject": "assertion.sub", "attribute.repository": "assertion.repository"}
CLIENT = """
import sys, google.auth
from google.auth.transport.requests import AuthorizedSession
credentials, _ = google.auth.load_credentials_from_file(
    sys.argv[1], scopes=["https://www.googleapis.com/auth/cloud-platform"])
print(AuthorizedSession(credentials).get(sys.argv[2]).status_code)
"""


def encoded(data: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def keys() -> str:
    """The issuer's keys, as a JSON Web Key Set."""
    numbers = KEY.public_key().public_numbers()
    parts = {"n": encoded(numbers.n.to_bytes(256, "big")), "e": encoded(numbers.e.to_bytes(3, "big"))}
    return json.dumps({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "one", **parts}]})


def token(audience: str, **claims: Any) -> str:
    """A token of the issuer's."""
    now = int(time.time())
    whole = {
        "iss": ISSUER,
        "aud": audience,
        "sub": "job-1",
        "repository": "acme/ml",
        "iat": now,
        "exp": now + 300,
    }
    parts = [{"alg": "RS256", "typ": "JWT", "kid": "one"}, {**whole, **claims}]
    signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{encoded(KEY.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def provided(cloud: Cloud) -> str:
    """The audience of a new provider, in a new pool, that lets in repositories of acme."""
    cloud.ok("POST", f"{POOLS}?workloadIdentityPoolId=ci-pool", {"displayName": "CI"})
    body = {
        "oidc": {"issuerUri": ISSUER, "jwksJson": keys()},
        "attributeMapping": MAPPING,
        "attributeCondition": 'assertion.repository.startsWith("acme/")',
    }
    started = cloud.ok("POST", f"{POOLS}/ci-pool/providers?workloadIdentityPoolProviderId=ci-jobs", body)
    made = cloud.wait(started)["response"]
    assert (made["state"], made["attributeMapping"]) == ("ACTIVE", MAPPING)
    return f"//iam.googleapis.com/{made['name']}"


def exchange(cloud: Cloud, audience: str, subject: str) -> Answered:
    """The answer of the token service."""
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": audience,
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "subject_token": subject,
    }
    return cloud.call("POST", "/v1/token", raw=urlencode(form).encode())


def bind(cloud: Cloud, path: str, role: str, member: str) -> None:
    """Add a binding to a policy."""
    policy = cloud.ok("POST", f"{path}:getIamPolicy", {})
    bindings = [*policy.get("bindings", ()), {"role": role, "members": [member]}]
    cloud.ok("POST", f"{path}:setIamPolicy", {"policy": {**policy, "bindings": bindings}})


def test_a_foreign_token_becomes_a_principal(cloud: Cloud) -> None:
    """Known by its subject and by its attributes; it may what they were granted, and no more."""
    audience = provided(cloud)
    pool = audience.partition("/providers/")[0].removeprefix("//")
    answered = exchange(cloud, audience, token(f"https:{audience}"))
    assert (answered.status, answered.json["token_type"], answered.json["expires_in"]) == (
        200,
        "Bearer",
        3599,
    )
    job = Cloud(cloud.port, cloud.project, token=answered.json["access_token"])
    assert job.get("/v1/projects/{P}").status == 403
    bind(cloud, "/v1/projects/{P}", "roles/browser", f"principalSet://{pool}/attribute.repository/acme/other")
    assert job.get("/v1/projects/{P}").status == 403
    bind(cloud, "/v1/projects/{P}", "roles/browser", f"principalSet://{pool}/attribute.repository/acme/ml")
    assert job.get("/v1/projects/{P}").status == 200
    bind(cloud, "/v1/projects/{P}", "roles/run.viewer", f"principal://{pool}/subject/job-1")
    assert job.get("/v2/projects/{P}/locations/europe-west1/services").status == 200


@pytest.mark.parametrize(
    ("claims", "error", "said"),
    [
        ({"repository": "evil/ml"}, "unauthorized_client", "rejected by the attribute condition"),
        ({"aud": "https://elsewhere"}, "invalid_grant", "does not match the expected audience"),
        ({"iss": "https://elsewhere"}, "invalid_grant", "The issuer in ID Token https://elsewhere"),
        ({"exp": 1}, "invalid_grant", "is stale"),
    ],
)
def test_a_token_that_does_not_fit_is_refused(
    cloud: Cloud, claims: dict[str, Any], error: str, said: str
) -> None:
    """In OAuth's words, with Google's reason."""
    audience = provided(cloud)
    answered = exchange(cloud, audience, token(audience, **claims))
    assert (answered.status, answered.json["error"]) == (400, error)
    assert said in answered.json["error_description"]


def test_a_provider_that_is_gone_lets_nobody_in(cloud: Cloud) -> None:
    """Deleted, or in a pool that is switched off; brought back, it does again."""
    audience = provided(cloud)
    subject = token(audience)
    assert exchange(cloud, audience, subject).status == 200
    assert exchange(cloud, audience, subject[:-8] + "AAAAAAAA").json["error"] == "invalid_grant"
    cloud.ok("DELETE", f"{POOLS}/ci-pool/providers/ci-jobs")
    assert exchange(cloud, audience, subject).json["error"] == "invalid_target"
    assert cloud.ok("GET", f"{POOLS}/ci-pool/providers") == {}
    assert cloud.ok("GET", f"{POOLS}/ci-pool/providers/ci-jobs")["state"] == "DELETED"
    cloud.ok("POST", f"{POOLS}/ci-pool/providers/ci-jobs:undelete", {})
    cloud.ok("PATCH", f"{POOLS}/ci-pool?updateMask=disabled", {"disabled": True})
    assert exchange(cloud, audience, subject).json["error"] == "invalid_target"
    cloud.ok("PATCH", f"{POOLS}/ci-pool?updateMask=disabled", {})
    assert exchange(cloud, audience, subject).status == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "oidc must be set"),
        ({"oidc": {"issuerUri": ISSUER}}, "google.subject is required"),
        ({"oidc": {"issuerUri": "http://x"}, "attributeMapping": MAPPING}, "https"),
        (
            {"oidc": {"issuerUri": ISSUER}, "attributeMapping": {"google.subject": "a §"}},
            "Error in attribute",
        ),
    ],
)
def test_a_provider_that_cannot_work_is_refused(cloud: Cloud, body: dict[str, Any], said: str) -> None:
    """Before anybody relies on it."""
    cloud.ok("POST", f"{POOLS}?workloadIdentityPoolId=ci-pool", {})
    path = f"{POOLS}/ci-pool/providers?workloadIdentityPoolProviderId=ci-jobs"
    assert said in cloud.post(path, body).error["message"]
    assert cloud.post(f"{POOLS}?workloadIdentityPoolId=ci-pool", {}).error["status"] == "ALREADY_EXISTS"
    assert cloud.get(f"{POOLS}/no-pool").status == 404


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_an_unmodified_client_works_without_a_key_file(
    running: Running, cloud: Cloud, tmp_path: Path
) -> None:
    """What gcloud writes for a CI job logs Google's library in as a service account, through the pool."""
    gcloud, email = Gcloud(running, cloud.project), cloud.account("deployer")
    (tmp_path / "keys.json").write_text(keys())
    pool = ("iam", "workload-identity-pools")
    gcloud.ok(*pool, "create", "ci-pool", "--location=global")
    gcloud.ok(
        *pool, "providers", "create-oidc", "ci-jobs", "--location=global", "--workload-identity-pool=ci-pool",
        f"--issuer-uri={ISSUER}", f"--jwk-json-path={tmp_path / 'keys.json'}",
        "--attribute-mapping=google.subject=assertion.sub,attribute.repository=assertion.repository",
    )  # fmt: skip
    found = gcloud.json(
        *pool, "providers", "describe", "ci-jobs", "--location=global", "--workload-identity-pool=ci-pool"
    )
    member = f"principalSet://iam.googleapis.com/{found['name'].partition('/providers/')[0]}"
    bind(cloud, f"/v1/projects/{{P}}/serviceAccounts/{email}", "roles/iam.workloadIdentityUser",
         f"{member}/attribute.repository/acme/ml")  # fmt: skip
    bind(cloud, "/v1/projects/{P}", "roles/browser", f"serviceAccount:{email}")
    (tmp_path / "token").write_text(token(f"https://iam.googleapis.com/{found['name']}"))
    file = tmp_path / "credentials.json"
    gcloud.ok(
        *pool, "create-cred-config", found["name"], f"--service-account={email}",
        f"--credential-source-file={tmp_path / 'token'}", f"--output-file={file}",
    )  # fmt: skip
    url = f"https://cloudresourcemanager.googleapis.com/v1/projects/{cloud.project}"
    variables = {**control.python_environment(running), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", CLIENT, str(file), url]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout == "200\n", ended.stderr
