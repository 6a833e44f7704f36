"""Cloud Storage: what each setting of a bucket becomes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.calls import Cloud
from tests.sandbox.gcs import made, refusal


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({"cors": []}, {}),
        ({"website": {}}, {}),
        ({"labels": {}}, {}),
        ({"encryption": {}}, {}),
        ({"autoclass": {"enabled": False}}, {}),
        ({"hierarchicalNamespace": {"enabled": False}}, {}),
        ({"versioning": {"enabled": False}}, {"versioning": {"enabled": False}}),
        ({"website": {"mainPageSuffix": "index.html"}}, {"website": {"mainPageSuffix": "index.html"}}),
        ({"logging": {"logBucket": "logs"}}, {"logging": {"logBucket": "logs", "logObjectPrefix": "NAME"}}),
        ({"billing": {"requesterPays": True}}, {"billing": {"requesterPays": True}}),
        (
            {"cors": [{"origin": ["*"], "method": ["GET"], "maxAgeSeconds": "60"}]},
            {"cors": [{"origin": ["*"], "method": ["GET"], "maxAgeSeconds": 60}]},
        ),
        (
            {"location": "eu", "customPlacementConfig": {"dataLocations": ["europe-west1", "europe-west4"]}},
            {"customPlacementConfig": {"dataLocations": ["EUROPE-WEST1", "EUROPE-WEST4"]}},
        ),
    ],
)
def test_a_setting_is_shown_in_normal_form(cloud: Cloud, sent: dict[str, Any], shown: dict[str, Any]) -> None:
    """What is empty is left out, what has a default gets it, places are in capitals."""
    plain = set(cloud.ok("GET", f"/storage/v1/b/{made(cloud, 'plain')}"))
    name = made(cloud, "set", **sent)
    bucket = cloud.ok("GET", f"/storage/v1/b/{name}")
    found = {key: bucket[key] for key in bucket.keys() - plain if key != "satisfiesPZI"}
    expected = {key: str(value).replace("NAME", name) for key, value in shown.items()}
    assert {key: str(value) for key, value in found.items()} == expected


PAIR: dict[str, Any] = {"customPlacementConfig": {"dataLocations": ["us-east1", "us-west1"]}}


@pytest.mark.parametrize(
    ("sent", "kind", "rpo"),
    [
        ({"location": "us-east1"}, "region", None),
        ({"location": "eu"}, "multi-region", "DEFAULT"),
        ({"location": "nam4"}, "dual-region", "DEFAULT"),
        ({"location": "us", **PAIR, "rpo": "ASYNC_TURBO"}, "dual-region", "ASYNC_TURBO"),
    ],
)
def test_a_place_says_what_kind_it_is(cloud: Cloud, sent: dict[str, Any], kind: str, rpo: str | None) -> None:
    """Regions, multi-regions and dual regions, the latter also of one's own."""
    bucket = cloud.ok("GET", f"/storage/v1/b/{made(cloud, 'place', **sent)}")
    assert (bucket["locationType"], bucket.get("rpo")) == (kind, rpo)
    assert ("satisfiesPZI" in bucket) == (kind == "region")


def test_turbo_replication_is_for_dual_regions(cloud: Cloud) -> None:
    """Anywhere else it is a 400."""
    sent = {"name": f"{cloud.project}-turbo", "rpo": "ASYNC_TURBO"}
    assert cloud.post("/storage/v1/b?project={P}", sent).status == 400


def test_lifecycle_rules_are_kept_as_the_server_writes_them(cloud: Cloud) -> None:
    """Days as numbers, sizes as strings, classes in capitals; empty lists and nulls are dropped."""
    condition = {
        "age": "30",
        "sizeAboveBytes": 1000,
        "isLive": None,
        "matchesPrefix": [],
        "matchesStorageClass": ["standard"],
    }
    rule = {"action": {"type": "SetStorageClass", "storageClass": "nearline"}, "condition": condition}
    name = made(cloud, "rules", lifecycle={"rule": [rule]})
    assert cloud.ok("GET", f"/storage/v1/b/{name}")["lifecycle"]["rule"] == [
        {
            "action": {"type": "SetStorageClass", "storageClass": "NEARLINE"},
            "condition": {"age": 30, "sizeAboveBytes": "1000", "matchesStorageClass": ["STANDARD"]},
        }
    ]


@pytest.mark.parametrize(
    ("action", "condition", "message"),
    [
        ({"type": "Delete"}, {}, "Lifecycle rules must have a condition."),
        ({"type": "Delete"}, {"matchesPrefix": []}, "Lifecycle rules must have a condition."),
        ({"type": "Freeze"}, {"age": 1}, "Invalid value for: Freeze is not a valid value"),
        (
            {"type": "Delete"},
            {"createdBefore": "2026-02-29"},
            'Invalid value for: Invalid format: "2026-02-29"',
        ),
        (
            {"type": "SetStorageClass"},
            {"age": 1},
            "Lifecycle storage class rules must specify the destination storage class.",
        ),
        (
            {"type": "Delete"},
            {"age": -1},
            "Lifecycle age condition must be greater than or equal to 0, but was -1",
        ),
        (
            {"type": "AbortIncompleteMultipartUpload"},
            {"isLive": True},
            "Lifecycle age_days, matches_prefix, and matches_suffix conditions are the only ones allowed for a "
            "ABORT_INCOMPLETE_MULTIPART_UPLOAD rule.",
        ),
    ],
)
def test_a_lifecycle_rule_is_refused_in_googles_words(
    cloud: Cloud, action: dict[str, Any], condition: dict[str, Any], message: str
) -> None:
    """As measured, each with reason "invalid"; the bucket stays as it was."""
    path = f"/storage/v1/b/{made(cloud, 'refused')}"
    sent = {"lifecycle": {"rule": [{"action": action, "condition": condition}]}}
    assert refusal(cloud.call("PATCH", path, sent)) == (400, "invalid", message)
    assert cloud.ok("GET", path)["metageneration"] == "1"


def test_labels_are_emptied_by_an_empty_object(cloud: Cloud) -> None:
    """Measured of the real service, where a merge would have changed nothing."""
    path = f"/storage/v1/b/{made(cloud, 'labels', labels={'a': 'b'})}"
    assert "labels" not in cloud.ok("PATCH", path, {"labels": {}})
    assert refusal(cloud.call("PATCH", path, {"labels": {"Bad": "x"}}))[2] == "Invalid user label: Bad"


def test_a_retention_policy_grows_once_it_is_locked(cloud: Cloud) -> None:
    """A lock needs the right metageneration; afterwards the period neither shrinks nor goes."""
    name = made(cloud, "kept", retentionPolicy={"retentionPeriod": "60"})
    path = f"/storage/v1/b/{name}"
    policy = cloud.ok("GET", path)["retentionPolicy"]
    assert policy["retentionPeriod"] == "60"
    assert cloud.post(f"{path}/lockRetentionPolicy").status == 400
    assert refusal(cloud.post(f"{path}/lockRetentionPolicy?ifMetagenerationMatch=9"))[:2] == (
        412,
        "conditionNotMet",
    )
    locked = cloud.ok("POST", f"{path}/lockRetentionPolicy?ifMetagenerationMatch=1")
    assert (locked["retentionPolicy"]["isLocked"], locked["metageneration"]) == (True, "2")
    assert refusal(cloud.post(f"{path}/lockRetentionPolicy?ifMetagenerationMatch=2")) == (
        400,
        "invalid",
        f"Bucket '{name}' does not have an unlocked retention policy.",
    )
    shorter = cloud.call("PATCH", path, {"retentionPolicy": {"retentionPeriod": "59"}})
    assert refusal(shorter)[:2] == (403, "forbidden")
    assert refusal(cloud.call("PATCH", path, {"retentionPolicy": None})) == (
        403,
        "retentionPolicyNotMet",
        f"Bucket '{name}' has a locked Retention Policy which cannot be removed.",
    )
    longer = cloud.ok("PATCH", path, {"retentionPolicy": {"retentionPeriod": 61}})["retentionPolicy"]
    assert longer == {**policy, "retentionPeriod": "61", "isLocked": True}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"iamConfiguration": {}},
            "Hierarchical namespace buckets must use uniform bucket-level access.",
        ),
        (
            {"versioning": {"enabled": True}},
            "Versioning is not supported for hierarchical namespace buckets.",
        ),
        (
            {"retentionPolicy": {"retentionPeriod": "60"}},
            "Retention policy is not supported for hierarchical namespace buckets.",
        ),
    ],
)
def test_a_hierarchical_bucket_excludes_other_settings(
    cloud: Cloud, more: dict[str, Any], message: str
) -> None:
    """Uniform access is a must; versions and retention are out. Later changes of the setting are ignored."""
    sent = {
        "name": f"{cloud.project}-tree",
        "hierarchicalNamespace": {"enabled": True},
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
    }
    refused = cloud.post("/storage/v1/b?project={P}", {**sent, **more})
    assert refusal(refused) == (400, "invalid", message)
    path = f"/storage/v1/b/{made(cloud, 'tree', hierarchicalNamespace={'enabled': True})}"
    after = cloud.ok("PATCH", path, {"hierarchicalNamespace": {"enabled": False}})
    assert (after["hierarchicalNamespace"], after["metageneration"]) == ({"enabled": True}, "2")


def test_autoclass_remembers_when_it_was_toggled(cloud: Cloud) -> None:
    """The terminal class has a time of its own."""
    path = f"/storage/v1/b/{made(cloud, 'auto', autoclass={'enabled': True})}"
    first = cloud.ok("GET", path)["autoclass"]
    second = cloud.ok("PATCH", path, {"autoclass": {"terminalStorageClass": "ARCHIVE"}})["autoclass"]
    assert second["toggleTime"] == first["toggleTime"]
    assert second["terminalStorageClassUpdateTime"] > first["terminalStorageClassUpdateTime"]
    assert cloud.ok("PATCH", path, {"autoclass": {"enabled": False}})["autoclass"]["enabled"] is False


def test_the_organisation_may_want_uniform_access(cloud: Cloud) -> None:
    """Then a bucket without it is a 412 in Google's words, and so is taking it away."""
    path = f"/storage/v1/b/{made(cloud, 'uniform')}"
    wanted = {"organization_policies": ["storage.uniformBucketLevelAccess"]}
    cloud.ok("PUT", "/sandbox/v1/conditions", wanted)
    try:
        plain = cloud.post("/storage/v1/b?project={P}", {"name": f"{cloud.project}-plain"})
        off = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}}}
        for refused in (plain, cloud.call("PATCH", path, off)):
            assert refusal(refused) == (
                412,
                "conditionNotMet",
                "Request violates constraint 'constraints/storage.uniformBucketLevelAccess'",
            )
        assert cloud.call("PATCH", path, {"labels": {"a": "b"}}).status == 200
    finally:
        cloud.ok("PUT", "/sandbox/v1/conditions", {})


def test_the_organisation_may_forbid_public_members(cloud: Cloud) -> None:
    """The bucket's own setting stays what it is; the policy is refused as if it were enforced there."""
    path = f"/storage/v1/b/{made(cloud, 'public')}"
    public = {"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}
    cloud.ok("PUT", "/sandbox/v1/conditions", {"organization_policies": ["storage.publicAccessPrevention"]})
    try:
        status, reason, message = refusal(cloud.call("PUT", f"{path}/iam", public))
        assert (status, reason) == (412, "conditionNotMet")
        assert message.startswith("The member bindings allUsers and allAuthenticatedUsers are not allowed")
        assert cloud.ok("GET", path)["iamConfiguration"]["publicAccessPrevention"] == "inherited"
    finally:
        cloud.ok("PUT", "/sandbox/v1/conditions", {})
    assert cloud.call("PUT", f"{path}/iam", public).status == 200
