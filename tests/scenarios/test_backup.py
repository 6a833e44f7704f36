"""What somebody's database holds is backed up before a schema is made in it for the first time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler import pipeline
from reconciler.change import Action
from reconciler.gcp.cloud import Cloud
from reconciler.resources import run_migration
from reconciler.resources.run_migration import Migration
from reconciler.spec.load import load
from tests.conftest import QUICKSTART
from tests.scenarios.command import ROOT, Bench

OLD = timedelta(days=30)


@pytest.mark.parametrize(
    ("fresh", "more"), [(timedelta(0), 1), (OLD, 0)], ids=["it was there", "made just now"]
)
def test_an_instance_that_was_there_before_is_backed_up(
    settled: Bench, monkeypatch: pytest.MonkeyPatch, fresh: timedelta, more: int
) -> None:
    """One that this apply has made holds nothing yet; its age tells the two apart."""
    monkeypatch.setattr(run_migration, "FRESH", fresh)
    deployment = load(ROOT / QUICKSTART)
    cloud = Cloud(deployment.project, settled.endpoint)
    plan = pipeline.survey(cloud, deployment)
    (change,) = [one for one in plan.changes if one.ref.kind == Migration.name]
    assert change.action is Action.KEEP
    assert change.desired
    before = _backups(cloud, deployment.name)
    Migration().create(cloud, change.desired)
    assert _backups(cloud, deployment.name) == before + more


def _backups(cloud: Cloud, instance: str) -> int:
    listed = cloud.api("sqladmin", "v1").backupRuns().list(project=cloud.project, instance=instance)
    runs = listed.execute().get("items", [])
    return sum(run.get("description") == "before a schema migration" for run in runs)
