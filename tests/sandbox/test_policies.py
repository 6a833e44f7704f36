"""IAM policies: what is kept, what is refused, who may do what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.identities import ANONYMOUS, OPERATOR
from reconciler.sandbox.policies import Policies
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
    """A policy that somebody else wrote in between is not overwritten."""
    first = policies.set("projects/p", {"bindings": [binding(VIEWER, "user:a@b.example")]})
    policies.set("projects/p", {**first, "bindings": []})
    with pytest.raises(ApiError, match="There were concurrent policy changes") as raised:
        policies.set("projects/p", first)
    assert (raised.value.status, raised.value.rpc_status) == (409, "ABORTED")


@pytest.mark.parametrize(
    ("role", "member", "said"),
    [
        (VIEWER, "serviceAccount:nobody@known.iam.gserviceaccount.com", "does not exist"),
        (VIEWER, "somebody@example.com", "of an unknown type"),
        (VIEWER, "user:somebody", "not a valid member"),
        ("roles/storage.objectReader", "user:a@b.example", "is not supported"),
        ("storage.objectViewer", "user:a@b.example", "is not supported"),
    ],
)
def test_what_does_not_exist_cannot_be_bound(policies: Policies, role: str, member: str, said: str) -> None:
    """Unknown accounts, member types and roles are 400s."""
    with pytest.raises(ApiError, match=said) as raised:
        policies.set("projects/p", {"bindings": [binding(role, member)]})
    assert raised.value.status == 400


def test_googles_own_agents_may_be_bound(policies: Policies) -> None:
    """Service agents exist without anybody having made them."""
    agent = "serviceAccount:service-123456789012@serverless-robot-prod.iam.gserviceaccount.com"
    assert policies.set("projects/p", {"bindings": [binding("roles/run.serviceAgent", agent)]})["bindings"]


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


def test_conditions_need_version_3_and_grant_nothing_here(policies: Policies) -> None:
    """A condition is kept as sent; since it is not evaluated, it does not let anybody in."""
    conditional = {**binding("roles/run.invoker", RUNNER), "condition": {"expression": "true", "title": "t"}}
    with pytest.raises(ApiError, match="version to 3"):
        policies.set("a", {"bindings": [conditional]})
    assert policies.set("a", {"bindings": [conditional], "version": 3})["version"] == 3
    assert not policies.allowed(RUNNER, "run.routes.invoke", ["a"])


def test_editors_reach_objects_only_through_the_bucket(policies: Policies) -> None:
    """The basic roles hold no permission on objects; a bucket's projectEditor binding does."""
    policies.add("projects/p", "roles/editor", RUNNER)
    places = ["buckets/b", "projects/p"]
    assert not policies.allowed(RUNNER, "storage.objects.get", places)
    policies.add("buckets/b", "roles/storage.legacyObjectOwner", "projectEditor:p")
    assert policies.allowed(RUNNER, "storage.objects.get", places)
