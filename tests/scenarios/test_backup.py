"""What somebody's database holds is backed up before a schema is made in it for the first time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler import errors, pipeline
from reconciler.change import Action
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Ref
from reconciler.resources import run_migration
from reconciler.resources.run_migration import Migration
from reconciler.spec.load import load
from tests.conftest import QUICKSTART
from tests.sandbox.calls import Cloud as Hand
from tests.scenarios.command import ROOT, Bench

OLD = timedelta(days=30)
INSTANCE, REGION = "mlflow-quickstart", "europe-west1"


@pytest.mark.parametrize(
    ("fresh", "more"), [(timedelta(0), 1), (OLD, 0)], ids=["it was there", "made just now"]
)
def test_an_instance_that_was_there_before_is_backed_up(
    settled: Bench, monkeypatch: pytest.MonkeyPatch, fresh: timedelta, more: int
) -> None:
    """One that this apply has made holds nothing yet; its age tells the two apart."""
    monkeypatch.setattr(run_migration, "FRESH", fresh)
    cloud, desired = _wanted(settled)
    before = _backups(cloud, INSTANCE)
    Migration().create(cloud, desired)
    assert _backups(cloud, INSTANCE) == before + more


@pytest.mark.parametrize("how", ["cloned", "restored"])
def test_a_new_instance_that_was_filled_is_backed_up(settled: Bench, how: str) -> None:
    """Whatever its age: a clone, and one into which a backup was restored, hold what the other one held."""
    cloud, desired = _wanted(settled)
    hand, copy = _hand(settled), f"{INSTANCE}-{how}"
    if how == "cloned":
        told = {"cloneContext": {"destinationInstanceName": copy}}
        _over(hand, hand.ok("POST", f"/v1/projects/{{P}}/instances/{INSTANCE}/clone", told))
    else:
        settings = {"tier": "db-f1-micro", "edition": "ENTERPRISE"}
        body = {"name": copy, "region": REGION, "databaseVersion": "POSTGRES_16", "settings": settings}
        _over(hand, hand.ok("POST", "/v1/projects/{P}/instances", body))
        runs = f"/v1/projects/{{P}}/instances/{INSTANCE}/backupRuns"
        _over(hand, hand.ok("POST", runs, {}))
        newest = hand.ok("GET", runs)["items"][0]["id"]
        told = {
            "restoreBackupContext": {"backupRunId": newest, "instanceId": INSTANCE, "project": cloud.project}
        }
        _over(hand, hand.ok("POST", f"/v1/projects/{{P}}/instances/{copy}/restoreBackup", told))
    with pytest.raises(errors.NotThere):  # the copy has no job of its own
        Migration().create(cloud, _elsewhere(desired, copy))
    assert _backups(cloud, copy) == 1
    _over(hand, hand.ok("DELETE", f"/v1/projects/{{P}}/instances/{copy}"))


def test_a_backup_whose_answer_was_lost_is_not_made_again(
    settled: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where the deployment has another name than its instance."""
    monkeypatch.setattr(run_migration, "FRESH", timedelta(0))
    cloud, desired = _wanted(settled)
    hand, before = _hand(settled), _backups(cloud, INSTANCE)
    fault = {"method": "sqladmin.backupRuns.insert", "fault": "reset-after", "times": 1}
    hand.ok("PUT", "/sandbox/v1/conditions", {"faults": [fault]})
    with pytest.raises(errors.NotThere):
        Migration().create(cloud, _elsewhere(desired, INSTANCE))
    assert hand.ok("GET", "/sandbox/v1/conditions")["faults"][0]["fired"] == 1
    hand.ok("PUT", "/sandbox/v1/conditions", {})
    assert _backups(cloud, INSTANCE) == before + 1


def _wanted(settled: Bench) -> tuple[Cloud, Desired]:
    """What the deployment wants of its schema, which is there."""
    deployment = load(ROOT / QUICKSTART)
    cloud = Cloud(deployment.project, settled.endpoint)
    plan = pipeline.survey(cloud, deployment)
    (change,) = [one for one in plan.changes if one.ref.kind == Migration.name]
    assert change.action is Action.KEEP
    assert change.desired
    return cloud, change.desired


def _elsewhere(desired: Desired, instance: str) -> Desired:
    """The same of a deployment that is named otherwise than its *instance*."""
    place, _, _ = desired.ref.name.partition("/instances/")
    return replace(
        desired, ref=Ref(desired.ref.kind, f"{place}/instances/{instance}/migrations/somebody-elses")
    )


def _hand(settled: Bench) -> Hand:
    return Hand(int(settled.endpoint.rpartition(":")[2]), load(ROOT / QUICKSTART).project)


def _over(hand: Hand, operation: dict[str, Any]) -> None:
    while operation["status"] != "DONE":
        operation = hand.ok("GET", f"/v1/projects/{{P}}/operations/{operation['name']}")
    assert "error" not in operation


def _backups(cloud: Cloud, instance: str) -> int:
    listed = cloud.api("sqladmin", "v1").backupRuns().list(project=cloud.project, instance=instance)
    runs = listed.execute().get("items", [])
    return sum(run.get("description") == "before a schema migration" for run in runs)
