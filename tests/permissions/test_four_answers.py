"""A disabled API, a missing permission, a missing project and a missing resource: four answers, four ways out."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.permissions.people import Place
from tests.scenarios.command import Bench, sandbox

NOBODY = "user:nobody@sandbox.example"


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    with sandbox() as bench:
        yield bench


def test_a_disabled_api(bench: Bench, tmp_path: Path) -> None:
    """It is called disabled, not empty, and can be enabled."""
    place = Place.made(bench, tmp_path, "disabled-project", "mlflow-there")
    ended = place.run("login", str(place.spec))
    assert ended.code == 4
    assert "Cloud Run Admin API has not been used in project" in ended.err
    assert "Enable it: gcloud services enable run.googleapis.com" in ended.err


def test_a_missing_permission(bench: Bench, tmp_path: Path) -> None:
    """It is named, with who lacks it, on what, and the line that grants it."""
    place = Place.made(bench, tmp_path, "forbidden-project", "mlflow-there")
    place.enable()
    place.grant(NOBODY, ["roles/serviceusage.serviceUsageConsumer"])
    ended = place.run("login", str(place.spec), member=NOBODY)
    assert ended.code == 4
    name = "projects/forbidden-project/locations/europe-west1/services/mlflow-there"
    assert f"Permission 'run.services.get' denied on resource '{name}'" in ended.err
    assert f"{NOBODY} lacks run.services.get." in ended.err
    line = "gcloud projects add-iam-policy-binding forbidden-project"
    assert f"{line} --member={NOBODY} --role=roles/run.viewer" in ended.err


def test_a_missing_project(bench: Bench, tmp_path: Path) -> None:
    """It is said to be missing, and where the spec says it; nobody is sent for a role in it."""
    ended = _elsewhere(bench, tmp_path).run("plan", str(tmp_path / "elsewhere.yaml"))
    assert ended.code == 4
    assert "project some-other-project does not exist, or is closed to you" in ended.err
    assert "Check `project:` in the spec" in ended.err
    assert "add-iam-policy-binding" not in ended.err


def test_a_missing_project_of_a_person(bench: Bench, tmp_path: Path) -> None:
    """Google answers a person as it does for a project that may not be charged: both ways out are shown."""
    ended = _elsewhere(bench, tmp_path).run("plan", str(tmp_path / "elsewhere.yaml"), member=NOBODY)
    assert ended.code == 4
    assert "If `project:` in the spec is right: user:nobody@sandbox.example lacks serviceusage" in ended.err


def _elsewhere(bench: Bench, folder: Path) -> Place:
    """A project, and beside its spec one for a project that is not there."""
    place = Place.made(bench, folder, "some-real-project", "mlflow-there")
    text = place.spec.read_text().replace("some-real-project", "some-other-project")
    (folder / "elsewhere.yaml").write_text(text)
    return place


def test_a_missing_resource(bench: Bench, tmp_path: Path) -> None:
    """The server is not deployed yet: that is no question of permissions."""
    place = Place.made(bench, tmp_path, "empty-project-one", "mlflow-there")
    place.enable()
    ended = place.run("login", str(place.spec))
    assert ended.code == 1
    assert "mlflow-there is not deployed there" in ended.err
    assert "Run apply on it first" in ended.err


def test_a_token_that_is_over(bench: Bench, tmp_path: Path) -> None:
    """Not knowing who calls is a fifth answer; the token itself is never shown."""
    place = Place.made(bench, tmp_path, "stale-token-project", "mlflow-there")
    place.tokens[NOBODY] = "ya29.no-longer-good"
    ended = place.run("plan", str(place.spec), member=NOBODY)
    assert ended.code == 4
    assert "ya29." not in ended.said
    assert "MLFLOW_RECONCILE_ACCESS_TOKEN" in ended.err
