"""A plan: every change, in an order that can be carried out, with the guards judged and a fingerprint."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from graphlib import CycleError
from typing import Any

import pytest

from reconciler import errors
from reconciler.change import Action
from reconciler.model import Desired, Pending
from reconciler.plan import Plan, order_of_work
from tests.builders import actions, planned, ref, seen, want


def _order(plan: Plan) -> list[str]:
    return [change.ref.short for change in plan.changes]


def test_what_is_needed_comes_first() -> None:
    """Creations follow what they need, however the kinds are listed."""
    plan = planned([want("service", {"a": 1}, "job"), want("job", {"a": 1}, "sql"), want("sql", {"a": 1})])
    assert _order(plan) == ["sql", "job", "service"]


def test_what_needs_something_is_deleted_before_it() -> None:
    """Deletions go the other way round."""
    wanted = [want("sql", None), want("job", None, "sql"), want("service", None, "job")]
    plan = planned(wanted, seen("sql", {}), seen("job", {}), seen("service", {}))
    assert _order(plan) == ["service", "job", "sql"]


def test_deletions_come_last() -> None:
    """What goes, goes after everything that comes: a service is moved off a secret before the secret goes."""
    plan = planned([want("old", None), want("a", {"x": 1}), want("b", {"x": 1})], seen("old", {}))
    assert _order(plan) == ["a", "b", "old"]


def test_a_deletion_waits_for_what_still_uses_it() -> None:
    """A resource is deleted only once what needed it has been updated."""
    plan = planned(
        [want("service", {"env": None}, "secret"), want("secret", None)],
        seen("service", {"env": "x"}),
        seen("secret", {}),
    )
    assert order_of_work(plan.changes)[ref("secret")] == {ref("service")}
    assert order_of_work(plan.changes)[ref("service")] == frozenset()


def test_needs_outside_the_deployment_are_nobodys_business() -> None:
    """A need that no change speaks of is taken as met."""
    assert order_of_work(planned([want("a", {"x": 1}, "elsewhere")]).changes) == {ref("a"): frozenset()}


def test_needs_in_a_circle_are_refused() -> None:
    """No order is made up where there is none."""
    with pytest.raises(CycleError):
        planned([want("a", {"x": 1}, "b"), want("b", {"x": 1}, "a")])


def test_every_resource_has_exactly_one_action() -> None:
    """Counts add up to the number of resources."""
    plan = planned(
        [want("new", {"x": 1}), want("same", {"x": 1}), want("other", {"x": 2}), want("gone", None)],
        seen("same", {"x": 1}),
        seen("other", {"x": 1}),
        seen("gone", {}),
    )
    assert actions(plan) == {
        "new": Action.CREATE, "same": Action.KEEP, "other": Action.UPDATE, "gone": Action.DELETE,
    }  # fmt: skip
    assert sum(plan.count(action) for action in Action) == 4
    assert {change.ref.short for change in plan.wanted} == {"new", "other", "gone"}


def test_data_goes_only_when_the_whole_plan_says_so() -> None:
    """delete_data reaches every difference."""
    wanted = [want("bucket", None, holds_data=True)]
    assert planned(wanted, seen("bucket", {})).wanted == ()
    assert planned(wanted, seen("bucket", {}), delete_data=True).count(Action.DELETE) == 1


def test_every_guard_that_stands_in_the_way_is_named_at_once() -> None:
    """A refusal lists all of them, says that nothing was changed, and exits 5."""
    wanted = [want(name, {"r": 2}, fixed=frozenset({"r"}), holds_data=True) for name in ("a", "b")]
    plan = planned(wanted, seen("a", {"r": 1}), seen("b", {"r": 1}))
    with pytest.raises(errors.Protected, match=r"nothing was changed[^$]*thing/a[^$]*thing/b") as refusal:
        plan.refuse_if_blocked()
    assert refusal.value.exit_code == 5


def test_a_plan_without_guards_is_not_refused() -> None:
    """Nothing is raised where nothing is blocked."""
    planned([want("a", {"x": 1})]).refuse_if_blocked()


WANTED = want("a", {"size": 2, "color": "red"})
FOUND = seen("a", {"size": 1, "color": "red", "theirs": "x"}, "7")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", "8"),
        ("busy", "rolling out"),
        ("body", {"size": 3, "color": "red", "theirs": "x"}),
        ("body", {"size": 1, "color": "red", "theirs": "y"}),
    ],
)
def test_the_fingerprint_changes_with_anything_that_was_read(field: str, value: Any) -> None:
    """Version, running operation, a field of ours, a field of somebody else: each makes it another plan."""
    changed = replace(FOUND, **{field: value})
    assert planned([WANTED], changed).fingerprint != planned([WANTED], FOUND).fingerprint


@pytest.mark.parametrize(
    "wanted",
    [
        want("a", {"size": 3, "color": "red"}),
        want("a", {"size": 2}),
        want("b", {"size": 2, "color": "red"}),
        want("a", {"size": Pending(ref("z"), "n"), "color": "red"}),
        want("a", None),
    ],
)
def test_the_fingerprint_changes_with_anything_that_is_wanted(wanted: Desired) -> None:
    """A value, a field, a name: each makes it another plan."""
    assert planned([wanted], FOUND).fingerprint != planned([WANTED], FOUND).fingerprint


def test_equal_plans_have_equal_fingerprints() -> None:
    """The order in which an API lists its fields says nothing."""
    shuffled = seen("a", {"theirs": "x", "color": "red", "size": 1}, "7")
    assert planned([WANTED], shuffled).fingerprint == planned([WANTED], FOUND).fingerprint


SCRIPT = """
from tests.builders import planned, want
names = [f"n{i}" for i in range(12)]
plan = planned([want("last", {"x": 1}, *names), *[want(name, {"x": 1}) for name in names]])
print([change.ref.short for change in plan.changes], plan.fingerprint)
"""


def test_every_process_makes_the_same_plan() -> None:
    """A plan sealed in one process is held against one made in another, whose sets are in another order."""
    said = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True,
            check=True, text=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1


def _waits(plan: Plan) -> dict[str, set[str]]:
    return {r.short: {needed.short for needed in needs} for r, needs in order_of_work(plan.changes).items()}


def test_access_is_taken_away_before_what_it_protects_changes() -> None:
    """A login must not go before the invitation to everybody has gone."""
    policy = want("policy", {"invoker allUsers": None, "invoker me": "granted"}, "service", empties=True)
    policy = replace(policy, part_of=ref("service"))
    service = want("service", {"login": None})
    plan = planned(
        [policy, service],
        seen("policy", {"invoker allUsers": "granted"}),
        seen("service", {"login": "basic"}),
    )
    assert _waits(plan) == {"policy": set(), "service": {"policy"}}


def test_a_grant_is_made_before_and_revoked_after_what_needs_it() -> None:
    """The old revision reads its secret until the new one serves."""
    service = want("service", {"x": 2}, "policy")
    granting = want("policy", {"reader sa": "granted"}, empties=True)
    revoking = want("policy", {"reader sa": None}, empties=True)
    live = seen("service", {"x": 1})
    assert _waits(planned([granting, service], live, seen("policy", {}))) == {
        "policy": set(),
        "service": {"policy"},
    }
    assert _waits(planned([revoking, service], live, seen("policy", {"reader sa": "granted"}))) == {
        "policy": {"service"},
        "service": set(),
    }


def test_a_policy_that_lets_everybody_in_waits_for_its_service() -> None:
    """Even where it takes somebody's role away in the same write: the login must stand first."""
    service = want("service", {"login": "on"})
    gate = want(
        "gate", {"everybody": "granted", "agent": None}, "service", empties=True, part_of=ref("service"),
        opens=frozenset({"everybody"}),
    )  # fmt: skip
    before = (seen("service", {"login": "off"}), seen("gate", {"agent": "granted"}))
    assert [change.ref.short for change in planned([gate, service], *before).wanted] == ["service", "gate"]
    closing = want("gate", {"everybody": None}, "service", empties=True, part_of=ref("service"))
    before = (seen("service", {"login": "off"}), seen("gate", {"everybody": "granted"}))
    assert [change.ref.short for change in planned([closing, service], *before).wanted] == ["gate", "service"]
