"""IAM policies: what is kept, what is refused, who may do what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam.identities import ANONYMOUS, OPERATOR
from reconciler.sandbox.iam.policies import Policies, Surroundings
from reconciler.sandbox.store import Store

RUNNER = "serviceAccount:runner@known.iam.gserviceaccount.com"
VIEWER = "roles/storage.objectViewer"


@pytest.fixture(name="policies")
def _policies(tmp_path: Path) -> Policies:
    return Policies(Store(tmp_path / "s.db"), lambda email: email == "runner@known.iam.gserviceaccount.com")


def binding(role: str, *members: str) -> dict[str, Any]:
    """One binding."""
    return {"role": role, "members": list(members)}


def test_a_policy_is_merged_sorted_and_gets_a_new_etag(policies: Policies) -> None:
    """Bindings of one role become one; members are unique and in lower case; empty bindings vanish."""
    sent = [
        binding("roles/run.invoker", "user:Zoe@Example.com", "allUsers"),
        binding("roles/run.invoker", "user:zoe@example.com"),
        binding("roles/run.admin"),
    ]
    kept = policies.set("projects/p", {"bindings": sent})
    assert kept["bindings"] == [binding("roles/run.invoker", "allUsers", "user:zoe@example.com")]
    assert kept["version"] == 1
    assert kept["etag"] != policies.get("projects/q")["etag"] == "ACAB"


def test_a_stale_etag_is_a_409_aborted(policies: Policies) -> None:
    """A policy that somebody else wrote in between is not overwritten; the text has both etags, as bytes."""
    first = policies.set("projects/p", {"bindings": [binding(VIEWER, "user:a@b.example")]})
    policies.set("projects/p", {**first, "bindings": []})
    with pytest.raises(ApiError, match="There were concurrent policy changes") as raised:
        policies.set("projects/p", first)
    assert (raised.value.status, raised.value.rpc_status) == (409, "ABORTED")
    assert "The request's ETag '\\007\\006" in raised.value.message


@pytest.mark.parametrize(
    ("role", "member", "said"),
    [
        (VIEWER, "serviceAccount:nobody@known.iam.gserviceaccount.com", "does not exist"),
        (VIEWER, "somebody@example.com", "of an unknown type"),
        (VIEWER, "user:somebody", "not a valid member"),
        ("roles/storage.objectReader", "user:a@b.example", "is not supported"),
        ("storage.objectViewer", "user:a@b.example", "The role name must be in the form"),
        (VIEWER, "group:", "Policy members must be of the form"),
        (VIEWER, "group:nobody@example.invalid", "Group nobody@example.invalid does not exist"),
    ],
)
def test_what_does_not_exist_cannot_be_bound(policies: Policies, role: str, member: str, said: str) -> None:
    """Unknown accounts, member types and roles are 400s."""
    with pytest.raises(ApiError, match=said) as raised:
        policies.set("projects/p", {"bindings": [binding(role, member)]})
    assert raised.value.status == 400


@pytest.mark.parametrize(
    "member",
    [
        "deleted:serviceAccount:gone@known.iam.gserviceaccount.com?uid=123456789012345678901",
        "serviceAccount:known.svc.id.goog[space/Name]",
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/S",
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/attribute.a/B",
        "domain:example.com",
        "projectEditor:known",
    ],
)
def test_members_that_are_no_addresses_are_kept_as_written(policies: Policies, member: str) -> None:
    """Deleted accounts, accounts of GKE and of workload identity pools, whole domains."""
    kept = policies.set("projects/p", {"bindings": [binding(VIEWER, member)]})
    assert kept["bindings"] == [binding(VIEWER, member)]


def test_what_a_policy_holds_already_is_not_looked_at_again(policies: Policies) -> None:
    """Somebody else's member that has gone since does not stand in the way of a change."""
    policies.add("projects/p", VIEWER, "serviceAccount:gone@known.iam.gserviceaccount.com")
    policy = policies.get("projects/p")
    policy["bindings"].append(binding("roles/run.viewer", RUNNER))
    assert len(policies.set("projects/p", policy)["bindings"]) == 2


def test_a_policy_has_at_most_1500_members(policies: Policies) -> None:
    """One more is refused with the number."""
    many = [f"user:u{number}@example.com" for number in range(1501)]
    assert policies.set("projects/p", {"bindings": [binding(VIEWER, *many[:-1])]})["bindings"]
    with pytest.raises(ApiError, match=r"The number of members in the policy \(1,501\) is larger"):
        policies.set("projects/p", {"bindings": [binding(VIEWER, *many)]})


def test_audit_settings_change_only_where_the_mask_names_them(policies: Policies) -> None:
    """Without a mask they stay, with one they are replaced, and so are the bindings."""
    audit = [{"service": "storage.googleapis.com", "auditLogConfigs": [{"logType": "DATA_READ"}]}]
    policies.set("projects/p", {"auditConfigs": audit}, "bindings,etag,auditConfigs")
    kept = policies.set("projects/p", {"bindings": [binding(VIEWER, RUNNER)]})
    assert kept["auditConfigs"] == audit
    after = policies.set("projects/p", {}, "auditConfigs")
    assert "auditConfigs" not in after
    assert after["bindings"] == [binding(VIEWER, RUNNER)]


def test_a_role_holds_below_the_resource_it_is_granted_on(policies: Policies) -> None:
    """On the bucket or on its project, but on no other, and for what the role holds only."""
    policies.set("buckets/b", {"bindings": [binding(VIEWER, RUNNER)]})
    places = ["buckets/b", "projects/p"]
    assert policies.allowed(RUNNER, "storage.objects.get", places)
    assert not policies.allowed(RUNNER, "storage.objects.create", places)
    assert not policies.allowed(RUNNER, "storage.objects.get", ["buckets/c", "projects/p"])
    assert policies.allowed(OPERATOR, "storage.objects.create", ["buckets/c"])


def test_everybody_is_everybody(policies: Policies) -> None:
    """allUsers holds for the anonymous too, allAuthenticatedUsers does not."""
    policies.set("a", {"bindings": [binding("roles/run.invoker", "allUsers")]})
    policies.set("b", {"bindings": [binding("roles/run.invoker", "allAuthenticatedUsers")]})
    assert policies.allowed(ANONYMOUS, "run.routes.invoke", ["a"])
    assert not policies.allowed(ANONYMOUS, "run.routes.invoke", ["b"])
    assert policies.allowed(RUNNER, "run.routes.invoke", ["b"])


def test_a_changed_policy_takes_effect_later(tmp_path: Path) -> None:
    """It is shown at once; who may do what is judged by the one that was in effect so many seconds ago."""
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    around = Surroundings(delay=lambda: 7.0, clock=lambda: now[0])
    policies = Policies(Store(tmp_path / "s.db"), lambda _: True, around)

    def may() -> bool:
        return policies.allowed(RUNNER, "storage.objects.get", ["buckets/b"])

    granted = policies.set("buckets/b", {"bindings": [binding(VIEWER, RUNNER)]})
    assert policies.get("buckets/b") == granted
    now[0] += timedelta(seconds=6)
    assert not may()
    policies.set("buckets/b", {"bindings": []})
    now[0] += timedelta(seconds=1)
    assert may()
    now[0] += timedelta(seconds=6)
    assert not may()


@pytest.mark.parametrize(
    ("member", "permitted"),
    [
        ("user:ann@sandbox.example", True),
        ("user:bob@elsewhere.example", False),
        ("allUsers", False),
        ("allAuthenticatedUsers", False),
        ("serviceAccount:runner@known.iam.gserviceaccount.com", True),
        ("serviceAccount:runner@other.iam.gserviceaccount.com", False),
        ("serviceAccount:service-42424242@serverless-robot-prod.iam.gserviceaccount.com", True),
        ("serviceAccount:service-43434343@serverless-robot-prod.iam.gserviceaccount.com", False),
        ("serviceAccount:42424242-compute@developer.gserviceaccount.com", True),
        ("projectEditor:known", True),
    ],
)
def test_an_organisation_may_keep_strangers_out(tmp_path: Path, member: str, permitted: bool) -> None:
    """iam.allowedPolicyMemberDomains lets in the organisation's own users and the accounts of its projects."""
    own = {"known": "42424242", "42424242": "42424242"}
    around = Surroundings(
        forbids=lambda one: one == "iam.allowedPolicyMemberDomains", number=lambda p: own.get(p, "")
    )
    policies = Policies(Store(tmp_path / "s.db"), lambda _: True, around)
    asked = {"bindings": [binding("roles/viewer", member)]}
    if permitted:
        assert policies.set("projects/known", asked)["bindings"]
        return
    with pytest.raises(ApiError, match="do not belong to a permitted customer") as raised:
        policies.set("projects/known", asked)
    assert (raised.value.status, raised.value.rpc_status) == (400, "FAILED_PRECONDITION")
    [violation] = raised.value.details[0]["violations"]
    assert violation["type"] == "constraints/iam.allowedPolicyMemberDomains"
    # What was there before the organisation forbade it stays.
    policies.add("projects/known", "roles/viewer", member)
    assert policies.set("projects/known", policies.get("projects/known"))


@pytest.mark.parametrize(
    ("resource", "status", "text"),
    [
        ("projects/known/locations/l/services/s", 400, "customer,  perhaps due to an organization policy."),
        ("projects/known/secrets/s", 400, "customer."),
        ("buckets/b", 412, "customer."),
    ],
)
def test_each_api_keeps_strangers_out_in_its_own_words(
    tmp_path: Path, resource: str, status: int, text: str
) -> None:
    """Cloud Run says more, Cloud Storage calls it a precondition."""
    policies = Policies(Store(tmp_path / "s.db"), lambda _: True, Surroundings(forbids=lambda _: True))
    with pytest.raises(ApiError) as raised:
        policies.set(resource, {"bindings": [binding("roles/viewer", "allUsers")]})
    assert raised.value.status == status
    assert (
        raised.value.message == f"One or more users named in the policy do not belong to a permitted {text}"
    )


def test_a_custom_role_grants_what_it_holds(tmp_path: Path) -> None:
    """One that is not there cannot be bound."""
    role = "projects/known/roles/reader"
    around = Surroundings(role_exists=lambda one: one == role, permissions=lambda _: ["storage.objects.get"])
    policies = Policies(Store(tmp_path / "s.db"), lambda _: True, around)
    policies.set("buckets/b", {"bindings": [binding(role, RUNNER)]})
    assert policies.allowed(RUNNER, "storage.objects.get", ["buckets/b"])
    assert not policies.allowed(RUNNER, "storage.objects.list", ["buckets/b"])
    with pytest.raises(ApiError, match="does not exist in the resource's hierarchy"):
        policies.set("buckets/b", {"bindings": [binding("projects/known/roles/writer", RUNNER)]})


def test_editors_reach_objects_only_through_the_bucket(policies: Policies) -> None:
    """The basic roles hold no permission on objects; a bucket's projectEditor binding does."""
    policies.add("projects/p", "roles/editor", RUNNER)
    places = ["buckets/b", "projects/p"]
    assert not policies.allowed(RUNNER, "storage.objects.get", places)
    policies.add("buckets/b", "roles/storage.legacyObjectOwner", "projectEditor:p")
    assert policies.allowed(RUNNER, "storage.objects.get", places)
