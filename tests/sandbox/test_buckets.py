"""Cloud Storage: buckets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.calls import Cloud

UNIFORM = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}}


@pytest.fixture(name="bucket")
def _bucket(fresh: Cloud) -> str:
    """The path of a bucket with uniform access, in a project where nothing was enabled."""
    name = f"{fresh.project}-bucket"
    fresh.ok("POST", "/storage/v1/b?project={P}", {"name": name, "location": "europe-west9", **UNIFORM})
    return f"/storage/v1/b/{name}"


def test_a_bucket_gets_the_recorded_defaults(fresh: Cloud) -> None:
    """Field by field what the real service answered for a bucket that says nothing about itself."""
    name = f"{fresh.project}-plain"
    sent: dict[str, Any] = {
        "name": name,
        "location": "us-central1",
        "lifecycle": {"rule": []},
        "labels": {"a": "b"},
    }
    bucket = fresh.ok("POST", "/storage/v1/b?project={P}", sent)
    volatile = ("generation", "timeCreated", "updated")
    assert {key: value for key, value in bucket.items() if key not in volatile} == {
        "kind": "storage#bucket",
        "id": name,
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}",
        "name": name,
        "projectNumber": fresh.number,
        "metageneration": "1",
        "location": "US-CENTRAL1",
        "locationType": "region",
        "storageClass": "STANDARD",
        "etag": "CAE=",
        "labels": {"a": "b"},
        "satisfiesPZI": True,
        "softDeletePolicy": {"retentionDurationSeconds": "604800", "effectiveTime": bucket["timeCreated"]},
        "iamConfiguration": {
            "bucketPolicyOnly": {"enabled": False},
            "uniformBucketLevelAccess": {"enabled": False},
            "publicAccessPrevention": "inherited",
        },
    }


def test_without_a_location_a_bucket_is_in_the_us(fresh: Cloud) -> None:
    """A multi-region, with the default recovery point objective."""
    bucket = fresh.ok("POST", "/storage/v1/b?project={P}", {"name": f"{fresh.project}-us"})
    assert (bucket["location"], bucket["locationType"], bucket["rpo"]) == ("US", "multi-region", "DEFAULT")


def test_autoclass_forces_the_storage_class(fresh: Cloud) -> None:
    """As recorded: STANDARD whatever was sent, NEARLINE as the terminal class."""
    sent = {"name": f"{fresh.project}-auto", "storageClass": "NEARLINE", "autoclass": {"enabled": True}}
    bucket = fresh.ok("POST", "/storage/v1/b?project={P}", sent)
    assert (bucket["storageClass"], bucket["autoclass"]["terminalStorageClass"]) == ("STANDARD", "NEARLINE")


_ABORT = {"type": "AbortIncompleteMultipartUpload"}


@pytest.mark.parametrize(
    ("action", "condition", "status"),
    [
        (_ABORT, {"age": 7}, 200),
        (_ABORT, {"age": 7, "matchesPrefix": ["a"], "matchesSuffix": ["b"]}, 200),
        (_ABORT, {"age": 7, "isLive": True}, 400),
        (_ABORT, {"createdBefore": "2026-01-01"}, 400),
        ({"type": "Delete"}, {"age": 7, "isLive": True}, 200),
        ({"type": "SetStorageClass", "storageClass": "NEARLINE"}, {"age": 7}, 200),
        ({"type": "SetStorageClass", "storageClass": "LUKEWARM"}, {"age": 7}, 400),
    ],
)
def test_lifecycle_actions_take_their_own_conditions(
    fresh: Cloud, action: dict[str, Any], condition: dict[str, Any], status: int
) -> None:
    """Uploads that were never finished go by age and name only; a class must be one."""
    rules = {"rule": [{"action": action, "condition": condition}]}
    name = f"{fresh.project}-rules"
    answered = fresh.post("/storage/v1/b?project={P}", {"name": name, "lifecycle": rules})
    assert answered.status == status
    if status == 400:
        assert answered.error["errors"][0]["reason"] == "invalid"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"name": "Upper"}, 400),
        ({"name": "ab"}, 400),
        ({"name": "192.168.0.1"}, 400),
        ({"name": "goog-x"}, 400),
        ({"name": "good-name-1", "location": "atlantis"}, 400),
        ({"name": "good-name-1", "storageClass": "WARM"}, 400),
        ({"name": "good-name-1", "softDeletePolicy": {"retentionDurationSeconds": "3600"}}, 400),
        ({"name": "good-name-1", "lifecycle": {"rule": [{"action": {"type": "Delete"}}]}}, 400),
        ({"name": "good-name-1", "lifecicle": {}}, 400),
        ({"name": "good-name-1", "labels": {"a": "B"}}, 400),
    ],
)
def test_an_impossible_bucket_is_refused(fresh: Cloud, body: dict[str, Any], status: int) -> None:
    """Names, places, classes, rules and fields."""
    answered = fresh.post("/storage/v1/b?project={P}", body)
    assert answered.status == status
    assert "status" not in answered.error


def test_names_are_taken_by_us_or_by_others(fresh: Cloud, cloud: Cloud, bucket: str) -> None:
    """Two different sentences, one status."""
    name = bucket.rpartition("/")[2]
    ours = fresh.post("/storage/v1/b?project={P}", {"name": name}).error
    theirs = cloud.post("/storage/v1/b?project={P}", {"name": name}).error
    assert (ours["code"], theirs["code"]) == (409, 409)
    assert ours["errors"][0]["reason"] == "conflict"
    assert "you already own it" in ours["message"]
    assert "is not available" in theirs["message"]


def test_a_patch_merges_and_null_deletes(fresh: Cloud, bucket: str) -> None:
    """Labels key by key, objects field by field, lists as a whole; an empty patch changes nothing."""
    rule = {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": ["tmp/"]}}
    first = fresh.ok("PATCH", bucket, {"labels": {"a": "1", "b": "2"}, "lifecycle": {"rule": [rule]}})
    assert (first["metageneration"], first["etag"]) == ("2", "CAI=")
    second = fresh.ok("PATCH", bucket, {"labels": {"a": None, "c": "3"}, "versioning": {"enabled": True}})
    assert second["labels"] == {"b": "2", "c": "3"}
    assert second["lifecycle"] == {"rule": [rule]}
    assert second["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] is True
    third = fresh.ok("PATCH", bucket, {"lifecycle": None, "labels": {"b": None, "c": None}})
    assert {"lifecycle", "labels"}.isdisjoint(third)
    assert fresh.ok("PATCH", bucket, {}) == third


def test_a_whole_bucket_may_be_sent_back(fresh: Cloud, bucket: str) -> None:
    """gcloud does so; what is the server's own is ignored, what is immutable must be the same."""
    whole = fresh.ok("GET", f"{bucket}?projection=full")
    after = fresh.ok("PATCH", bucket, {**whole, "storageClass": "NEARLINE", "metageneration": "99"})
    assert (after["storageClass"], after["metageneration"]) == ("NEARLINE", "2")
    assert fresh.call("PATCH", bucket, {"location": "US"}).status == 400


def test_a_put_replaces_what_is_not_sent(fresh: Cloud, bucket: str) -> None:
    """Labels and rules vanish; name, place and times stay."""
    before = fresh.ok("PATCH", bucket, {"labels": {"a": "1"}})
    after = fresh.ok("PUT", bucket, {"name": before["name"], "versioning": {"enabled": True}})
    assert "labels" not in after
    assert after["timeCreated"] == before["timeCreated"]
    assert after["versioning"] == {"enabled": True}


def test_a_precondition_that_does_not_hold_is_a_412(fresh: Cloud, bucket: str) -> None:
    """In Google's words; a read whose state is known is a 304."""
    for method, body in (("PATCH", {"labels": {"a": "b"}}), ("DELETE", None)):
        error = fresh.call(method, f"{bucket}?ifMetagenerationMatch=7", body).error
        assert (error["code"], error["errors"][0]["reason"]) == (412, "conditionNotMet")
        assert error["message"] == "At least one of the pre-conditions you specified did not hold."
    assert fresh.call("PATCH", f"{bucket}?ifMetagenerationMatch=1", {"labels": {"a": "b"}}).status == 200
    assert fresh.get(f"{bucket}?ifMetagenerationNotMatch=2").status == 304


def test_soft_delete_remembers_since_when(fresh: Cloud, bucket: str) -> None:
    """The time moves with the duration only; off it has none; null puts the default back, as measured."""
    before = fresh.ok("GET", bucket)["softDeletePolicy"]
    assert fresh.ok("PATCH", bucket, {"labels": {"a": "b"}})["softDeletePolicy"] == before
    off = fresh.ok("PATCH", bucket, {"softDeletePolicy": {"retentionDurationSeconds": "0"}})
    assert off["softDeletePolicy"] == {"retentionDurationSeconds": "0"}
    on = fresh.ok("PATCH", bucket, {"softDeletePolicy": None})["softDeletePolicy"]
    assert on["retentionDurationSeconds"] == "604800"
    assert on["effectiveTime"] > before["effectiveTime"]


def test_buckets_are_listed_by_project_and_prefix(fresh: Cloud, bucket: str) -> None:
    """In pages."""
    for number in range(3):
        fresh.ok("POST", "/storage/v1/b?project={P}", {"name": f"{fresh.project}-n{number}"})
    page = fresh.ok("GET", "/storage/v1/b?project={P}&maxResults=2")
    assert (page["kind"], len(page["items"])) == ("storage#buckets", 2)
    rest = fresh.ok("GET", f"/storage/v1/b?project={{P}}&pageToken={page['nextPageToken']}")
    names = {one["name"] for one in [*page["items"], *rest["items"]]}
    assert names == {bucket.rpartition("/")[2], *(f"{fresh.project}-n{number}" for number in range(3))}
    found = fresh.ok("GET", "/storage/v1/b?project={P}&prefix={P}-n&fields=items/name")
    assert found == {"items": [{"name": f"{fresh.project}-n{number}"} for number in range(3)]}


def test_a_bucket_with_objects_is_not_deleted(fresh: Cloud, bucket: str) -> None:
    """409 until it is empty, then 204, then 404 in the recorded words."""
    upload = f"/upload{bucket}/o?uploadType=media&name=x"
    assert fresh.post(upload, raw=b"x").status == 200
    error = fresh.call("DELETE", bucket).error
    assert (error["code"], error["message"]) == (409, "The bucket you tried to delete is not empty.")
    assert fresh.call("DELETE", f"{bucket}/o/x").status == 204
    gone = fresh.call("DELETE", bucket)
    assert (gone.status, gone.body) == (204, b"")
    assert fresh.get(bucket).error == {
        "code": 404,
        "message": "The specified bucket does not exist.",
        "errors": [
            {"message": "The specified bucket does not exist.", "domain": "global", "reason": "notFound"}
        ],
    }


def test_a_buckets_policy_starts_with_the_legacy_bindings(fresh: Cloud, bucket: str) -> None:
    """They stay when one is added with the etag; a stale etag is a 412 here."""
    policy = fresh.ok("GET", f"{bucket}/iam?optionsRequestedPolicyVersion=3")
    roles = {one["role"].rpartition(".")[2] for one in policy["bindings"]}
    assert roles == {"legacyBucketOwner", "legacyBucketReader", "legacyObjectOwner", "legacyObjectReader"}
    assert policy["resourceId"] == f"projects/_/buckets/{bucket.rpartition('/')[2]}"
    added = {"role": "roles/storage.objectViewer", "members": ["group:ml@acme.example"]}
    sent = {**policy, "bindings": [*policy["bindings"], added]}
    written = fresh.ok("PUT", f"{bucket}/iam", sent)
    assert added in written["bindings"]
    assert len(written["bindings"]) == 5
    assert fresh.call("PUT", f"{bucket}/iam", sent).status == 412
    unknown = {
        "role": "roles/storage.objectViewer",
        "members": [f"serviceAccount:no-one@{fresh.project}.iam.gserviceaccount.com"],
    }
    error = fresh.call("PUT", f"{bucket}/iam", {"bindings": [unknown]}).error
    assert (error["code"], error["errors"][0]["reason"]) == (400, "invalid")


def test_public_access_prevention_prevents(fresh: Cloud, bucket: str) -> None:
    """allUsers is refused where it is enforced, and taken where it is not."""
    public = {"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}
    fresh.ok("PATCH", bucket, {"iamConfiguration": {"publicAccessPrevention": "enforced"}})
    assert fresh.call("PUT", f"{bucket}/iam", public).status == 412
    fresh.ok("PATCH", bucket, {"iamConfiguration": {"publicAccessPrevention": "inherited"}})
    assert fresh.call("PUT", f"{bucket}/iam", public).status == 200
