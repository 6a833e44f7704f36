"""Repositories, builds and images by the real gcloud, from a folder with a Dockerfile to an image that is deleted."""

import shutil
from pathlib import Path

import pytest

from reconciler.sandbox.control import Running
from tests.sandbox.calls import Cloud
from tests.sandbox.services.gcloud import Gcloud

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
REGION = "europe-west1"
PLACE = f"--location={REGION}"


@pytest.fixture(name="gcloud")
def _gcloud(running: Running, cloud: Cloud) -> Gcloud:
    cloud.enable("cloudbuild")
    return Gcloud(running, cloud.project)


def test_a_repository_from_its_making_to_its_end(gcloud: Gcloud, cloud: Cloud) -> None:
    """Create, describe, update, list in one place and in all, share, delete."""
    kind = ("--repository-format=docker", "--description=images", "--labels=a=b")
    gcloud.ok("artifacts", "repositories", "create", "images", PLACE, *kind)
    gcloud.ok(
        "artifacts", "repositories", "update", "images", PLACE, "--description=more", "--update-labels=c=d"
    )
    shown = gcloud.json("artifacts", "repositories", "describe", "images", PLACE)
    assert (shown["format"], shown["mode"], shown["description"]) == ("DOCKER", "STANDARD_REPOSITORY", "more")
    assert shown["labels"] == {"a": "b", "c": "d"}
    scanning = shown["vulnerabilityScanningConfig"]
    assert scanning.pop("lastEnableTime") == shown["createTime"]
    assert scanning == {
        "enablementState": "SCANNING_DISABLED",
        "enablementStateReason": "API containerscanning.googleapis.com is not enabled.",
    }
    listed = gcloud.json("artifacts", "repositories", "list")
    assert [one["name"] for one in listed] == [shown["name"]]
    member = f"--member=serviceAccount:{cloud.account('reader')}"
    role = "--role=roles/artifactregistry.reader"
    gcloud.ok("artifacts", "repositories", "add-iam-policy-binding", "images", PLACE, member, role)
    gcloud.ok("artifacts", "repositories", "delete", "images", PLACE)
    assert gcloud.json("artifacts", "repositories", "list", PLACE) == []


def test_a_folder_becomes_an_image_that_is_deployed(gcloud: Gcloud, cloud: Cloud, tmp_path: Path) -> None:
    """Submit uploads it, waits and shows the log; the image is listed with its tag, runs, and can be deleted."""
    (tmp_path / "Dockerfile").write_text(
        'FROM python:3-slim\nCOPY main.py /main.py\nCMD ["python", "/main.py"]\n'
    )
    (tmp_path / "main.py").write_text('print("made by hand")\n')
    gcloud.ok("artifacts", "repositories", "create", "images", PLACE, "--repository-format=docker")
    image = f"{REGION}-docker.pkg.dev/{cloud.project}/images/app"
    said = gcloud.said("builds", "submit", str(tmp_path), f"--tag={image}:1")
    assert "Step 3/3 : CMD" in said
    assert "SUCCESS" in said
    (build,) = gcloud.json("builds", "list")
    assert gcloud.json("builds", "describe", build["id"])["results"]["images"][0]["name"] == f"{image}:1"
    assert "PUSH" in gcloud.ok("builds", "log", build["id"])
    assert gcloud.json(
        "logging", "read", f'resource.type=build resource.labels.build_id={build["id"]} "PUSH"'
    )
    (listed,) = gcloud.json("artifacts", "docker", "images", "list", image, "--include-tags")
    assert (listed["package"], listed["tags"]) == (image, ["1"])
    gcloud.ok(
        "run", "jobs", "deploy", "app", f"--image={image}:1", f"--region={REGION}", "--execute-now", "--wait"
    )
    assert gcloud.json("logging", "read", 'resource.type=cloud_run_job textPayload="made by hand"')
    gcloud.ok("artifacts", "docker", "images", "delete", f"{image}:1", "--delete-tags")
    assert gcloud.json("artifacts", "docker", "images", "list", image) == []
