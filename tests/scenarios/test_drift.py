"""Somebody changes things with gcloud: each is named once, mended by itself, and what is not ours survives."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator
from dataclasses import dataclass

import pytest

from tests.conftest import QUICKSTART
from tests.relay import relay
from tests.scenarios.command import Bench

PROJECT, REGION, NAME = "mlflow-sandbox", "europe-west1", "mlflow-quickstart"
BUCKET = f"gs://{PROJECT}-{NAME}-artifacts"
SERVER = f"serviceAccount:{NAME}-run@{PROJECT}.iam.gserviceaccount.com"
SERVICE = ("run", "services", "update", NAME, f"--region={REGION}")

NO_GCLOUD = "gcloud is not installed; it is the independent hand that changes things here"
needs_gcloud = pytest.mark.skipif(shutil.which("gcloud") is None, reason=NO_GCLOUD)


@dataclass(frozen=True)
class Tampering:
    """One change made by hand: the gcloud command, and what drift must say about it."""

    command: tuple[str, ...]
    address: str
    field: str
    old: object
    new: object


TAMPERINGS = {
    "memory": Tampering(
        (*SERVICE, "--memory=1Gi"),
        f"run.service/{NAME}",
        "template.containers.resources.limits.memory",
        "1Gi",
        "512Mi",
    ),
    "max instances": Tampering(
        (*SERVICE, "--max-instances=7"), f"run.service/{NAME}", "template.scaling.maxInstanceCount", 7, 1
    ),
    "lifecycle": Tampering(
        ("storage", "buckets", "update", BUCKET, "--clear-lifecycle"),
        f"storage.bucket/{BUCKET.removeprefix('gs://')}",
        "lifecycle",
        [],
        [
            {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 30}},
            {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}},
        ],
    ),
    "tier": Tampering(
        ("sql", "instances", "patch", NAME, "--tier=db-g1-small"),
        f"sqladmin.instance/{NAME}",
        "settings.tier",
        "db-g1-small",
        "db-f1-micro",
    ),
    "IAM member": Tampering(
        (
            "projects",
            "remove-iam-policy-binding",
            PROJECT,
            f"--member={SERVER}",
            "--role=roles/cloudsql.client",
        ),
        f"cloudresourcemanager.project_iam/{PROJECT}",
        f"roles/cloudsql.client {SERVER}",
        None,
        "granted",
    ),
    "secret version": Tampering(
        ("secrets", "versions", "disable", "1", f"--secret={NAME}-login-password"),
        f"secretmanager.version/{NAME}-login-password",
        "state",
        "DISABLED",
        "ENABLED",
    ),
    "label": Tampering(
        ("storage", "buckets", "update", BUCKET, "--remove-labels=managed-by"),
        f"storage.bucket/{BUCKET.removeprefix('gs://')}",
        "labels.managed-by",
        None,
        "mlflow-reconcile",
    ),
}
MARK = ("storage", "buckets", "update", BUCKET, "--update-labels=mlflow-deployment=somebody-else")
FOREIGN = (
    ("storage", "buckets", "update", BUCKET, "--update-labels=team=theirs"),
    (
        "projects",
        "add-iam-policy-binding",
        PROJECT,
        "--member=user:colleague@example.com",
        "--role=roles/viewer",
    ),
    ("sql", "instances", "patch", NAME, "--connector-enforcement=REQUIRED"),
)


@pytest.fixture(name="clean")
def _clean(settled: Bench) -> Generator[Bench]:
    """The settled deployment, and settled again afterwards whatever the test did."""
    yield settled
    if settled.run("apply", "--sandbox", "--yes", QUICKSTART).code == 5:
        settled.run("adopt", "--sandbox", "--yes", QUICKSTART)


def _drifted(bench: Bench) -> dict[str, list[dict[str, object]]]:
    ended = bench.run("drift", "--sandbox", "--format", "json", QUICKSTART)
    assert ended.code == 2, ended.said
    changes = json.loads(ended.out)["resource_changes"]
    return {c["address"]: c["change"]["fields"] for c in changes if c["change"]["actions"] != ["no-op"]}


@needs_gcloud
@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_change_by_hand_is_named_with_old_and_new_and_mended(clean: Bench, name: str) -> None:
    """Drift names exactly the field that was changed; apply mends exactly that; then there is none."""
    tampering = TAMPERINGS[name]
    made = clean.gcloud(*tampering.command, project=PROJECT)
    assert made.code == 0, made.said
    found = _drifted(clean)
    assert list(found) == [tampering.address]
    assert [(f["path"], f["old"], f["new"]) for f in found[tampering.address]] == [
        (tampering.field, tampering.old, tampering.new)
    ]
    with relay(clean.endpoint) as through:
        mended = clean.run("apply", "--yes", QUICKSTART, env={"MLFLOW_RECONCILE_ENDPOINT": through.url})
        assert mended.code == 0, mended.said
        assert len(through.writes) == 1
    assert clean.run("drift", "--sandbox", QUICKSTART).code == 0


@needs_gcloud
def test_a_label_that_is_gone_is_put_back_by_adopting(clean: Bench) -> None:
    """Drift names it; apply cannot tell the thing from somebody else's, so the way back is the same as to any."""
    made = clean.gcloud(*MARK, project=PROJECT)
    assert made.code == 0, made.said
    ((found,),) = _drifted(clean).values()
    assert (found["path"], found["old"]) == ("labels.mlflow-deployment", "somebody-else")
    with relay(clean.endpoint) as through:
        env = {"MLFLOW_RECONCILE_ENDPOINT": through.url}
        refused = clean.run("apply", "--yes", QUICKSTART, env=env)
        assert (refused.code, through.writes) == (5, []), refused.said
        assert f"mlflow-reconcile adopt {QUICKSTART}" in refused.err
        adopted = clean.run("adopt", "--yes", QUICKSTART, env=env)
        assert (adopted.code, len(through.writes)) == (0, 1), adopted.said
    assert clean.run("drift", "--sandbox", QUICKSTART).code == 0


@needs_gcloud
def test_what_is_not_ours_is_no_drift_and_survives(clean: Bench) -> None:
    """A foreign label, a foreign member and a setting without an opinion stay, unmentioned, through an apply."""
    for command in FOREIGN:
        made = clean.gcloud(*command, project=PROJECT)
        assert made.code == 0, made.said
    assert clean.run("drift", "--sandbox", QUICKSTART).code == 0
    ours = clean.gcloud(*TAMPERINGS["label"].command, project=PROJECT)
    assert ours.code == 0, ours.said
    assert clean.run("apply", "--sandbox", "--yes", QUICKSTART).code == 0
    labels = json.loads(
        clean.gcloud("storage", "buckets", "describe", BUCKET, "--format=json", project=PROJECT).out
    )
    assert labels["labels"]["team"] == "theirs"
    policy = clean.gcloud("projects", "get-iam-policy", PROJECT, "--format=json", project=PROJECT).out
    assert "user:colleague@example.com" in policy
    instance = json.loads(
        clean.gcloud("sql", "instances", "describe", NAME, "--format=json", project=PROJECT).out
    )
    assert instance["settings"]["connectorEnforcement"] == "REQUIRED"


def test_drift_of_a_folder_reports_every_spec(clean: Bench) -> None:
    """A folder stands for the specs in it; one that is not deployed is a difference, not an error."""
    ended = clean.run("drift", "--sandbox", "specs")
    assert ended.code == 2, ended.said
    assert "mlflow-quickstart in project" in ended.out
    assert "mlflow-prod in project" in ended.out
