"""Organisation policies that stand in the way of accounts, keys and members, as Google words it."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.sandbox.iam import roles
from reconciler.sandbox.weather import constraints
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


EFFECTIVE = "/v1/projects/{P}:getEffectiveOrgPolicy"


def effective(cloud: Cloud, constraint: str) -> dict[str, Any]:
    """What the policies of the organisation come to."""
    return cloud.ok("POST", EFFECTIVE, {"constraint": f"constraints/{constraint}"})


def test_the_effective_policy_is_what_is_enforced() -> None:
    """Of every constraint that can be switched on there is an answer for either state, and they differ."""
    for constraint in constraints.ALL:
        on = constraints.effective(constraint, enforced=True)
        off = constraints.effective(constraint, enforced=False)
        assert on != off
        assert on["constraint"] == off["constraint"] == f"constraints/{constraint}"


def test_the_effective_policy_can_be_asked_for(cloud: Cloud) -> None:
    """A default allows everything; a boolean one is enforced, a list names what is let through."""
    assert effective(cloud, "sql.restrictPublicIp") == {
        "constraint": "constraints/sql.restrictPublicIp",
        "booleanPolicy": {},
    }
    assert effective(cloud, "run.allowedIngress")["listPolicy"] == {"allValues": "ALLOW"}
    with behaving(cloud, organization_policies=["sql.restrictPublicIp", "run.allowedIngress"]):
        assert effective(cloud, "sql.restrictPublicIp")["booleanPolicy"] == {"enforced": True}
        allowed = effective(cloud, "run.allowedIngress")["listPolicy"]["allowedValues"]
    assert allowed == ["internal", "internal-and-cloud-load-balancing"]


@pytest.mark.parametrize(
    "constraint", ["sql.restrictPublicIp", "constraints/be.nice", "x/constraints/sql.restrictPublicIp", ""]
)
def test_what_is_no_constraint_is_refused(cloud: Cloud, constraint: str) -> None:
    """Its name begins with constraints/, and it is one that is known."""
    error = cloud.post(EFFECTIVE, {"constraint": constraint}).error
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")


def test_the_effective_policy_takes_a_permission(cloud: Cloud) -> None:
    """Whoever administers Cloud Storage holds it, and whoever may see the organisation's policies."""
    asked = {"constraint": "constraints/sql.restrictPublicIp"}
    someone = cloud.bearer(cloud.account("asks-for-policies"))
    assert someone.post(EFFECTIVE, asked).status == 403
    for role in ("roles/storage.admin", "roles/orgpolicy.policyViewer"):
        assert roles.grants(role, "orgpolicy.policy.get")
    for role in ("roles/iam.securityReviewer", "roles/browser"):
        assert not roles.grants(role, "orgpolicy.policy.get")
