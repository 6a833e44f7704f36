"""Projects through Resource Manager, v1 and v3, from their creation to their end and back."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.sandbox.calls import Cloud, new_project

NUMBERS = itertools.count(1)


def made(cloud: Cloud, **fields: Any) -> str:
    """The id of a project that Resource Manager made, in which its API is enabled."""
    project = f"made-project-{next(NUMBERS)}"
    started = cloud.ok("POST", "/v1/projects", {"projectId": project, **fields})
    assert set(started) == {"name"}
    done = cloud.ok("GET", f"/v1/{started['name']}")
    assert (done["done"], done["metadata"]["ready"]) == (True, True)
    assert done["response"]["projectId"] == project
    new_project(cloud.port, project=project).enable("cloudresourcemanager")
    return project


def test_a_project_is_made_with_name_labels_and_parent(cloud: Cloud) -> None:
    """Both versions show them, each in its own words; a second one of the same id is refused."""
    parent = {"type": "folder", "id": "42"}
    project = made(cloud, name="Two words", labels={"team": "ml"}, parent=parent)
    first = cloud.ok("GET", f"/v1/projects/{project}")
    assert (first["name"], first["labels"], first["parent"]) == ("Two words", {"team": "ml"}, parent)
    third = cloud.ok("GET", f"/v3/projects/{project}")
    assert (third["displayName"], third["parent"], third["state"]) == ("Two words", "folders/42", "ACTIVE")
    assert third["name"] == f"projects/{first['projectNumber']}"
    assert cloud.post("/v1/projects", {"projectId": project}).error["status"] == "ALREADY_EXISTS"
    assert (
        cloud.post("/v3/projects", {"projectId": "X"}).error["message"]
        == "Request contains an invalid argument."
    )
    ancestors = cloud.ok("POST", f"/v1/projects/{project}:getAncestry", {})["ancestor"]
    assert [one["resourceId"]["type"] for one in ancestors] == ["project", "folder"]


def test_a_project_is_renamed_in_both_versions(cloud: Cloud) -> None:
    """v1 replaces, v3 changes what its mask names and answers an operation."""
    project = made(cloud, labels={"a": "b"})
    assert cloud.ok("PUT", f"/v1/projects/{project}", {"name": "First"})["name"] == "First"
    sent: dict[str, Any] = {"displayName": "Second", "labels": {}}
    started = cloud.ok("PATCH", f"/v3/projects/{project}?updateMask=displayName", sent)
    done = cloud.ok("GET", f"/v3/{started['name']}")
    assert (done["response"]["displayName"], done["response"]["labels"]) == ("Second", {"a": "b"})


@pytest.mark.parametrize("version", ["v1", "v3"])
def test_a_deleted_project_is_of_no_use_and_can_be_brought_back(cloud: Cloud, version: str) -> None:
    """It is there for Resource Manager alone; other APIs say what they say of one that never was."""
    project = made(cloud)
    cloud.ok("DELETE", f"/{version}/projects/{project}")
    state = cloud.ok("GET", f"/{version}/projects/{project}")
    assert state["lifecycleState" if version == "v1" else "state"] == "DELETE_REQUESTED"
    assert cloud.call("DELETE", f"/{version}/projects/{project}").error["status"] == "FAILED_PRECONDITION"
    assert cloud.get(f"/v1/projects/{project}/secrets").status == 403
    assert project not in {one["projectId"] for one in cloud.ok("GET", "/v1/projects")["projects"]}
    found = cloud.ok("GET", f"/v1/projects?filter=lifecycleState:DELETE_REQUESTED%20id:{project}")
    assert [one["projectId"] for one in found["projects"]] == [project]
    cloud.ok("POST", f"/{version}/projects/{project}:undelete", {})
    assert cloud.ok("GET", f"/v1/projects/{project}")["lifecycleState"] == "ACTIVE"


def test_projects_are_found_by_what_they_are(cloud: Cloud) -> None:
    """By label, parent and id; a term that is no filter is refused; nobody sees what he may not."""
    label = f"l{next(NUMBERS)}"
    project = made(cloud, labels={label: "x"}, parent={"type": "organization", "id": "7"})
    for query in (f"labels.{label}:x", f"labels.{label}:*", f"id:{project} parent.type:organization"):
        found = cloud.ok("GET", f"/v1/projects?filter={query.replace(' ', '%20')}")["projects"]
        assert [one["projectId"] for one in found] == [project]
    below = cloud.ok("GET", "/v3/projects?parent=organizations/7")["projects"]
    assert project in {one["projectId"] for one in below}
    assert cloud.ok("GET", f"/v3/projects:search?query=id:{project}")["projects"][0]["projectId"] == project
    assert cloud.get("/v1/projects?filter=nonsense").status == 400
    stranger = cloud.bearer(cloud.account("sees-nothing"))
    assert stranger.ok("GET", "/v1/projects") == {}
