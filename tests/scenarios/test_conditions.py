"""A first apply on a Google Cloud that is slow, faulty, late to tell, or over its quota."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import QUICKSTART
from tests.sandbox.calls import Cloud
from tests.scenarios.command import RECONCILE, ROOT, Bench, Ended, sandbox

FAULTS: list[dict[str, Any]] = [
    {"method": "serviceusage.services.batchGet", "fault": "503"},
    {"method": "secretmanager.projects.secrets.create", "fault": "reset-after", "times": 2},
    {"method": "secretmanager.projects.secrets.addVersion", "fault": "429"},
    {"method": "storage.buckets.insert", "fault": "502"},
    {"method": "storage.buckets.setIamPolicy", "fault": "500"},
    {"method": "iam.projects.serviceAccounts.create", "fault": "reset-after"},
    {"method": "iam.projects.serviceAccounts.get", "fault": "429", "skip": 2},
    {"method": "cloudresourcemanager.projects.setIamPolicy", "fault": "503"},
    {"method": "artifactregistry.projects.locations.repositories.create", "fault": "reset-after"},
    {"method": "sqladmin.instances.insert", "fault": "reset-after"},
    {"method": "sqladmin.operations.get", "fault": "500", "times": 2},
    {"method": "sqladmin.databases.insert", "fault": "reset-before"},
    {"method": "sqladmin.users.insert", "fault": "503"},
    {"method": "run.projects.locations.jobs.create", "fault": "reset-after"},
    {"method": "run.projects.locations.services.create", "fault": "503"},
    {"method": "run.projects.locations.operations.get", "fault": "reset-before", "times": 3},
    {"method": "run.projects.locations.services.setIamPolicy", "fault": "502"},
]


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    """A sandbox in which each test deploys to a project of its own."""
    with sandbox() as one:
        yield one


def applied(bench: Bench, folder: Path, project: str, **conditions: Any) -> tuple[Ended, dict[str, Any]]:
    """A first apply of the quickstart in *project* under *conditions*, and what became of them."""
    spec = folder / "spec.yaml"
    spec.write_text(Path(QUICKSTART).read_text().replace("mlflow-sandbox", project))
    assert bench.run("plan", "--sandbox", str(spec)).code == 2  # makes the project
    told = folder / "conditions.yaml"
    told.write_text(json.dumps(conditions))
    assert bench.run("sandbox", "conditions", str(told)).code == 0
    try:
        ended = bench.run("apply", "--sandbox", "--yes", str(spec), timeout=600)
        account = Cloud(int(bench.endpoint.rpartition(":")[2])).ok("GET", "/sandbox/v1/conditions")
    finally:
        assert bench.run("sandbox", "conditions", "--clear").code == 0
    if ended.code == 0:
        again = bench.run("plan", "--sandbox", str(spec))
        assert again.code == 0, again.said
    return ended, account


def test_every_fault_is_met_and_the_end_is_the_same(bench: Bench, tmp_path: Path) -> None:
    """Seventeen faults and a quota on one walk: apply ends well, nothing is left to do, each fault was used up."""
    quota = {"method": "secretmanager.projects.secrets.setIamPolicy", "requests": 1, "seconds": 1}
    ended, account = applied(bench, tmp_path, "mlflow-faulty", faults=FAULTS, quotas=[quota])
    assert ended.code == 0, ended.said
    refused = bench.run("sandbox", "log", "--last", "0", "--failed", "--method", "secretmanager.*").out
    assert "Quota exceeded for quota metric 'Write requests'" in refused
    assert [fault["fired"] for fault in account["faults"]] == [fault.get("times", 1) for fault in FAULTS]


def test_what_must_not_be_done_twice_is_not_repeated(bench: Bench, tmp_path: Path) -> None:
    """A secret's version whose answer was lost: one clear error, and the next run goes on from there."""
    fault = {"method": "secretmanager.projects.secrets.addVersion", "fault": "reset-after"}
    ended, account = applied(bench, tmp_path, "mlflow-once", faults=[fault])
    assert (ended.code, account["faults"][0]["fired"]) == (7, 1)
    assert "no answer" in ended.err
    again = bench.run("apply", "--sandbox", "--yes", str(tmp_path / "spec.yaml"), timeout=600)
    assert again.code == 0, again.said
    for secret in ("mlflow-quickstart-db-password", "mlflow-quickstart-login-password"):
        path = f"/v1/projects/mlflow-once/secrets/{secret}/versions"
        versions = Cloud(int(bench.endpoint.rpartition(":")[2])).ok("GET", path)["versions"]
        assert len(versions) == 1


def test_an_instance_that_could_not_be_made_stops_everything_until_somebody_acts(
    bench: Bench, tmp_path: Path
) -> None:
    """Cloud SQL keeps it as FAILED: the next run says so and what to do, before it writes anything."""
    fault = {"method": "sqladmin.instances.insert", "fault": "operation-error"}
    ended, _ = applied(bench, tmp_path, "mlflow-failed", faults=[fault])
    assert ended.code == 7
    assert "creating instance mlflow-quickstart: An internal error has occurred." in ended.err
    assert "gcloud sql instances delete mlflow-quickstart --project mlflow-failed" in ended.err
    again = bench.run("apply", "--sandbox", "--yes", str(tmp_path / "spec.yaml"))
    assert again.code == 5
    assert "state: FAILED -> RUNNABLE" in again.out
    assert "delete it by hand" in again.out
    assert "nothing was changed" in again.err
    sandboxed = Cloud(int(bench.endpoint.rpartition(":")[2]))
    sandboxed.ok("DELETE", "/v1/projects/mlflow-failed/instances/mlflow-quickstart")
    third = bench.run("apply", "--sandbox", "--yes", str(tmp_path / "spec.yaml"), timeout=600)
    assert third.code == 0, third.said


def test_work_that_takes_its_time_is_waited_for(bench: Bench, tmp_path: Path) -> None:
    """Durations and propagation of Google Cloud, a hundred times faster: one apply is enough."""
    ended, _ = applied(bench, tmp_path, "mlflow-patient", realistic=100)
    assert ended.code == 0, ended.said


def _instances(bench: Bench, project: str, what: str = "instances") -> list[dict[str, Any]]:
    """What is listed, which is nothing while the API is off."""
    return (
        Cloud(int(bench.endpoint.rpartition(":")[2]))
        .get(f"/v1/projects/{project}/{what}")
        .json.get("items", [])
    )


def test_an_instance_that_a_killed_apply_left_in_the_making_is_waited_for(
    bench: Bench, tmp_path: Path
) -> None:
    """The next apply attaches to its operation and starts no second one."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(Path(QUICKSTART).read_text().replace("mlflow-sandbox", "mlflow-killed"))
    assert bench.run("plan", "--sandbox", str(spec)).code == 2
    told = tmp_path / "conditions.yaml"
    told.write_text(json.dumps({"operations": {"sqladmin.*": 4}}))
    assert bench.run("sandbox", "conditions", str(told)).code == 0
    try:
        command = [RECONCILE, "apply", "--sandbox", "--yes", str(spec)]
        with subprocess.Popen(command, env=bench.env, cwd=ROOT, stdout=subprocess.DEVNULL) as first:
            until = time.monotonic() + 60
            while not _instances(bench, "mlflow-killed") and time.monotonic() < until:
                time.sleep(0.05)
            first.kill()
        assert [one["state"] for one in _instances(bench, "mlflow-killed")] == ["PENDING_CREATE"]
        second = bench.run("apply", "--sandbox", "--yes", str(spec), timeout=600)
    finally:
        assert bench.run("sandbox", "conditions", "--clear").code == 0
    assert second.code == 0, second.said
    done = [one["operationType"] for one in _instances(bench, "mlflow-killed", "operations")]
    assert sorted(done) == ["CREATE", "CREATE_DATABASE", "CREATE_USER"]
    assert bench.run("plan", "--sandbox", str(spec)).code == 0
