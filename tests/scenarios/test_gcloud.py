"""The real gcloud works on the sandbox, led there by `sandbox env` alone, and sees what apply made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scenarios.command import Bench
from tests.scenarios.test_drift import BUCKET, NAME, PROJECT, REGION, SERVER, needs_gcloud

pytestmark = needs_gcloud

DESCRIBED = {
    "sql instances describe": (("sql", "instances", "describe", NAME), {"name": NAME, "state": "RUNNABLE"}),
    "run services describe": (
        ("run", "services", "describe", NAME, f"--region={REGION}"),
        {"kind": "Service"},
    ),
    "storage buckets describe": (("storage", "buckets", "describe", BUCKET), {"location": "EUROPE-WEST1"}),
    "artifacts repositories describe": (
        ("artifacts", "repositories", "describe", NAME, f"--location={REGION}"),
        {"format": "DOCKER"},
    ),
}
LISTED = {
    "sql databases list": (("sql", "databases", "list", f"--instance={NAME}"), "mlflow"),
    "sql users list": (("sql", "users", "list", f"--instance={NAME}"), "mlflow"),
    "run services list": (("run", "services", "list", f"--region={REGION}"), NAME),
    "run jobs list": (("run", "jobs", "list", f"--region={REGION}"), f"{NAME}-migrate"),
    "secrets list": (("secrets", "list"), f"{NAME}-db-password"),
    "secrets versions list": (("secrets", "versions", "list", f"{NAME}-db-password"), "ENABLED"),
    "iam service-accounts list": (("iam", "service-accounts", "list"), f"{NAME}-run@"),
    "projects get-iam-policy": (("projects", "get-iam-policy", PROJECT), SERVER),
    "services list --enabled": (("services", "list", "--enabled"), "run.googleapis.com"),
    "builds list": (("builds", "list", f"--region={REGION}"), "SUCCESS"),
}


def _json(bench: Bench, *command: str) -> Any:
    ended = bench.gcloud(*command, "--format=json", project=PROJECT)
    assert ended.code == 0, ended.said
    return json.loads(ended.out)


@pytest.mark.parametrize("name", DESCRIBED)
def test_gcloud_describes_what_apply_made(settled: Bench, name: str) -> None:
    """The description is Google's, and says what the spec asked for."""
    command, expected = DESCRIBED[name]
    described = _json(settled, *command)
    assert {key: described[key] for key in expected} == expected


@pytest.mark.parametrize("name", LISTED)
def test_gcloud_lists_what_apply_made(settled: Bench, name: str) -> None:
    """What apply made is in the list."""
    command, expected = LISTED[name]
    assert expected in json.dumps(_json(settled, *command))


def test_gcloud_shows_the_url_and_the_image_by_digest(settled: Bench) -> None:
    """The Knative view that gcloud reads is of the same service: ready, at its known URL, by digest."""
    service = _json(settled, "run", "services", "describe", NAME, f"--region={REGION}")
    container = service["spec"]["template"]["spec"]["containers"][0]
    assert "@sha256:" in container["image"]
    assert {c["type"]: c["status"] for c in service["status"]["conditions"]}["Ready"] == "True"
    assert f".{REGION}.run.app" in json.dumps(service["metadata"]["annotations"]) or service["status"]["url"]
