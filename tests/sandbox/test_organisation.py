"""Organisation policies that stand in the way of accounts, keys and members, as Google words it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.calls import Cloud
from tests.sandbox.test_spreading import ACCOUNTS, behaving

PRECONDITION = "type.googleapis.com/google.rpc.PreconditionFailure"


def violation(error: dict[str, Any]) -> dict[str, str]:
    """The one violation that a refusal details."""
    assert (error["code"], error["status"]) == (400, "FAILED_PRECONDITION")
    [detail] = error["details"]
    assert detail["@type"] == PRECONDITION
    [found] = detail["violations"]
    return found


@pytest.mark.parametrize(
    ("constraint", "verb", "what"),
    [
        ("iam.disableServiceAccountKeyCreation", "", "Key creation"),
        ("iam.disableServiceAccountKeyUpload", ":upload", "Key upload"),
    ],
)
def test_keys_may_be_forbidden(cloud: Cloud, constraint: str, verb: str, what: str) -> None:
    """The violation names the account and the constraint."""
    email = cloud.account(f"keyless{verb.replace(':', '-')}-account"[:30])
    path = f"{ACCOUNTS}/{email}/keys{verb}"
    with behaving(cloud, organization_policies=[constraint]):
        error = cloud.post(path, {}).error
    text = f"{what} is not allowed on this service account."
    assert error["message"] == text
    name = f"projects/{cloud.project}/serviceAccounts/{email}"
    subject = f"{name}?configvalue={email.replace('@', '%40')}"
    assert violation(error) == {"type": f"constraints/{constraint}", "subject": subject, "description": text}


def test_accounts_may_be_forbidden(cloud: Cloud) -> None:
    """The violation names the project."""
    constraint = "iam.disableServiceAccountCreation"
    with behaving(cloud, organization_policies=[constraint]):
        error = cloud.post(ACCOUNTS, {"accountId": "not-to-be-made"}).error
    assert error["message"] == "Service account creation is not allowed on this project."
    found = violation(error)
    assert found["type"] == f"constraints/{constraint}"
    assert found["subject"] == f"projects/{cloud.project}/serviceAccounts/?configvalue="


def test_strangers_may_be_forbidden_on_every_kind_of_resource(cloud: Cloud) -> None:
    """Projects, accounts, secrets and repositories refuse everybody who is not of the organisation."""
    email = cloud.account("kept-inside")
    cloud.ok("POST", "/v1/projects/{P}/secrets?secretId=s", {"replication": {"automatic": {}}})
    place = "/v1/projects/{P}/locations/europe-west1/repositories"
    cloud.wait(cloud.ok("POST", f"{place}?repositoryId=r", {"format": "DOCKER"}))
    resources = {
        "/v1/projects/{P}": "roles/viewer",
        f"{ACCOUNTS}/{email}": "roles/iam.serviceAccountUser",
        "/v1/projects/{P}/secrets/s": "roles/secretmanager.viewer",
        f"{place}/r": "roles/artifactregistry.reader",
    }
    with behaving(cloud, organization_policies=["iam.allowedPolicyMemberDomains"]):
        for path, role in resources.items():
            asked = {"policy": {"bindings": [{"role": role, "members": ["user:bob@elsewhere.example"]}]}}
            error = cloud.post(f"{path}:setIamPolicy", asked).error
            text = "One or more users named in the policy do not belong to a permitted customer."
            assert error["message"] == text
            found = violation(error)
            assert found["type"] == "constraints/iam.allowedPolicyMemberDomains"
            assert found["description"] == "User bob@elsewhere.example is not in permitted organization."
            assert found["subject"].endswith("?configvalue=bob%40elsewhere.example")
            own = f"serviceAccount:{email}"
            asked = {"policy": {"bindings": [{"role": role, "members": [own]}]}}
            if path != "/v1/projects/{P}":
                cloud.ok("POST", f"{path}:setIamPolicy", asked)
