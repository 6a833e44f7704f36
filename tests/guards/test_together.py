"""All guards at once: one refusal that lists everything, with the exit code of what can be done about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.errors import Exit
from reconciler.guards import together
from reconciler.plan import Plan
from reconciler.sandbox.weather import constraints
from reconciler.spec.deployment import Deployment
from tests.builders import planned, want
from tests.guards.asking import Google, deployed, from_nothing

TEXT = """\
auth: {mode: basic}
networking: {database_ip: private}
database: {edition: enterprise-plus, tier: db-perf-optimized-N-2}
budget: {billing_account: 012345-6789AB-CDEF01, amount: 1}
"""


def google(*, lacking: str = "", enforced: str = "", free: int = 9, **answers: Any) -> Google:
    """A Google Cloud in which this is *lacking* and that is *enforced*."""

    def held(arguments: dict[str, Any]) -> Any:
        return {"permissions": [one for one in arguments["body"]["permissions"] if one != lacking]}

    def effective(arguments: dict[str, Any]) -> Any:
        name = str(arguments["body"]["constraint"]).removeprefix(constraints.PREFIX)
        return constraints.effective(name, enforced=name == enforced)

    listed: dict[str, Any] = {"items": [{"tier": "db-f1-micro", "region": ["europe-west1"]},
                        {"tier": "db-perf-optimized-N-2", "region": []}]}  # fmt: skip
    quotas = {"quotas": [{"metric": "GLOBAL_INTERNAL_ADDRESSES", "usage": 9 - free, "limit": 9}]}
    return Google(
        {
            "testIamPermissions": held,
            "getEffectiveOrgPolicy": effective,
            "list": listed,
            "get": quotas,
            **answers,
        }
    )


def refused(
    there: Google, deployment: Deployment, plan: Plan, *, checked: bool = True
) -> errors.ReconcileError:
    """The refusal of *plan*."""
    with pytest.raises(errors.ReconcileError) as refusal:
        together.refuse(there.cloud(), deployment, plan.wanted, checked=checked)
    return refusal.value


def test_everything_is_listed_at_once(tmp_path: Path) -> None:
    """Permissions, policies, quotas, tiers, the budget, each with its way out; exit 5, as permissions are not all."""
    deployment = deployed(tmp_path, TEXT)
    there = google(lacking="run.services.create", enforced="iam.allowedPolicyMemberDomains", free=0)
    error = refused(there, deployment, from_nothing(deployment))
    assert error.exit_code == Exit.PROTECTED
    assert error.message.splitlines()[0] == "refused, and no resource was touched:"
    for words in (
        "\n  - run.services.create, to create run.service/mlflow-test",
        "\n- a policy of the organisation, iam.allowedPolicyMemberDomains, forbids",
        "\n- the quota GLOBAL_INTERNAL_ADDRESSES of acme-ml has 0 left",
        "\n- europe-west1 has no machine db-perf-optimized-N-2",
        "\n- a budget of 1 does not hold",
    ):
        assert words in error.message
    for words in (
        "Whoever administers acme-ml grants",
        "Write auth.mode",
        "ask for more",
        "choose another region",
        "budget.amount",
    ):
        assert words in error.way_out


def test_missing_permissions_alone_exit_4(tmp_path: Path) -> None:
    """In the words that say nothing of other things."""
    deployment = deployed(tmp_path)
    error = refused(google(lacking="run.services.create"), deployment, from_nothing(deployment))
    assert isinstance(error, errors.PermissionMissing)
    assert error.permissions == ("run.services.create",)
    assert "lacks a permission on project acme-ml, and nothing that needs it was begun:" in error.message


def test_what_we_may_do_is_not_asked_unless_it_is_checked(tmp_path: Path) -> None:
    """Neither permissions nor policies, both of which may hang on conditions; what does not fit still does not."""
    deployment = deployed(tmp_path, TEXT)
    there = google(lacking="run.services.create", enforced="iam.allowedPolicyMemberDomains", free=0)
    error = refused(there, deployment, from_nothing(deployment), checked=False)
    assert {method for method, _ in there.asked} == {"get", "list"}
    assert "GLOBAL_INTERNAL_ADDRESSES" in error.message
    assert "allowedPolicyMemberDomains" not in error.message


@pytest.mark.parametrize("error", [errors.PermissionMissing, errors.Refused, errors.NotThere])
def test_who_may_not_ask_is_left_to_googles_own_refusal(
    tmp_path: Path, error: type[errors.ReconcileError]
) -> None:
    """The checks are a courtesy."""
    deployment = deployed(tmp_path)
    methods = ("testIamPermissions", "getEffectiveOrgPolicy", "list", "get")
    there = google(**dict.fromkeys(methods, error("no")))
    together.refuse(there.cloud(), deployment, from_nothing(deployment).wanted, checked=True)
    assert {method for method, _ in there.asked} == {"testIamPermissions", "getEffectiveOrgPolicy", "list"}


def test_what_cannot_be_told_yet_is_said_to_be_so(tmp_path: Path) -> None:
    """Unless something is in the way already: then no API has to be enabled to find out."""
    deployment = deployed(tmp_path)
    plan = from_nothing(deployment)
    disabled = errors.ApiDisabled("Cloud SQL is disabled")
    assert refused(google(list=disabled), deployment, plan) is disabled
    error = refused(google(list=disabled, enforced="sql.restrictPublicIp"), deployment, plan)
    assert isinstance(error, errors.Protected)


def test_blocked_changes_are_listed_with_the_rest(tmp_path: Path) -> None:
    """What is somebody else's, what may not be lost, and what Google would refuse: one list."""
    deployment = deployed(tmp_path)
    whole = from_nothing(deployment)
    blocked = planned([want("theirs", {"x": 1}, somebody_elses="theirs is not ours to make")])
    plan = Plan(whole.deployment, whole.project, whole.spec, whole.url, (*blocked.changes, *whole.changes))
    there = google(lacking="run.services.create", enforced="sql.restrictPublicIp")
    with pytest.raises(errors.Protected) as refusal:
        together.refuse_blocked(there.cloud(), deployment, plan, checked=True)
    lines = refusal.value.message.splitlines()
    assert lines[:2] == ["refused, and nothing was changed:", "- theirs is not ours to make"]
    assert sum(line.startswith("refused") for line in lines) == 1
    assert "sql.restrictPublicIp" in refusal.value.message
    with pytest.raises(errors.Protected, match=r"theirs is not ours to make$"):
        together.refuse_blocked(google().cloud(), deployment, plan, checked=True)


def test_a_question_is_sent_once(tmp_path: Path) -> None:
    """Before somebody is asked to agree, and again before the first write: the second time the answers are known."""
    deployment = deployed(tmp_path, "auth: {mode: basic}\n")
    plan = from_nothing(deployment)
    there = google()
    cloud = there.cloud()
    together.refuse_blocked(cloud, deployment, plan, checked=True)
    before = len(there.asked)
    together.refuse(cloud, deployment, plan.wanted, checked=True)
    assert len(there.asked) == before


def test_a_plan_shows_what_is_in_the_way_of_whoever_applies_it(tmp_path: Path) -> None:
    """But not what the reader lacks, who is nobody to apply it; and where nothing can be told, nothing."""
    deployment = deployed(tmp_path, TEXT)
    plan = from_nothing(deployment)
    there = google(lacking="run.services.create", enforced="iam.allowedPolicyMemberDomains", free=0)
    shown = together.foreseen(there.cloud(), deployment, plan)
    assert len(shown.obstacles) == 4
    assert "testIamPermissions" not in {method for method, _ in there.asked}
    assert shown.fingerprint == plan.fingerprint
    nothing = google(list=errors.ApiDisabled("disabled"))
    assert together.foreseen(nothing.cloud(), deployed(tmp_path), plan).obstacles == ()


def test_a_settled_plan_asks_for_nothing(tmp_path: Path) -> None:
    """No change, no question."""
    there = Google()
    plan = planned([])
    assert together.foreseen(there.cloud(), deployed(tmp_path, TEXT), plan) is not None
    together.refuse_blocked(there.cloud(), deployed(tmp_path, TEXT), plan, checked=True)
    assert there.asked == []
