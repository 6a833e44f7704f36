"""Conditions of IAM bindings: who may write them, who sees them, when they let in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam.policies import Policies
from reconciler.sandbox.store import Store
from tests.sandbox.calls import Cloud
from tests.sandbox.test_policies import RUNNER, VIEWER, binding


@pytest.fixture(name="policies")
def _policies(tmp_path: Path) -> Policies:
    return Policies(Store(tmp_path / "s.db"), lambda _: True)


def conditional(expression: str) -> dict[str, Any]:
    """A binding that lets the runner see objects where *expression* holds."""
    return {**binding(VIEWER, RUNNER), "condition": {"expression": expression, "title": "t"}}


def test_conditions_need_version_3(policies: Policies) -> None:
    """To write one, to overwrite one, and to see one; other callers see roles with a suffix."""
    with pytest.raises(ApiError, match=r"version \(1\) must be at least 3 based on the policy's contents"):
        policies.set("buckets/b", {"bindings": [conditional("true")]})
    kept = policies.set("buckets/b", {"bindings": [conditional("true")], "version": 3})
    assert kept["version"] == 3
    with pytest.raises(
        ApiError, match=r"version \(1\) cannot be less than the existing policy version \(3\)"
    ):
        policies.set("buckets/b", {"bindings": [], "version": 1, "etag": kept["etag"]})
    [seen] = policies.get("buckets/b", 1)["bindings"]
    assert seen["role"].startswith(f"{VIEWER}_withcond_")
    assert "condition" not in seen
    # Without an etag a policy is overwritten blindly.
    assert policies.set("buckets/b", {"version": 1})["version"] == 1


@pytest.mark.parametrize(
    ("expression", "in_effect"),
    [
        ('resource.name.startsWith("projects/_/buckets/b")', True),
        ('resource.name == "projects/_/buckets/c"', False),
        (
            'resource.type == "storage.googleapis.com/Bucket" && request.time < timestamp("2030-01-01T00:00:00Z")',
            True,
        ),
        (
            'request.time > timestamp("2030-01-01T00:00:00Z") || resource.service != "storage.googleapis.com"',
            False,
        ),
        ("!(request.time.getDayOfWeek('Europe/Berlin') in [0, 1, 2, 3, 4, 5, 6])", False),
        ('resource.name.extract("/buckets/{name}") == "b"', True),
        ('resource.matchTag("a/b", "c")', False),
        ("request.time", False),
    ],
)
def test_a_condition_lets_in_where_it_holds(policies: Policies, expression: str, in_effect: bool) -> None:
    """Names, types and times; what is not emulated lets nobody in."""
    policies.set("buckets/b", {"bindings": [conditional(expression)], "version": 3})
    assert policies.allowed(RUNNER, "storage.objects.get", ["buckets/b"]) is in_effect


@pytest.mark.parametrize("expression", ["", "resource.name == (", "a § b", 'f("x"))'])
def test_a_condition_that_is_no_expression_is_refused(policies: Policies, expression: str) -> None:
    """At once, not when somebody is kept out by it."""
    with pytest.raises(ApiError, match="Condition expression compilation failed"):
        policies.set("buckets/b", {"bindings": [conditional(expression)], "version": 3})


def test_a_condition_may_be_about_what_lies_inside(policies: Policies) -> None:
    """A folder of a bucket: an object's own name is what the condition is asked about."""
    expression = 'resource.name.startsWith("projects/_/buckets/b/objects/mine/")'
    policies.set("buckets/b", {"bindings": [conditional(expression)], "version": 3})
    asked = (RUNNER, "storage.objects.get", ["buckets/b"])
    assert policies.allowed(*asked, "buckets/b/objects/mine/x")
    assert not policies.allowed(*asked, "buckets/b/objects/others/x")
    assert not policies.allowed(*asked)


def test_a_condition_may_be_about_the_roles_that_a_request_changes(cloud: Cloud) -> None:
    """Whoever may grant two roles can grant them, and take them away, and no others."""
    email, other = cloud.account("grants-little"), cloud.account("gets-roles")
    expression = (
        'api.getAttribute("iam.googleapis.com/modifiedGrantsByRole", [])\n'
        '  .hasOnly(["roles/run.viewer", "roles/logging.logWriter"])'
    )
    little = {
        "role": "roles/resourcemanager.projectIamAdmin",
        "members": [f"serviceAccount:{email}"],
        "condition": {"title": "little", "expression": expression},
    }
    asked = {"options": {"requestedPolicyVersion": 3}}
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", asked)
    sent = {**policy, "version": 3, "bindings": [*policy["bindings"], little]}
    before = cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": sent})
    caller = cloud.bearer(email)

    def grant(role: str) -> int:
        bindings = [*before["bindings"], {"role": role, "members": [f"serviceAccount:{other}"]}]
        policy = {"version": 3, "bindings": bindings}
        return caller.post("/v1/projects/{P}:setIamPolicy", {"policy": policy}).status

    assert (grant("roles/run.viewer"), grant("roles/owner")) == (200, 403)
    assert grant("roles/logging.logWriter") == 200
    held = caller.ok(
        "POST",
        "/v1/projects/{P}:testIamPermissions",
        {"permissions": ["resourcemanager.projects.setIamPolicy"]},
    )
    assert held == {"permissions": ["resourcemanager.projects.setIamPolicy"]}
