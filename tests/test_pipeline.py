"""The first look at a project: four answers that must not be taken for each other."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors, pipeline
from reconciler.resources import serviceusage_services
from tests.builders import quick_cloud


def _answering(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    def states(_cloud: object) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(serviceusage_services, "states", states)


def test_the_number_and_the_enabled_apis_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both come out of one answer; what is disabled is not enabled."""
    services = [
        {"name": "projects/123/services/run.googleapis.com", "state": "ENABLED"},
        {"name": "projects/123/services/storage.googleapis.com", "state": "DISABLED"},
    ]
    _answering(monkeypatch, services)
    cloud = quick_cloud()
    project = pipeline.look_at_project(cloud)
    assert (project.number, project.enabled) == ("123", {"run.googleapis.com"})
    assert cloud.project_number == "123"


def test_a_project_that_is_not_there_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key to look at, and the cause kept."""
    gone = errors.ProjectMissing("reading project acme-ml: Permission denied on resource project acme-ml.")
    _answering(monkeypatch, gone)
    with pytest.raises(errors.ProjectMissing, match="acme-ml does not exist, or is closed to you") as missing:
        pipeline.look_at_project(quick_cloud())
    assert missing.value.__cause__ is gone
    assert missing.value.exit_code == 4
    assert "`project:`" in missing.value.way_out


def test_a_project_that_may_not_be_read_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Google says the same to a person whose project is not there, so both ways out are shown."""
    denied = errors.PermissionMissing("reading project acme-ml: denied", way_out="gcloud grants it")
    _answering(monkeypatch, denied)
    with pytest.raises(errors.PermissionMissing, match="reading project acme-ml: denied") as refused:
        pipeline.look_at_project(quick_cloud())
    assert not isinstance(refused.value, errors.ProjectMissing)
    assert refused.value.way_out == "If `project:` in the spec is right: gcloud grants it"


@pytest.mark.parametrize(
    "error",
    [
        errors.ApiDisabled("Service Usage is off"),
        errors.CredentialsMissing("no login"),
        errors.Unreachable("?"),
    ],
)
def test_other_answers_stay_what_they_are(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A disabled API, a missing login and no answer are not a missing project."""
    _answering(monkeypatch, error)
    with pytest.raises(type(error)) as raised:
        pipeline.look_at_project(quick_cloud())
    assert raised.value is error
