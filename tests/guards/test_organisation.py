"""Organisation policies: which are asked about, what they forbid, and who is told what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.change import Action
from reconciler.guards import organisation
from reconciler.guards.obstacle import Obstacle
from reconciler.sandbox.weather import constraints
from reconciler.spec.deployment import Deployment
from tests.guards.asking import Google, at_action, deployed, from_nothing, of

PRIVATE = "networking: {database_ip: private, vpc_egress: all-traffic, ingress: internal}\n"


def under(*enforced: str) -> Google:
    """A Google Cloud whose organisation enforces these constraints, as the sandbox's does."""

    def answer(arguments: dict[str, Any]) -> Any:
        assert arguments["resource"] == "projects/acme-ml"
        name = str(arguments["body"]["constraint"]).removeprefix(constraints.PREFIX)
        return constraints.effective(name, enforced=name in enforced)

    return Google({"getEffectiveOrgPolicy": answer})


def found(google: Google, deployment: Deployment) -> list[Obstacle]:
    """What stands in the way of *deployment* in an empty project."""
    questions = organisation.questions(google.cloud(), from_nothing(deployment).wanted)
    return [obstacle for question in questions for obstacle in question()]


def asked(google: Google) -> set[str]:
    """The constraints that somebody asked about."""
    return {arguments["body"]["constraint"].partition("/")[2] for _, arguments in google.asked}


@pytest.mark.parametrize(
    ("constraint", "text", "words"),
    [
        (
            "iam.allowedPolicyMemberDomains",
            "auth: {mode: basic}\n",
            "run.service_iam/mlflow-test ({file}:5 auth.mode)",
        ),
        ("sql.restrictPublicIp", "", "(default of networking.database_ip)"),
        ("sql.restrictPublicIp", "networking: {database_ip: public}\n", "({file}:5 networking.database_ip)"),
        (
            "run.allowedIngress",
            "",
            "forbids ingress all: run.service/mlflow-test (default of networking.ingress)",
        ),
        ("run.allowedVPCEgress", "", "forbids VPC egress null: run."),
        (
            "run.allowedVPCEgress",
            "networking: {database_ip: private}\n",
            "(default of networking.vpc_egress)",
        ),
        ("iam.disableServiceAccountCreation", "", "iam.service_account/mlflow-test-"),
    ],
)
def test_what_is_forbidden_is_told_with_its_line_and_a_way_out(
    tmp_path: Path, constraint: str, text: str, words: str
) -> None:
    """The constraint by its name, the line that asks for it, and what to write instead."""
    deployment = deployed(tmp_path, text)
    (obstacle,) = found(under(constraint), deployment)
    assert f"a policy of the organisation, {constraint}, forbids " in obstacle.says
    assert words.format(file=deployment.file) in obstacle.says
    assert obstacle.way_out.endswith("sk who administers the organisation for an exception for acme-ml.")


@pytest.mark.parametrize(
    "text",
    [
        "auth: {mode: iam, invokers: [user:a@acme.example]}\n" + PRIVATE,
        "auth: {mode: iap, accessors: [user:a@acme.example]}\n" + PRIVATE,
    ],
)
def test_the_ways_out_lead_out(tmp_path: Path, text: str) -> None:
    """A spec that does what the ways out say meets none of the policies but the one on accounts."""
    every = [name for name in constraints.ALL if name != "iam.disableServiceAccountCreation"]
    assert found(under(*every), deployed(tmp_path, text)) == []


def test_where_nothing_is_enforced_nothing_is_forbidden(tmp_path: Path) -> None:
    """The defaults of Google's constraints allow everything."""
    google = under()
    assert found(google, deployed(tmp_path, "auth: {mode: basic}\n")) == []
    assert asked(google) == {rule.constraint for rule in organisation.RULES}


def test_only_what_the_plan_may_violate_is_asked(tmp_path: Path) -> None:
    """A private database has no public address, so nobody asks about those; nothing to write asks for nothing."""
    google = under()
    found(google, deployed(tmp_path, "auth: {mode: iam, invokers: [user:a@acme.example]}\n" + PRIVATE))
    assert asked(google) == {
        "iam.disableServiceAccountCreation",
        "run.allowedIngress",
        "run.allowedVPCEgress",
    }
    plan = from_nothing(deployed(tmp_path))
    gone = [at_action(change, Action.DELETE) for change in plan.wanted]
    assert list(organisation.questions(under().cloud(), gone)) == []


def test_a_policy_that_takes_rights_away_is_nobodys_business(tmp_path: Path) -> None:
    """A grant to everybody that stays as it is, or goes, is not written."""
    service = of(from_nothing(deployed(tmp_path, "auth: {mode: basic}\n")), "run.service_iam")
    assert organisation.RULES[0].value(service) == "allUsers"
    assert organisation.RULES[0].value(at_action(service, Action.UPDATE)) == ""


@pytest.mark.parametrize(
    ("policy", "forbidden"),
    [
        ({}, False),
        ({"restoreDefault": {}}, False),
        ({"booleanPolicy": {}}, False),
        ({"booleanPolicy": {"enforced": True}}, True),
        ({"listPolicy": {"allValues": "ALLOW"}}, False),
        ({"listPolicy": {"allValues": "DENY"}}, True),
        ({"listPolicy": {"allowedValues": ["is:all", "internal"]}}, False),
        ({"listPolicy": {"allowedValues": ["internal"]}}, True),
        ({"listPolicy": {"deniedValues": ["is:all"]}}, True),
        ({"listPolicy": {"deniedValues": ["internal"]}}, False),
        ({"listPolicy": {"allowedValues": ["in:everything"]}}, False),
    ],
)
def test_a_policy_forbids_only_what_it_surely_forbids(policy: dict[str, Any], forbidden: bool) -> None:
    """Values may be written with is:, and groups of values are not listed."""
    assert organisation.forbids(policy, "all") is forbidden
