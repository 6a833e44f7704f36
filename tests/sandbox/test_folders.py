"""Cloud Storage: folders, managed folders, notification configurations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.calls import Cloud
from tests.sandbox.gcs import made, put, refusal

TOPIC = "projects/p/topics/t"


@pytest.fixture(name="tree")
def _tree(cloud: Cloud) -> str:
    """The path of a hierarchical bucket."""
    return f"/storage/v1/b/{made(cloud, 'tree', hierarchicalNamespace={'enabled': True})}"


def test_a_folder_is_a_thing_of_its_own(cloud: Cloud, tree: str) -> None:
    """With a slash at its end, a number of its own, and a parent that must be there."""
    name = tree.rpartition("/")[2]
    assert refusal(cloud.post(f"{tree}/folders", {"name": "a/b"})) == (
        409,
        "conflict",
        "The parent folder does not exist.",
    )
    folder = cloud.ok("POST", f"{tree}/folders?recursive=true", {"name": "a/b"})
    assert {key: value for key, value in folder.items() if not key.endswith("Time")} == {
        "kind": "storage#folder",
        "id": f"{name}/a/b/",
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}/folders/a%2Fb%2F",
        "bucket": name,
        "name": "a/b/",
        "metageneration": "1",
    }
    assert cloud.post(f"{tree}/folders", {"name": "a/b/"}).status == 409
    listed = cloud.ok("GET", f"{tree}/folders")
    assert (listed["kind"], [one["name"] for one in listed["items"]]) == ("storage#folders", ["a/", "a/b/"])
    assert refusal(cloud.call("DELETE", f"{tree}/folders/a%2F"))[2] == (
        "The folder you tried to delete is not empty."
    )
    assert cloud.call("DELETE", f"{tree}/folders/a%2Fb%2F").status == 204
    assert refusal(cloud.get(f"{tree}/folders/a%2Fb%2F")) == (404, "notFound", "The folder does not exist.")


def test_an_object_makes_its_folders(cloud: Cloud, tree: str) -> None:
    """They are listed as prefixes, also when they are empty."""
    put(cloud, tree.rpartition("/")[2], "x%2Fy%2Fz")
    assert [one["name"] for one in cloud.ok("GET", f"{tree}/folders")["items"]] == ["x/", "x/y/"]
    cloud.ok("POST", f"{tree}/folders", {"name": "empty"})
    plain = cloud.ok("GET", f"{tree}/o?delimiter=/")
    assert plain["prefixes"] == ["x/"]
    full = cloud.ok("GET", f"{tree}/o?delimiter=/&includeFoldersAsPrefixes=true")
    assert full["prefixes"] == ["empty/", "x/"]


def test_a_folder_is_renamed_with_all_that_is_in_it(cloud: Cloud, tree: str) -> None:
    """As an operation; its time of making stays."""
    put(cloud, tree.rpartition("/")[2], "old%2Fsub%2Fx", b"data")
    before = cloud.ok("GET", f"{tree}/folders/old%2F")
    operation = cloud.ok("POST", f"{tree}/folders/old%2F/renameTo/folders/new%2F")
    assert operation["metadata"]["commonMetadata"]["type"] == "rename-folder"
    path = f"{tree}/operations/{operation['name'].rpartition('/')[2]}"
    while not (operation := cloud.ok("GET", path))["done"]:
        pass
    assert operation["response"]["name"].endswith("/folders/new/")
    assert cloud.get(f"{tree}/o/new%2Fsub%2Fx?alt=media").body == b"data"
    assert cloud.get(f"{tree}/folders/old%2F").status == 404
    assert cloud.ok("GET", f"{tree}/folders/new%2F")["createTime"] == before["createTime"]


def test_a_flat_bucket_has_no_folders(cloud: Cloud) -> None:
    """A conflict in Google's words; its layout does not speak of a namespace."""
    path = f"/storage/v1/b/{made(cloud, 'flat')}"
    assert refusal(cloud.post(f"{path}/folders", {"name": "a"})) == (
        409,
        "conflict",
        "The bucket does not support hierarchical namespace.",
    )
    assert "hierarchicalNamespace" not in cloud.ok("GET", f"{path}/storageLayout")


def test_a_managed_folder_has_a_policy_of_its_own(cloud: Cloud) -> None:
    """Empty at first, with an etag that counts its writes; it keeps its bucket from being deleted."""
    name = made(cloud, "managed")
    path = f"/storage/v1/b/{name}/managedFolders"
    made_folder = cloud.ok("POST", path, {"name": "m"})
    assert (made_folder["kind"], made_folder["name"]) == ("storage#managedFolder", "m/")
    assert made_folder["selfLink"] == f"https://www.googleapis.com{path}/m%2F"
    policy = cloud.ok("GET", f"{path}/m%2F/iam")
    assert policy == {
        "kind": "storage#policy",
        "resourceId": f"projects/_/buckets/{name}/managedFolders/m/",
        "etag": "CAA=",
    }
    binding = {"role": "roles/storage.objectViewer", "members": ["user:a@b.example"]}
    written = cloud.ok("PUT", f"{path}/m%2F/iam", {**policy, "bindings": [binding]})
    assert (written["etag"], written["version"], written["bindings"]) == ("CAE=", 1, [binding])
    assert cloud.call("PUT", f"{path}/m%2F/iam", policy).status == 412
    assert refusal(cloud.post(path, {"name": "m/"}))[2] == "The specified managed folder already exists."
    assert cloud.call("DELETE", f"/storage/v1/b/{name}").status == 409
    put(cloud, name, "m%2Fx")
    assert refusal(cloud.call("DELETE", f"{path}/m%2F"))[2] == (
        "The managed folder you tried to delete is not empty."
    )
    assert cloud.call("DELETE", f"{path}/m%2F?allowNonEmpty=true").status == 204


def test_managed_folders_need_uniform_access(cloud: Cloud) -> None:
    """A 412 in Google's words; the list of them is empty."""
    path = f"/storage/v1/b/{made(cloud, 'lists', iamConfiguration=dict[str, Any]())}/managedFolders"
    refused = refusal(cloud.post(path, {"name": "m"}))
    assert refused[:2] == (412, "conditionNotMet")
    assert refused[2].startswith("Uniform bucket-level access is required to be enabled")
    assert cloud.ok("GET", path) == {"kind": "storage#managedFolders"}


def test_a_notification_is_numbered_by_its_bucket(cloud: Cloud) -> None:
    """Its id is the bucket's metageneration, which it moves; topic and events are put into Google's form."""
    name = made(cloud, "notes")
    path = f"/storage/v1/b/{name}/notificationConfigs"
    assert cloud.ok("GET", path) == {"kind": "storage#notifications"}
    sent = {
        "topic": TOPIC,
        "payload_format": "JSON_API_V1",
        "event_types": ["OBJECT_DELETE", "OBJECT_FINALIZE", "OBJECT_EXPLODED"],
        "custom_attributes": {"a": "b"},
        "object_name_prefix": "p/",
    }
    note = cloud.ok("POST", path, sent)
    assert note == {
        **sent,
        "kind": "storage#notification",
        "id": "1",
        "etag": "1",
        "selfLink": f"https://www.googleapis.com{path}/1",
        "topic": f"//pubsub.googleapis.com/{TOPIC}",
        "event_types": ["OBJECT_FINALIZE", "OBJECT_DELETE"],
    }
    assert cloud.ok("GET", f"/storage/v1/b/{name}")["metageneration"] == "2"
    second = cloud.ok("POST", path, {"topic": TOPIC, "payload_format": "NONE"})
    assert (second["id"], "event_types" in second) == ("2", False)
    assert [one["id"] for one in cloud.ok("GET", path)["items"]] == ["1", "2"]
    assert cloud.call("DELETE", f"{path}/1").status == 204
    assert refusal(cloud.get(f"{path}/1")) == (404, "notFound", "The requested resource was not found.")


def test_cloud_storage_has_an_account_in_every_project(cloud: Cloud) -> None:
    """It is made when somebody asks for it, and policies may name it from then on."""
    found = cloud.ok("GET", "/storage/v1/projects/{P}/serviceAccount")
    email = f"service-{cloud.number}@gs-project-accounts.iam.gserviceaccount.com"
    assert found == {"kind": "storage#serviceAccount", "email_address": email}
    nobody = cloud.bearer(cloud.account("nobody-asks"))
    assert nobody.get("/storage/v1/projects/{P}/serviceAccount").status == 403
    bucket = made(cloud, "agent")
    policy = cloud.ok("GET", f"/storage/v1/b/{bucket}/iam")
    policy["bindings"].append({"role": "roles/storage.objectViewer", "members": [f"serviceAccount:{email}"]})
    assert cloud.ok("PUT", f"/storage/v1/b/{bucket}/iam", policy)["version"] == 1


@pytest.mark.parametrize(
    ("sent", "reason", "message"),
    [
        ({"topic": TOPIC}, "required", "You must specify a payload format in the 'payload_format' field."),
        (
            {"topic": "t", "payload_format": "NONE"},
            "invalid",
            "Invalid Google Cloud Pub/Sub topic. It should look like '//pubsub.googleapis.com/projects/*/topics/*.'",
        ),
        (
            {"topic": TOPIC, "payload_format": "NONE", "custom_attributes": dict.fromkeys("abcdef", "")},
            "invalid",
            "Maximum of 5 custom attributes, notification config had 6",
        ),
    ],
)
def test_an_impossible_notification_is_refused(
    cloud: Cloud, sent: dict[str, Any], reason: str, message: str
) -> None:
    """In Google's words."""
    path = f"/storage/v1/b/{made(cloud, 'notes')}/notificationConfigs"
    assert refusal(cloud.post(path, sent)) == (400, reason, message)
