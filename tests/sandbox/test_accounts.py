"""Service accounts, their keys, and what can be done in their name."""

from __future__ import annotations

import base64
import json
from typing import Any

import google.auth.exceptions
import google.auth.transport.requests
import pytest
from google.oauth2 import service_account

from tests.sandbox.calls import Cloud

ACCOUNTS = "/v1/projects/{P}/serviceAccounts"


def test_an_account_is_made_once(cloud: Cloud) -> None:
    """The answer has what the real one has; a second time is a 409 in the recorded words."""
    sent = {"accountId": "runner-one", "serviceAccount": {"displayName": "Runner"}}
    made = cloud.ok("POST", ACCOUNTS, sent)
    email = f"runner-one@{cloud.project}.iam.gserviceaccount.com"
    assert set(made) == {"name", "projectId", "uniqueId", "email", "etag", "oauth2ClientId", "displayName"}
    assert made["name"] == f"projects/{cloud.project}/serviceAccounts/{email}"
    error = cloud.post(ACCOUNTS, sent).error
    assert error["status"] == "ALREADY_EXISTS"
    assert (
        error["message"]
        == f"Service account runner-one already exists within project projects/{cloud.project}."
    )
    for name in (email, made["uniqueId"]):
        assert cloud.ok("GET", f"/v1/projects/-/serviceAccounts/{name}") == made


@pytest.mark.parametrize("account_id", ["short", "Upper-case", "1-digit-first", "x" * 31, "ends-with-"])
def test_an_impossible_id_is_refused(cloud: Cloud, account_id: str) -> None:
    """6 to 30 lowercase letters, digits and hyphens."""
    assert cloud.post(ACCOUNTS, {"accountId": account_id}).error["status"] == "INVALID_ARGUMENT"


def test_a_missing_account_is_a_404_in_googles_words(cloud: Cloud) -> None:
    """One that was deleted is named in the message; one that never was is unknown."""
    name = f"projects/{cloud.project}/serviceAccounts/nobody@{cloud.project}.iam.gserviceaccount.com"
    error = cloud.get(f"/v1/{name}").error
    assert (error["code"], error["errors"][0]["reason"]) == (404, "notFound")
    assert error["message"] == "Unknown service account"
    email = cloud.account("soon-gone")
    cloud.ok("DELETE", f"{ACCOUNTS}/{email}")
    gone = f"projects/{cloud.project}/serviceAccounts/{email}"
    assert cloud.get(f"/v1/{gone}").error["message"] == f"Service account {gone} does not exist."


def test_an_account_can_be_changed_and_switched_off(cloud: Cloud) -> None:
    """Only the fields of the mask change, and are answered; disabled shows while it is."""
    email = cloud.account("runner-two")
    path = f"{ACCOUNTS}/{email}"
    sent = {
        "serviceAccount": {"displayName": "New", "description": "not asked for"},
        "updateMask": "displayName",
    }
    changed = cloud.ok("PATCH", path, sent)
    assert changed == {"name": path[4:].replace("{P}", cloud.project), "displayName": "New"}
    assert "description" not in cloud.ok("GET", path)
    cloud.ok("POST", f"{path}:disable", {})
    assert cloud.ok("GET", path)["disabled"] is True
    cloud.ok("POST", f"{path}:enable", {})
    assert "disabled" not in cloud.ok("GET", path)


def test_a_deleted_account_leaves_its_bindings_behind(cloud: Cloud) -> None:
    """They read deleted:…?uid=…; an account of the same name is another; undelete brings the first one back."""
    email = cloud.account("runner-three")
    unique = cloud.ok("GET", f"{ACCOUNTS}/{email}")["uniqueId"]
    member = f"serviceAccount:{email}"
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    policy["bindings"].append({"role": "roles/run.viewer", "members": [member]})
    cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": policy})

    def bound() -> list[str]:
        bindings = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})["bindings"]
        return next(one["members"] for one in bindings if one["role"] == "roles/run.viewer")

    assert cloud.ok("DELETE", f"{ACCOUNTS}/{email}") == {}
    assert bound() == [f"deleted:{member}?uid={unique}"]
    cloud.account("runner-three")
    assert bound() == [f"deleted:{member}?uid={unique}"]
    cloud.ok("DELETE", f"{ACCOUNTS}/{email}")
    restored = cloud.ok("POST", f"{ACCOUNTS}/{unique}:undelete", {})["restoredAccount"]
    assert restored["email"] == email
    assert bound() == [member]


def test_a_listing_holds_the_default_account_and_ours(cloud: Cloud) -> None:
    """In pages."""
    emails = {cloud.account(f"runner-{number}x") for number in range(3)}
    first = cloud.ok("GET", f"{ACCOUNTS}?pageSize=2")
    rest = cloud.ok("GET", f"{ACCOUNTS}?pageSize=100&pageToken={first['nextPageToken']}")
    listed = {one["email"] for one in [*first["accounts"], *rest["accounts"]]}
    assert listed == {*emails, f"{cloud.number}-compute@developer.gserviceaccount.com"}


def test_an_account_has_a_policy_of_its_own(cloud: Cloud) -> None:
    """Read by POST, written with its etag."""
    path = f"{ACCOUNTS}/{cloud.account('runner-four')}"
    assert cloud.ok("POST", f"{path}:getIamPolicy", {}) == {"etag": "ACAB"}
    bindings = [{"role": "roles/iam.serviceAccountUser", "members": ["user:a@b.example"]}]
    kept = cloud.ok("POST", f"{path}:setIamPolicy", {"policy": {"bindings": bindings, "etag": "ACAB"}})
    assert kept["bindings"] == bindings


def test_googles_library_logs_in_with_a_key(cloud: Cloud) -> None:
    """The key file works as a real one: the JWT is exchanged for a token, and the token is the account."""
    email = cloud.account("runner-five")
    made = cloud.ok("POST", f"{ACCOUNTS}/{email}/keys", {"privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE"})
    info = json.loads(base64.b64decode(made["privateKeyData"]))
    assert info["client_email"] == email
    library: Any = service_account.Credentials
    credentials = library.from_service_account_info(
        {**info, "token_uri": f"{cloud.url}/token"}, scopes=["https://www.googleapis.com/auth/cloud-platform"]
    )
    credentials.refresh(google.auth.transport.requests.Request())
    bearer = Cloud(cloud.port, cloud.project, token=credentials.token)
    assert bearer.get("/v1/projects/{P}").status == 403
    assert "privateKeyData" not in cloud.ok("GET", f"/v1/{made['name']}")
    cloud.ok("DELETE", f"/v1/{made['name']}")
    assert cloud.ok("GET", f"{ACCOUNTS}/{email}/keys?keyTypes=USER_MANAGED") == {}
    [own] = cloud.ok("GET", f"{ACCOUNTS}/{email}/keys")["keys"]
    assert own["keyType"] == "SYSTEM_MANAGED"
    with pytest.raises(google.auth.exceptions.RefreshError, match="Invalid JWT Signature"):
        credentials.refresh(google.auth.transport.requests.Request())


def test_signatures_in_an_accounts_name_can_be_checked(cloud: Cloud) -> None:
    """signBlob signs with a real RSA key, the one that the ID of the key names."""
    email = cloud.account("runner-six")
    payload = b"what is to be signed"
    path = f"/v1/projects/-/serviceAccounts/{email}:signBlob"
    signed = cloud.ok("POST", path, {"payload": base64.b64encode(payload).decode()})
    jwt = cloud.ok("POST", f"/v1/projects/-/serviceAccounts/{email}:signJwt", {"payload": '{"sub":"x"}'})
    assert signed["keyId"] == jwt["keyId"]
    assert len(base64.b64decode(signed["signedBlob"])) == 256


def test_acting_as_another_needs_the_permission(cloud: Cloud) -> None:
    """A token of somebody else's account is refused until the role is granted on that account."""
    mine, other = cloud.account("runner-seven"), cloud.account("runner-eight")
    path = f"/v1/projects/-/serviceAccounts/{other}:generateIdToken"
    caller = cloud.bearer(mine)
    refused = caller.post(path, {"audience": "https://x"}).error
    assert (refused["code"], "iam.serviceAccounts.getOpenIdToken" in refused["message"]) == (403, True)
    binding = {"role": "roles/iam.serviceAccountTokenCreator", "members": [f"serviceAccount:{mine}"]}
    cloud.ok("POST", f"{ACCOUNTS}/{other}:setIamPolicy", {"policy": {"bindings": [binding]}})
    token = caller.ok("POST", path, {"audience": "https://x"})["token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert (claims["email"], claims["aud"]) == (other, "https://x")


def test_published_certificates_are_real(cloud: Cloud) -> None:
    """The key set and the certificates are of one key, the one that signs ID tokens."""
    keys = cloud.ok("GET", "/oauth2/v3/certs")["keys"]
    certificates = cloud.ok("GET", "/oauth2/v1/certs")
    assert [one["kid"] for one in keys] == list(certificates)
    assert all(text.startswith("-----BEGIN CERTIFICATE-----") for text in certificates.values())
