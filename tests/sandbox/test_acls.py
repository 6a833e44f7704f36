"""Cloud Storage: access control lists of buckets without uniform access."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.calls import Cloud
from tests.sandbox.gcs import made, put, refusal

OWN: dict[str, Any] = {"iamConfiguration": {}}
MORE = " Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access"


@pytest.fixture(name="bucket")
def _bucket(cloud: Cloud) -> str:
    """The path of a bucket with lists."""
    return f"/storage/v1/b/{made(cloud, 'lists', **OWN)}"


def entities(entries: list[dict[str, Any]]) -> dict[str, str]:
    """Role by entity."""
    return {one["entity"]: one["role"] for one in entries}


def test_a_bucket_shows_its_lists_where_they_are_asked_for(cloud: Cloud, bucket: str) -> None:
    """A read shows none, a PATCH all of them; owners, editors and viewers of the project are on each."""
    team = {
        f"project-{name}-{cloud.number}": role for name, role in (("owners", "OWNER"), ("editors", "OWNER"))
    }
    team[f"project-viewers-{cloud.number}"] = "READER"
    assert "acl" not in cloud.ok("GET", bucket)
    full = cloud.ok("GET", f"{bucket}?projection=full")
    assert (entities(full["acl"]), entities(full["defaultObjectAcl"])) == (team, team)
    assert full["owner"] == {"entity": f"project-owners-{cloud.number}"}
    name = full["name"]
    assert full["acl"][0] == {
        "kind": "storage#bucketAccessControl",
        "id": f"{name}/project-owners-{cloud.number}",
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}/acl/project-owners-{cloud.number}",
        "bucket": name,
        "entity": f"project-owners-{cloud.number}",
        "role": "OWNER",
        "projectTeam": {"projectNumber": cloud.number, "team": "owners"},
        "etag": "CAE=",
    }
    assert {"id", "selfLink", "bucket"}.isdisjoint(full["defaultObjectAcl"][0])
    assert "acl" in cloud.ok("PATCH", bucket, {"labels": {"a": "b"}})
    assert "acl" not in cloud.ok("PATCH", f"{bucket}?projection=noAcl", {"labels": {"a": "c"}})


def test_a_list_and_the_policy_are_two_views_of_one_thing(cloud: Cloud, bucket: str) -> None:
    """A reader on the list holds the legacy role, and the other way round; each change counts the bucket up."""
    entry = cloud.ok("POST", f"{bucket}/acl", {"entity": "user-Ada@Acme.example", "role": "READER"})
    assert (entry["entity"], entry["email"]) == ("user-ada@acme.example", "ada@acme.example")
    assert cloud.ok("GET", bucket)["metageneration"] == "2"
    policy = cloud.ok("GET", f"{bucket}/iam")
    readers = next(one for one in policy["bindings"] if one["role"].endswith("legacyBucketReader"))
    assert "user:ada@acme.example" in readers["members"]
    readers["members"].append("allAuthenticatedUsers")
    cloud.ok("PUT", f"{bucket}/iam", policy)
    assert cloud.ok("GET", f"{bucket}/acl/allAuthenticatedUsers")["role"] == "READER"
    changed = cloud.ok("PUT", f"{bucket}/acl/user-ada@acme.example", {"role": "WRITER"})
    assert changed["role"] == "WRITER"
    assert cloud.call("DELETE", f"{bucket}/acl/user-ada@acme.example").status == 204
    gone = cloud.get(f"{bucket}/acl/user-ada@acme.example")
    assert refusal(gone) == (404, "notFound", "The specified key does not exist.")


def test_the_owner_stays_the_owner(cloud: Cloud, bucket: str) -> None:
    """Neither less nor nothing can be given to the project's owners."""
    owner = f"{bucket}/acl/project-owners-{cloud.number}"
    for refused in (cloud.call("PATCH", owner, {"role": "READER"}), cloud.call("DELETE", owner)):
        assert refusal(refused) == (
            403,
            "forbidden",
            "The owner of the resource is required to have OWNER access.",
        )
    listed = cloud.ok("PATCH", bucket, {"acl": [{"entity": "allUsers", "role": "READER"}]})["acl"]
    assert entities(listed) == {f"project-owners-{cloud.number}": "OWNER", "allUsers": "READER"}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"entity": "someone", "role": "READER"}, "invalid"),
        ({"entity": "allUsers", "role": "reader"}, "invalid"),
        ({"entity": "allUsers"}, "required"),
        ({"role": "READER"}, "required"),
    ],
)
def test_an_entry_needs_an_entity_and_a_role(
    cloud: Cloud, bucket: str, entry: dict[str, str], reason: str
) -> None:
    """In the forms that there are."""
    assert refusal(cloud.post(f"{bucket}/acl", entry))[:2] == (400, reason)


def test_objects_start_with_the_default_list(cloud: Cloud, bucket: str) -> None:
    """And their writer as owner; a canned list replaces it."""
    name = bucket.rpartition("/")[2]
    cloud.ok("POST", f"{bucket}/defaultObjectAcl", {"entity": "domain-acme.example", "role": "READER"})
    plain = put(cloud, name, "plain", query="&projection=full").json
    assert entities(plain["acl"])["domain-acme.example"] == "READER"
    assert plain["owner"] == {"entity": "user-operator@sandbox.example"}
    assert entities(plain["acl"])["user-operator@sandbox.example"] == "OWNER"
    private = put(cloud, name, "private", query="&projection=full&predefinedAcl=private").json
    assert entities(private["acl"]) == {"user-operator@sandbox.example": "OWNER"}
    entry = cloud.ok("GET", f"{bucket}/o/plain/acl/domain-acme.example")
    assert (entry["object"], entry["generation"]) == ("plain", plain["generation"])
    assert entry["id"] == f"{name}/plain/{plain['generation']}/domain-acme.example"


def test_a_list_lets_a_reader_in(cloud: Cloud, bucket: str) -> None:
    """An object's list opens that object, to nobody else and nothing else."""
    name = bucket.rpartition("/")[2]
    put(cloud, name, "shared")
    put(cloud, name, "other")
    email = cloud.account("list-reader")
    reader = cloud.bearer(email)
    assert reader.get(f"{bucket}/o/shared?alt=media").status == 403
    cloud.ok("POST", f"{bucket}/o/shared/acl", {"entity": f"user-{email}", "role": "READER"})
    assert reader.get(f"{bucket}/o/shared?alt=media").body == b"x"
    assert reader.get(f"{bucket}/o/other?alt=media").status == 403
    assert reader.call("PATCH", f"{bucket}/o/shared", {"metadata": {"a": "b"}}).status == 403


def test_uniform_access_hides_every_list(cloud: Cloud) -> None:
    """Each refusal in Google's words, with reason "invalid"."""
    name = made(cloud, "uniform")
    path = f"/storage/v1/b/{name}"
    put(cloud, name, "x")
    entry = {"entity": "allUsers", "role": "READER"}
    for refused, text in (
        (
            cloud.get(f"{path}/acl"),
            "Cannot get legacy ACL for a bucket that has uniform bucket-level access.",
        ),
        (
            cloud.post(f"{path}/acl", entry),
            "Cannot use ACL API to update bucket policy when uniform bucket-level access is enabled.",
        ),
        (
            cloud.get(f"{path}/o/x/acl"),
            "Cannot get legacy ACL for an object when uniform bucket-level access is enabled.",
        ),
        (
            cloud.post(f"{path}/o/x/acl", entry),
            "Cannot update access control for an object when uniform bucket-level access is enabled.",
        ),
        (
            put(cloud, name, "y", query="&predefinedAcl=publicRead"),
            "Cannot insert legacy ACL for an object when uniform bucket-level access is enabled.",
        ),
    ):
        assert refusal(refused) == (400, "invalid", text + MORE)
    assert "acl" not in cloud.ok("PATCH", path, {"labels": {"a": "b"}})


def test_nothing_is_public_where_that_is_prevented(cloud: Cloud) -> None:
    """By entry, by canned list, or with the object."""
    settings: dict[str, Any] = {"iamConfiguration": {"publicAccessPrevention": "enforced"}}
    name = made(cloud, "prevented", **settings)
    path = f"/storage/v1/b/{name}"
    for refused in (
        cloud.post(f"{path}/acl", {"entity": "allUsers", "role": "READER"}),
        cloud.post(f"{path}/defaultObjectAcl", {"entity": "allUsers", "role": "READER"}),
        put(cloud, name, "x", query="&predefinedAcl=publicRead"),
    ):
        assert refusal(refused)[:2] == (412, "conditionNotMet")


def test_a_policys_etag_is_the_buckets_metageneration(cloud: Cloud, bucket: str) -> None:
    """So any change of the bucket makes a policy stale; conditions need uniform access, roles are Storage's own."""
    policy = cloud.ok("GET", f"{bucket}/iam")
    assert policy["etag"] == "CAE="
    cloud.ok("PATCH", bucket, {"labels": {"a": "b"}})
    assert refusal(cloud.call("PUT", f"{bucket}/iam", policy))[:2] == (412, "conditionNotMet")
    assert refusal(cloud.call("PUT", f"{bucket}/iam", {**policy, "etag": "CAk="})) == (
        400,
        "invalid",
        "Invalid etag - must use etag from GetPolicy response.",
    )
    condition = {"title": "t", "expression": "true"}
    binding = {"role": "roles/storage.objectViewer", "members": ["user:a@b.example"], "condition": condition}
    refused = refusal(cloud.call("PUT", f"{bucket}/iam", {"version": 3, "bindings": [binding]}))
    assert refused[2].startswith("To set IAM conditions in this bucket, enable uniform bucket-level access.")
    foreign = {"role": "roles/run.invoker", "members": ["user:a@b.example"]}
    assert refusal(cloud.call("PUT", f"{bucket}/iam", {"bindings": [foreign]})) == (
        400,
        "invalid",
        "Role roles/run.invoker is not supported for this resource.",
    )


def test_a_conditional_role_is_hidden_from_old_readers(cloud: Cloud) -> None:
    """Who asks for version 1 sees a role that grants nothing."""
    path = f"/storage/v1/b/{made(cloud, 'conditions')}/iam"
    condition = {"title": "t", "expression": "true"}
    binding = {"role": "roles/storage.objectViewer", "members": ["user:a@b.example"], "condition": condition}
    assert cloud.call("PUT", path, {"bindings": [binding]}).status == 400
    assert cloud.ok("PUT", path, {"version": 3, "bindings": [binding]})["bindings"] == [binding]
    assert cloud.ok("GET", f"{path}?optionsRequestedPolicyVersion=3")["version"] == 3
    old = cloud.ok("GET", path)
    assert (old["version"], "condition" in old["bindings"][0]) == (1, False)
    assert old["bindings"][0]["role"].startswith("roles/storage.objectViewer_withcond_")
