"""Budgets: what costs more than its own budget is not begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.change import Action
from reconciler.guards import spending
from reconciler.spec.deployment import Deployment
from tests.guards.asking import at_action, deployed, from_nothing, of

BUDGET = "budget: {{billing_account: 012345-6789AB-CDEF01, amount: {amount}}}\n"
DEAR = """\
database: {tier: db-custom-2-7680, availability: regional, backups: {point_in_time_recovery: true}}
"""


def found(deployment: Deployment) -> list[str]:
    """What stands in the way of *deployment* in an empty project."""
    plan = from_nothing(deployment)
    return [str(one) for question in spending.questions(deployment, plan.wanted) for one in question()]


def test_sum_budget_line_and_ways_out_are_told(tmp_path: Path) -> None:
    """The least amount that would do, and the mildest change that the budget holds."""
    (said,) = found(deployed(tmp_path, DEAR + BUDGET.format(amount=120)))
    assert said.startswith("a budget of 120 does not hold the about $20")
    assert f"({tmp_path}/mlflow.yaml:6 budget.amount)" in said
    assert "write budget.amount: 20" in said
    assert "or database.tier: db-custom-1-3840 ($98.63 a month less)." in said


@pytest.mark.parametrize("text", [DEAR + BUDGET.format(amount=1000), DEAR, BUDGET.format(amount=100)])
def test_what_the_budget_holds_is_begun(tmp_path: Path, text: str) -> None:
    """So is what has no budget."""
    assert found(deployed(tmp_path, text)) == []


def test_what_is_there_may_stay_change_and_go(tmp_path: Path) -> None:
    """Only what the price hangs on is held against the budget, and never its end."""
    deployment = deployed(tmp_path, DEAR + BUDGET.format(amount=1))
    change = of(from_nothing(deployment), "sqladmin.instance")
    for harmless in (
        at_action(change, Action.UPDATE, "settings.deletionProtectionEnabled"),
        at_action(change, Action.DELETE),
        at_action(change, Action.KEEP),
    ):
        assert list(spending.questions(deployment, [harmless])) == []
    for costly in (at_action(change, Action.REPLACE), at_action(change, Action.UPDATE, "settings.tier")):
        assert len(list(spending.questions(deployment, [costly]))) == 1


def test_the_fields_are_those_of_the_kinds(tmp_path: Path) -> None:
    """Each of them is written by the kind that it stands under."""
    text = "networking: {database_ip: private, egress: connector}\nscaling: {min_instances: 1}\n"
    plan = from_nothing(deployed(tmp_path, text))
    for kind, prefixes in spending.COSTLY.items():
        fields = {field.field for field in of(plan, kind).fields}
        assert all(any(field.startswith(prefix) for field in fields) for prefix in prefixes), kind
