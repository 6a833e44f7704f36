"""Keys of service accounts, what becomes of their tokens, and custom roles."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import google.auth.exceptions
import google.auth.transport.requests
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.oauth2 import service_account

from tests.sandbox.calls import Cloud

ACCOUNTS = "/v1/projects/{P}/serviceAccounts"
ROLES = "/v1/projects/{P}/roles"
SCOPE = ["https://www.googleapis.com/auth/cloud-platform"]


def login(cloud: Cloud, email: str) -> tuple[Any, str]:
    """(Google's own credentials from a new key file, the key's name), not logged in yet."""
    made = cloud.ok("POST", f"{ACCOUNTS}/{email}/keys", {})
    info = json.loads(base64.b64decode(made["privateKeyData"]))
    library: Any = service_account.Credentials
    there = {**info, "token_uri": f"{cloud.url}/token"}
    return library.from_service_account_info(there, scopes=SCOPE), made["name"]


def refresh(credentials: Any) -> None:
    """Fetch a token, as Google's libraries do."""
    credentials.refresh(google.auth.transport.requests.Request())


def refused(cloud: Cloud, token: str) -> dict[str, Any]:
    """The 401 that the bearer of *token* gets."""
    error = Cloud(cloud.port, cloud.project, token=token).get("/v1/projects/{P}").error
    assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED")
    return error


def test_a_key_can_be_switched_off(cloud: Cloud) -> None:
    """It is shown as disabled, and logs nobody in until it is switched on again."""
    credentials, name = login(cloud, cloud.account("switched-key"))
    cloud.ok("POST", f"/v1/{name}:disable", {})
    assert cloud.ok("GET", f"/v1/{name}")["disabled"] is True
    with pytest.raises(google.auth.exceptions.RefreshError, match="disabled_client"):
        refresh(credentials)
    cloud.ok("POST", f"/v1/{name}:enable", {})
    assert "disabled" not in cloud.ok("GET", f"/v1/{name}")
    refresh(credentials)


def test_a_key_of_ones_own_can_be_uploaded(cloud: Cloud) -> None:
    """Its validity is the certificate's; the public half can be read in both forms."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "own")])
    end = datetime(2030, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, end - timedelta(days=9), end)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    email = cloud.account("uploaded-key")
    sent = {"publicKeyData": base64.b64encode(pem).decode()}
    made = cloud.ok("POST", f"{ACCOUNTS}/{email}/keys:upload", sent)
    assert (made["keyOrigin"], made["keyType"]) == ("USER_PROVIDED", "USER_MANAGED")
    assert (made["validAfterTime"], made["validBeforeTime"]) == (
        "2029-12-23T00:00:00Z",
        "2030-01-01T00:00:00Z",
    )
    shown = cloud.ok("GET", f"/v1/{made['name']}?publicKeyType=TYPE_X509_PEM_FILE")
    assert base64.b64decode(shown["publicKeyData"]) == pem
    raw = cloud.ok("GET", f"/v1/{made['name']}?publicKeyType=TYPE_RAW_PUBLIC_KEY")
    assert base64.b64decode(raw["publicKeyData"]).startswith(b"-----BEGIN PUBLIC KEY-----")
    assert cloud.post(f"{ACCOUNTS}/{email}/keys:upload", {"publicKeyData": "bm9uZQ=="}).status == 400


def test_a_disabled_account_is_nobody(cloud: Cloud) -> None:
    """Its tokens are refused with Google's reason, it gets no new ones, and all is well when it is enabled."""
    email = cloud.account("switched-off")
    credentials, _ = login(cloud, email)
    refresh(credentials)
    cloud.ok("POST", f"{ACCOUNTS}/{email}:disable", {})
    [detail] = refused(cloud, credentials.token)["details"]
    assert (detail["reason"], detail["metadata"]["email"]) == ("ACCOUNT_STATE_INVALID", email)
    with pytest.raises(google.auth.exceptions.RefreshError, match="disabled_client"):
        refresh(credentials)
    cloud.ok("POST", f"{ACCOUNTS}/{email}:enable", {})
    assert Cloud(cloud.port, cloud.project, token=credentials.token).get("/v1/projects/{P}").status == 403


def test_a_deleted_accounts_token_is_not_its_successors(cloud: Cloud) -> None:
    """A new account of the same name is another one; undeleting the first brings its tokens back."""
    email = cloud.account("comes-back")
    unique = cloud.ok("GET", f"{ACCOUNTS}/{email}")["uniqueId"]
    credentials, _ = login(cloud, email)
    refresh(credentials)
    cloud.ok("DELETE", f"{ACCOUNTS}/{email}")
    refused(cloud, credentials.token)
    with pytest.raises(google.auth.exceptions.RefreshError, match="account not found"):
        refresh(credentials)
    cloud.account("comes-back")
    refused(cloud, credentials.token)
    cloud.ok("DELETE", f"{ACCOUNTS}/{email}")
    cloud.ok("POST", f"{ACCOUNTS}/{unique}:undelete", {})
    assert Cloud(cloud.port, cloud.project, token=credentials.token).get("/v1/projects/{P}").status == 403


def test_a_custom_role_is_made_changed_deleted_and_brought_back(cloud: Cloud) -> None:
    """ALPHA is the stage that is not shown; deleting marks; the id of a deleted role is not free."""
    role = {
        "title": "Reader",
        "includedPermissions": ["run.services.list", "run.services.get"],
        "stage": "GA",
    }
    made = cloud.ok("POST", ROLES, {"roleId": "reader", "role": role})
    assert made["includedPermissions"] == ["run.services.get", "run.services.list"]
    assert cloud.ok("GET", f"{ROLES}/reader") == made
    assert cloud.post(ROLES, {"roleId": "reader", "role": {}}).error["status"] == "ALREADY_EXISTS"
    sent = {"title": "Other", "stage": "ALPHA", "description": "not asked for", "etag": made["etag"]}
    changed = cloud.ok("PATCH", f"{ROLES}/reader?updateMask=title,stage", sent)
    assert (changed["title"], "stage" in changed, "description" in changed) == ("Other", False, False)
    stale = cloud.call("PATCH", f"{ROLES}/reader", {"title": "x", "etag": made["etag"]}).error
    assert (stale["code"], stale["status"]) == (409, "ABORTED")
    assert cloud.ok("DELETE", f"{ROLES}/reader")["deleted"] is True
    assert cloud.ok("GET", ROLES) == {}
    assert cloud.ok("GET", f"{ROLES}?showDeleted=true&view=FULL")["roles"][0]["deleted"] is True
    assert cloud.post(ROLES, {"roleId": "reader", "role": {}}).error["status"] == "FAILED_PRECONDITION"
    assert "deleted" not in cloud.ok("POST", f"{ROLES}/reader:undelete", {})
    assert cloud.get(f"{ROLES}/writer").status == 404


def test_a_custom_role_grants_what_it_holds(cloud: Cloud) -> None:
    """To whom it is given, as long as it is there."""
    email = cloud.account("custom-runner")
    caller = cloud.bearer(email)
    role = {"includedPermissions": ["resourcemanager.projects.get"]}
    cloud.ok("POST", ROLES, {"roleId": "looker", "role": role})
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})

    def bind(name: str) -> int:
        members = [f"serviceAccount:{email}"]
        binding = {"role": f"projects/{cloud.project}/roles/{name}", "members": members}
        sent = {"policy": {"bindings": [*policy["bindings"], binding]}}
        return cloud.post("/v1/projects/{P}:setIamPolicy", sent).status

    assert bind("nobody") == 400
    assert caller.get("/v1/projects/{P}").status == 403
    assert bind("looker") == 200
    assert caller.get("/v1/projects/{P}").status == 200
    cloud.ok("DELETE", f"{ROLES}/looker")
    assert caller.get("/v1/projects/{P}").status == 403
