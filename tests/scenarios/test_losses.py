"""What others delete, and what only looks like ours: nothing is lost that need not be, and apply finds its way back."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.scenarios.command import ROOT, Bench, sandbox
from tests.scenarios.test_drift import needs_gcloud

PROJECT, NAME = "mlflow-sandbox", "mlflow-lost"
SPEC = (ROOT / "specs" / "quickstart.yaml").read_text().replace("name: mlflow-quickstart", f"name: {NAME}")


@pytest.fixture(scope="module", name="deployed")
def _deployed(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Bench, Path]]:
    spec = tmp_path_factory.mktemp("losses") / "spec.yaml"
    spec.write_text(SPEC)
    with sandbox() as bench:
        applied = bench.run("apply", "--sandbox", "--yes", str(spec), timeout=600)
        assert applied.code == 0, applied.said
        yield bench, spec


def test_the_digest_of_an_image_of_ours_keeps_the_repository(
    deployed: tuple[Bench, Path], tmp_path: Path
) -> None:
    """Pinning what runs already must not delete what holds it."""
    bench, spec = deployed
    facts = json.loads(bench.run("status", "--sandbox", "--format", "json", str(spec)).out)
    pinned = tmp_path / "pinned.yaml"
    pinned.write_text(f"{SPEC}image:\n  digest: {facts['image']}\n")
    planned = json.loads(bench.run("plan", "--sandbox", "--format", "json", str(pinned)).out)
    actions = {c["type"]: c["change"]["actions"] for c in planned["resource_changes"]}
    assert actions["artifactregistry.repository"] == ["no-op"]
    applied = bench.run("apply", "--sandbox", "--yes", str(pinned))
    assert applied.code == 0, applied.said
    assert bench.run("verify", "--sandbox", "--read-only", str(pinned)).code == 0
    assert bench.run("apply", "--sandbox", "--yes", str(spec)).code == 0


@needs_gcloud
def test_a_lost_instance_is_made_again_with_its_schema(deployed: tuple[Bench, Path]) -> None:
    """Deleted by hand, the database comes back usable in one apply: empty, but with MLflow's tables."""
    bench, spec = deployed
    gone = bench.gcloud("sql", "instances", "delete", NAME, project=PROJECT)
    assert gone.code == 0, gone.said
    applied = bench.run("apply", "--sandbox", "--yes", str(spec))
    assert applied.code == 0, applied.said
    proved = bench.run("verify", "--sandbox", str(spec))
    assert proved.code == 0, proved.said
    assert bench.run("drift", "--sandbox", str(spec)).code == 0


@needs_gcloud
def test_a_bucket_that_was_never_ours_is_not_deleted(deployed: tuple[Bench, Path], tmp_path: Path) -> None:
    """A spec that names somebody's bucket and was never applied takes nothing away, told to or not."""
    bench, _ = deployed
    made = bench.gcloud(
        "storage", "buckets", "create", "gs://team-treasure", "--location=europe-west1", project=PROJECT
    )
    assert made.code == 0, made.said
    stranger = tmp_path / "stranger.yaml"
    named = SPEC.replace(f"name: {NAME}", "name: other-name")
    stranger.write_text(f"{named}artifacts:\n  bucket: team-treasure\n")
    planned = bench.run("plan", "--sandbox", str(stranger))
    assert planned.code == 5, planned.said
    assert "storage.bucket/team-treasure exists and is not ours" in planned.out
    ended = bench.run("destroy", "--sandbox", "--delete-data", "--confirm", "other-name", str(stranger))
    assert ended.code == 0, ended.said
    left = bench.gcloud("storage", "buckets", "describe", "gs://team-treasure", project=PROJECT)
    assert left.code == 0, left.said


@needs_gcloud
def test_a_folder_in_somebodys_bucket_is_used_and_nothing_else_of_it(
    deployed: tuple[Bench, Path], tmp_path: Path
) -> None:
    """Artifacts go below the folder; labels, lifecycle and access stay as they are; destroy leaves no trace."""
    bench, _ = deployed
    bucket = "gs://team-shared"
    for command in (
        ("storage", "buckets", "create", bucket, "--location=europe-west1"),
        ("storage", "buckets", "update", bucket, "--update-labels=team=data"),
    ):
        made = bench.gcloud(*command, project=PROJECT)
        assert made.code == 0, made.said
    spec = tmp_path / "guest.yaml"
    named = SPEC.replace(f"name: {NAME}", "name: mlflow-guest")
    spec.write_text(f"{named}artifacts:\n  bucket: team-shared\n  existing: true\n  folder: mlflow/guest\n")
    before = bench.gcloud("storage", "buckets", "describe", bucket, "--format=json", project=PROJECT).out
    policy = bench.gcloud(
        "storage", "buckets", "get-iam-policy", bucket, "--format=json(bindings)", project=PROJECT
    ).out
    applied = bench.run("apply", "--sandbox", "--yes", str(spec))
    assert applied.code == 0, applied.said
    assert bench.run("verify", "--sandbox", str(spec)).code == 0
    gone = bench.run("destroy", "--sandbox", "--delete-data", "--confirm", "mlflow-guest", str(spec))
    assert gone.code == 0, gone.said
    after = bench.gcloud("storage", "buckets", "describe", bucket, "--format=json", project=PROJECT).out
    volatile = ("metageneration", "update_time", "etag")
    assert _without(volatile, after) == _without(volatile, before)
    left = bench.gcloud(
        "storage", "buckets", "get-iam-policy", bucket, "--format=json(bindings)", project=PROJECT
    ).out
    assert json.loads(left) == json.loads(policy)


def _without(keys: tuple[str, ...], text: str) -> dict[str, object]:
    """A description as JSON, less what every write to the bucket changes."""
    return {key: value for key, value in json.loads(text).items() if key not in keys}
