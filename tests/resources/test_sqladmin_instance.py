"""The instance: what somebody else is changing is waited for, and what was planned before that is planned anew."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from reconciler import errors, pipeline
from reconciler.gcp import sql_work
from reconciler.gcp.cloud import Cloud
from reconciler.resources import sqladmin_instance, sqladmin_public_address
from reconciler.server.naming import names_of
from reconciler.spec.load import load
from tests.sandbox.calls import Cloud as Hand
from tests.scenarios.command import ROOT, Bench

SPEC = ROOT / "specs" / "quickstart.yaml"
PATCH = "sqladmin.instances.patch"


@pytest.fixture(name="hand")
def _hand(settled: Bench) -> Generator[Hand]:
    """Somebody else, whose changes of the instance take a second; they are undone."""
    hand = Hand(int(settled.endpoint.rpartition(":")[2]), load(SPEC).project)
    hand.ok("PUT", "/sandbox/v1/conditions", {"operations": {PATCH: 1}})
    yield hand
    hand.ok("PUT", "/sandbox/v1/conditions", {})
    _label(hand, None)
    sql_work.settle(Cloud(load(SPEC).project, settled.endpoint), load(SPEC).name)


def _label(hand: Hand, value: str | None) -> None:
    body = {"settings": {"userLabels": {"theirs": value}}}
    hand.ok("PATCH", f"/v1/projects/{{P}}/instances/{load(SPEC).name}", body)


@pytest.mark.parametrize("kind", [sqladmin_instance.Instance(), sqladmin_public_address.PublicAddress()])
def test_a_change_in_flight_is_waited_for_and_planned_anew(
    settled: Bench, hand: Hand, kind: sqladmin_instance.Instance | sqladmin_public_address.PublicAddress
) -> None:
    """It is over when the plan is given up, and nothing of ours was asked for on what was read before it."""
    deployment = load(SPEC)
    cloud = Cloud(deployment.project, settled.endpoint)
    names = names_of(deployment, pipeline.look_at_project(cloud).number)
    (desired,) = kind.desired(deployment, names)
    observed = kind.observe(cloud, desired.ref)
    assert observed is not None
    _label(hand, "x")
    theirs = sql_work.newest(cloud, names.instance_id)
    with pytest.raises(errors.VersionMoved, match="was being changed"):
        kind.update(cloud, desired, observed, tuple(desired.body or ()))
    newest, *_ = sql_work.listed(cloud, names.instance_id)
    assert (newest["name"], newest["status"]) == (theirs, "DONE")


def test_what_was_changed_since_it_was_read_is_planned_anew(settled: Bench, hand: Hand) -> None:
    """Over before our write, too: it goes by the version that the plan was made on, and nothing of it is sent."""
    deployment = load(SPEC)
    cloud = Cloud(deployment.project, settled.endpoint)
    names = names_of(deployment, pipeline.look_at_project(cloud).number)
    kind = sqladmin_instance.Instance()
    (desired,) = kind.desired(deployment, names)
    observed = kind.observe(cloud, desired.ref)
    assert observed is not None
    _label(hand, "x")
    sql_work.settle(cloud, names.instance_id)
    theirs = sql_work.newest(cloud, names.instance_id)
    with pytest.raises(errors.VersionMoved, match="changed since it was read"):
        kind.update(cloud, desired, observed, tuple(desired.body or ()))
    assert sql_work.newest(cloud, names.instance_id) == theirs
    cloud.forget()
    again = kind.observe(cloud, desired.ref)
    assert again is not None
    kind.update(cloud, desired, again, ("settings.deletionProtectionEnabled",))
    assert sql_work.newest(cloud, names.instance_id) != theirs


def test_what_becomes_ready_while_it_is_asked_is_asked_again(settled: Bench) -> None:
    """Refused as not running, and running when that is looked at: the refusal was of before, and means nothing."""
    deployment = load(SPEC)
    cloud = Cloud(deployment.project, settled.endpoint)
    answers = iter(["databases"])

    def ask() -> str:
        if asked := next(refusals, None):
            raise asked
        return next(answers)

    refusals = iter([errors.Refused("instance is not running")])
    assert sql_work.answered(cloud, deployment.name, ask) == "databases"
    refusals = iter([errors.Refused("no")] * 2)
    with pytest.raises(errors.Refused, match="no"):
        sql_work.answered(cloud, deployment.name, ask)
    refusals = iter([errors.Refused("there is none")] * 2)
    assert sql_work.answered(cloud, "another", ask) is None
