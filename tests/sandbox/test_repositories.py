"""Artifact Registry: repositories through the API, and what was pushed into them."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox.registry import push_image, resolve_image
from reconciler.sandbox.seeding import create_project
from reconciler.sandbox.server import Server, build_world
from reconciler.sandbox.world import World
from tests.sandbox.calls import Cloud
from tests.sandbox.serving import served

PLACE = "/v1/projects/{P}/locations/europe-west9/repositories"
POLICIES = {
    "drop": {"action": "DELETE", "condition": {"tagState": "UNTAGGED", "olderThan": "86400s"}},
    "keep": {"id": "keep", "action": "KEEP", "mostRecentVersions": {"keepCount": 5}},
}
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def make(cloud: Cloud, name: str = "mlflow", **extra: Any) -> dict[str, Any]:
    """A new repository, once its operation is done."""
    operation = cloud.ok("POST", f"{PLACE}?repositoryId={name}", {"format": "DOCKER", **extra})
    assert operation["metadata"]["@type"].endswith("OperationMetadata")
    return cloud.wait(operation)["response"]


def test_a_repository_is_made_by_an_operation(cloud: Cloud) -> None:
    """The answer has the server's defaults, and clean-up policies that repeat their id."""
    made = make(cloud, cleanupPolicies=POLICIES, labels={"a": "b"}, mode="MODE_UNSPECIFIED")
    found = cloud.ok("GET", f"{PLACE}/mlflow")
    only_read = {"createTime", "updateTime", "registryUri"}
    assert {key: value for key, value in found.items() if key not in only_read} == {
        key: value for key, value in made.items() if key != "@type"
    }
    assert found["name"] == f"projects/{cloud.project}/locations/europe-west9/repositories/mlflow"
    assert found["registryUri"] == f"europe-west9-docker.pkg.dev/{cloud.project}/mlflow"
    assert (found["mode"], found["cleanupPolicies"]["drop"]["id"]) == ("STANDARD_REPOSITORY", "drop")
    assert found["vulnerabilityScanningConfig"]["enablementState"] == "SCANNING_DISABLED"
    assert [one["name"] for one in cloud.ok("GET", PLACE)["repositories"]] == [found["name"]]


def test_a_change_answers_the_times_and_not_the_uri(cloud: Cloud) -> None:
    """The address of the registry is read, never answered by what makes or changes a repository."""
    make(cloud)
    changed = cloud.ok("PATCH", f"{PLACE}/mlflow?updateMask=description", {"description": "images"})
    found = cloud.ok("GET", f"{PLACE}/mlflow")
    assert found == {**changed, "registryUri": f"europe-west9-docker.pkg.dev/{cloud.project}/mlflow"}
    assert (changed["description"], "updateTime" in changed) == ("images", True)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("Upper", {"format": "DOCKER"}),
        ("x", {}),
        ("x", {"format": "DOCKER", "cleanupPolicies": {"a": {"action": "DELETE"}}}),
        (
            "x",
            {
                "format": "DOCKER",
                "cleanupPolicies": {"a": {**POLICIES["keep"], "action": "DELETE", "id": "a"}},
            },
        ),
    ],
)
def test_an_impossible_repository_is_a_400(cloud: Cloud, name: str, body: dict[str, Any]) -> None:
    """A proper name, a format, and policies that make sense."""
    assert cloud.post(f"{PLACE}?repositoryId={name}", body).status == 400


def test_a_second_of_its_name_is_a_409_and_a_missing_one_a_404(cloud: Cloud) -> None:
    """In Google's words."""
    make(cloud)
    assert (
        cloud.post(f"{PLACE}?repositoryId=mlflow", {"format": "DOCKER"}).error["status"] == "ALREADY_EXISTS"
    )
    assert cloud.get(f"{PLACE}/nope").error["message"] == "Requested entity was not found."


def test_a_patch_is_answered_at_once_and_changes_the_mask_only(cloud: Cloud) -> None:
    """What is immutable is refused."""
    make(cloud, description="old", labels={"a": "b"})
    sent: dict[str, Any] = {"description": "new", "labels": {}}
    changed = cloud.ok("PATCH", f"{PLACE}/mlflow?updateMask=description", sent)
    assert (changed["description"], changed["labels"]) == ("new", {"a": "b"})
    assert "labels" not in cloud.ok("PATCH", f"{PLACE}/mlflow?updateMask=labels", sent)
    assert cloud.call("PATCH", f"{PLACE}/mlflow?updateMask=format", {"format": "PYTHON"}).status == 400


def test_a_repository_is_deleted_by_an_operation(cloud: Cloud) -> None:
    """Its policy goes with it."""
    make(cloud)
    binding = {"role": "roles/artifactregistry.reader", "members": ["user:a@b.example"]}
    cloud.ok("POST", f"{PLACE}/mlflow:setIamPolicy", {"policy": {"bindings": [binding]}})
    assert cloud.ok("GET", f"{PLACE}/mlflow:getIamPolicy")["bindings"] == [binding]
    assert cloud.wait(cloud.ok("DELETE", f"{PLACE}/mlflow"))["done"] is True
    assert cloud.get(f"{PLACE}/mlflow").status == 404
    make(cloud)
    assert cloud.ok("GET", f"{PLACE}/mlflow:getIamPolicy") == {"etag": "ACAB"}


@pytest.fixture(name="world")
def _world(home: Path) -> World:
    home.mkdir()
    world = build_world(home, 0)
    project = create_project(world, "image-project")
    world.projects.enable(project.project_id, ["artifactregistry.googleapis.com"])
    return world


@pytest.fixture(name="images")
def _images(world: World) -> Generator[Cloud]:
    """A sandbox in this process, whose world a test can reach; with a repository that holds two images."""
    server = Server(world, strict=True)
    with served(server) as port:
        cloud = Cloud(port, "image-project")
        repository = make(cloud)["name"]
        push_image(world, repository, "team/app", DIGEST, ("one", "latest"), size_bytes=100)
        push_image(world, repository, "team/app", OTHER, ("latest",), size_bytes=50)
        yield cloud


def test_a_pushed_image_is_found_by_tag_and_digest(images: Cloud, world: World) -> None:
    """A tag moves to what was pushed last; an unknown reference is nothing."""
    root = "europe-west9-docker.pkg.dev/image-project/mlflow/team/app"
    assert resolve_image(world, root) == f"{root}@{OTHER}"
    assert resolve_image(world, f"{root}:one") == f"{root}@{DIGEST}"
    assert resolve_image(world, f"{root}@{DIGEST}") == f"{root}@{DIGEST}"
    assert resolve_image(world, f"{root}:nope") is None
    assert resolve_image(world, "docker.io/library/nginx") is None
    assert images.ok("GET", f"{PLACE}/mlflow")["sizeBytes"] == "150"


def test_packages_versions_and_tags_are_listed(images: Cloud) -> None:
    """A package with a slash travels escaped."""
    package = f"{PLACE}/mlflow/packages/team%2Fapp"
    assert images.ok("GET", package)["displayName"] == "team/app"
    assert len(images.ok("GET", f"{PLACE}/mlflow/packages")["packages"]) == 1
    versions = images.ok("GET", f"{package}/versions?view=FULL")["versions"]
    tagged = {
        one["name"].rpartition("/")[2]: [tag["name"].rpartition("/")[2] for tag in one["relatedTags"]]
        for one in versions
    }
    assert tagged == {DIGEST: ["one"], OTHER: ["latest"]}
    docker = images.ok("GET", f"{PLACE}/mlflow/dockerImages")["dockerImages"]
    uris = {one["uri"] for one in docker}
    assert uris == {
        f"europe-west9-docker.pkg.dev/image-project/mlflow/team/app@{one}" for one in (DIGEST, OTHER)
    }
    assert images.ok("GET", f"{PLACE}/mlflow/dockerImages/team%2Fapp@{DIGEST}")["tags"] == ["one"]


def test_a_tagged_version_is_not_deleted_by_accident(images: Cloud) -> None:
    """First the tag, or with force."""
    package = f"{PLACE}/mlflow/packages/team%2Fapp"
    assert images.call("DELETE", f"{package}/versions/{DIGEST}").error["status"] == "FAILED_PRECONDITION"
    assert images.ok("DELETE", f"{package}/tags/one") == {}
    images.wait(images.ok("DELETE", f"{package}/versions/{DIGEST}"))
    images.wait(images.ok("DELETE", f"{package}/versions/{OTHER}?force=true"))
    assert images.get(package).status == 404
    assert images.ok("GET", f"{package}/tags") == {}
