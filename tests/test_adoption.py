"""Adopting: one update for each thing that is not ours, of nothing but what marks it; then apply as always."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.adoption import adoption, closing
from reconciler.apply import apply
from reconciler.change import Action
from reconciler.diff import diff
from reconciler.model import Desired
from reconciler.plan import Plan
from tests.builders import Diary, FakeKind, actions, kinds, planned, quick_cloud, want

MARK = ("labels.mlflow-deployment", "mlflow-test")
OWN = {"labels.managed-by": "mlflow-reconcile", MARK[0]: MARK[1]}


def _bucket(**facts: Any) -> Desired:
    body = {"region": "fr", "size": 2, "labels.team": "ml", "env.A": "1", **OWN}
    return want(
        "bucket", body, mark=MARK, fixed=frozenset({"region"}), holds_data=True, complete=("env.",), **facts
    )


def _world(**body: Any) -> FakeKind:
    kind = FakeKind()
    kind.put("bucket", **{"region": "fr", "size": 1, "env.B": "theirs", **body})
    return kind


def _plan(kind: FakeKind, *more: Desired) -> Plan:
    return planned([*more, _bucket()], *kind.live.values())


def test_only_what_marks_it_is_written() -> None:
    """In one update; other differences, other people's fields and what is not there yet are left for apply."""
    kind = _world()
    plan = _plan(kind, want("new", {"x": 1}))
    with pytest.raises(errors.Protected, match=r"mlflow-reconcile adopt mlflow\.yaml"):
        apply(quick_cloud(), plan, kinds(kind), Diary(), {})
    assert kind.writes() == []
    apply(quick_cloud(), adoption(plan), kinds(kind), Diary(), {})
    assert [(call[0], sorted(call[2:])) for call in kind.writes()] == [("update", sorted(OWN))]
    after = _plan(kind, want("new", {"x": 1}))
    assert actions(after) == {"new": Action.CREATE, "bucket": Action.UPDATE}
    (bucket,) = (change for change in after.changes if change.ref.short == "bucket")
    assert ([f.field for f in bucket.fields], bucket.blocked) == (
        ["size", "labels.team", "env.A", "env.B"],
        "",
    )


def test_what_is_adopted_is_not_adopted_again() -> None:
    """Nothing is left to do, and that is said."""
    kind = _world()
    apply(quick_cloud(), adoption(_plan(kind)), kinds(kind), Diary(), {})
    again = adoption(_plan(kind))
    assert (again.changes, closing(again)[:17]) == ((), "Nothing to adopt:")


def test_what_is_anothers_is_said_to_be() -> None:
    """Whoever agrees knows from whom it is taken."""
    (change,) = adoption(_plan(_world(**{MARK[0]: "mlflow-old"}))).changes
    assert "says that it is mlflow-old's" in change.reason
    assert change.desired
    assert diff(change.desired, change.observed).blocked == ""


def test_nothing_is_adopted_where_one_cannot_be() -> None:
    """Before the first write, with what stands in the way and without advice that is about something else."""
    kind = _world(region="us")
    plan = adoption(_plan(kind))
    assert closing(plan) == "Adoption: 1 to adopt, 1 of them refused."
    with pytest.raises(errors.Protected, match="region cannot change, us -> fr") as refused:
        apply(quick_cloud(), plan, kinds(kind), Diary(), {})
    assert (kind.writes(), refused.value.way_out) == ([], "")


def test_somebody_who_writes_meanwhile_is_not_overwritten() -> None:
    """The label goes onto the version that was read; otherwise it is read again, and only the label is written."""
    kind = _world()
    plan = adoption(_plan(kind))
    kind.put("bucket", region="fr", size=5)
    apply(quick_cloud(), plan, kinds(kind), Diary(), {})
    (live,) = kind.live.values()
    assert live.body == {"region": "fr", "size": 5, **OWN}


def test_what_is_not_wanted_is_not_adopted() -> None:
    """A name that the spec has no use for stays whose it is."""
    kind = _world()
    plan = planned([want("bucket", None, mark=MARK)], *kind.live.values())
    assert adoption(plan).changes == ()
