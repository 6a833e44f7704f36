"""Secret Manager."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.sandbox.calls import Cloud, crc32c

SECRETS = "/v1/projects/{P}/secrets"
AUTOMATIC: dict[str, Any] = {"replication": {"automatic": {}}}


def payload(data: bytes, **extra: str) -> dict[str, Any]:
    """The body of addVersion."""
    return {"payload": {"data": base64.b64encode(data).decode(), **extra}}


@pytest.fixture(name="path")
def _path(cloud: Cloud) -> str:
    """An empty secret."""
    cloud.ok("POST", f"{SECRETS}?secretId=pw", {**AUTOMATIC, "labels": {"a": "b"}})
    return f"{SECRETS}/pw"


def test_a_secret_is_named_by_number(cloud: Cloud, path: str) -> None:
    """Asked for by id or by number, it is the same; a second one of its name is a 409."""
    secret = cloud.ok("GET", path)
    assert secret["name"] == f"projects/{cloud.number}/secrets/pw"
    assert set(secret) == {"name", "replication", "createTime", "labels", "etag"}
    assert cloud.ok("GET", f"/v1/{secret['name']}") == secret
    error = cloud.post(f"{SECRETS}?secretId=pw", AUTOMATIC).error
    assert (error["code"], error["status"]) == (409, "ALREADY_EXISTS")
    assert "errors" not in error


def test_a_missing_secret_is_a_404_in_googles_words(cloud: Cloud) -> None:
    """The message carries the number, as recorded."""
    error = cloud.get(f"{SECRETS}/nope").error
    assert error == {
        "code": 404,
        "message": f"Secret [projects/{cloud.number}/secrets/nope] not found.",
        "status": "NOT_FOUND",
    }


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("secretId=s", dict[str, Any]()),
        ("secretId=with%20space", AUTOMATIC),
        ("", AUTOMATIC),
        ("secretId=s", {**AUTOMATIC, "labels": {"Upper": "x"}}),
        ("secretId=s", {**AUTOMATIC, "ttl": "60s", "expireTime": "2030-01-01T00:00:00Z"}),
    ],
)
def test_an_impossible_secret_is_a_400(cloud: Cloud, query: str, body: dict[str, Any]) -> None:
    """Replication and a proper id are required; labels follow the rules."""
    assert cloud.post(f"{SECRETS}?{query}", body).status == 400


def test_only_the_fields_of_the_mask_change(cloud: Cloud, path: str) -> None:
    """The mask is required; what is immutable is refused; a stale etag is a FAILED_PRECONDITION."""
    before = cloud.ok("GET", path)
    sent = {"labels": {"c": "d"}, "annotations": {"note": "not asked for"}, "etag": before["etag"]}
    after = cloud.ok("PATCH", f"{path}?updateMask=labels", sent)
    assert after["labels"] == {"c": "d"}
    assert "annotations" not in after
    assert after["etag"] != before["etag"]
    assert cloud.call("PATCH", path, sent).status == 400
    assert cloud.call("PATCH", f"{path}?updateMask=replication", {}).status == 400
    assert cloud.call("PATCH", f"{path}?updateMask=labels", sent).error["status"] == "FAILED_PRECONDITION"
    assert "labels" not in cloud.ok("PATCH", f"{path}?updateMask=labels", {})


def test_versions_count_up_and_latest_is_the_newest(cloud: Cloud, path: str) -> None:
    """The payload comes back with its checksum; numbers are never used again."""
    assert cloud.get(f"{path}/versions/latest:access").status == 404
    for number in (1, 2):
        made = cloud.ok("POST", f"{path}:addVersion", payload(b"pw%d" % number))
        assert made["name"] == f"projects/{cloud.number}/secrets/pw/versions/{number}"
        assert (made["state"], made["replicationStatus"]) == ("ENABLED", {"automatic": {}})
    read = cloud.ok("GET", f"{path}/versions/latest:access")
    assert read["name"].endswith("/versions/2")
    assert base64.b64decode(read["payload"]["data"]) == b"pw2"
    assert read["payload"]["dataCrc32c"] == str(crc32c(b"pw2"))
    cloud.ok("POST", f"{path}/versions/2:destroy", {})
    assert cloud.ok("POST", f"{path}:addVersion", payload(b"pw3"))["name"].endswith("/versions/3")


def test_a_checksum_that_does_not_fit_is_refused(cloud: Cloud, path: str) -> None:
    """A fitting one is acknowledged, which gcloud insists on."""
    right = cloud.ok("POST", f"{path}:addVersion", payload(b"pw", dataCrc32c=str(crc32c(b"pw"))))
    assert right["clientSpecifiedPayloadChecksum"] is True
    assert cloud.post(f"{path}:addVersion", payload(b"pw", dataCrc32c="1")).status == 400


@pytest.mark.parametrize("data", [b"", b"x" * 65537])
def test_a_payload_holds_one_byte_to_64_kib(cloud: Cloud, path: str, data: bytes) -> None:
    """Nothing and too much are refused."""
    assert cloud.post(f"{path}:addVersion", payload(data)).status == 400


def test_a_version_is_disabled_enabled_and_destroyed(cloud: Cloud, path: str) -> None:
    """A disabled one cannot be read, a destroyed one never again; enabling an enabled one is fine."""
    cloud.ok("POST", f"{path}:addVersion", payload(b"pw"))
    version = f"{path}/versions/1"
    assert cloud.ok("POST", f"{version}:enable", {})["state"] == "ENABLED"
    assert cloud.ok("POST", f"{version}:disable", {})["state"] == "DISABLED"
    error = cloud.get(f"{version}:access").error
    assert (error["code"], error["status"]) == (400, "FAILED_PRECONDITION")
    assert error["message"].endswith("/versions/1] is in DISABLED state.")
    destroyed = cloud.ok("POST", f"{version}:destroy", {})
    assert (destroyed["state"], "destroyTime" in destroyed) == ("DESTROYED", True)
    assert cloud.get(f"{version}:access").status == 400
    assert cloud.post(f"{version}:enable", {}).error["status"] == "FAILED_PRECONDITION"


def test_a_delayed_destruction_disables_first(cloud: Cloud) -> None:
    """With versionDestroyTtl the version can still be saved."""
    cloud.ok("POST", f"{SECRETS}?secretId=slow", {**AUTOMATIC, "versionDestroyTtl": "86400s"})
    cloud.ok("POST", f"{SECRETS}/slow:addVersion", payload(b"pw"))
    doomed = cloud.ok("POST", f"{SECRETS}/slow/versions/1:destroy", {})
    assert (doomed["state"], "scheduledDestroyTime" in doomed) == ("DISABLED", True)
    saved = cloud.ok("POST", f"{SECRETS}/slow/versions/1:enable", {})
    assert (saved["state"], "scheduledDestroyTime" in saved) == ("ENABLED", False)


def test_versions_are_listed_newest_first(cloud: Cloud, path: str) -> None:
    """In pages, and by state."""
    for number in range(12):
        cloud.ok("POST", f"{path}:addVersion", payload(b"%d" % number))
    cloud.ok("POST", f"{path}/versions/11:disable", {})
    page = cloud.ok("GET", f"{path}/versions?pageSize=5")
    numbers = [one["name"].rpartition("/")[2] for one in page["versions"]]
    assert (numbers, page["totalSize"]) == (["12", "11", "10", "9", "8"], 12)
    rest = cloud.ok("GET", f"{path}/versions?pageToken={page['nextPageToken']}")
    assert [one["name"].rpartition("/")[2] for one in rest["versions"]] == ["7", "6", "5", "4", "3", "2", "1"]
    disabled = cloud.ok("GET", f"{path}/versions?filter=state:DISABLED")["versions"]
    assert [one["name"].rpartition("/")[2] for one in disabled] == ["11"]


@pytest.mark.usefixtures("path")
def test_secrets_are_listed_by_label(cloud: Cloud) -> None:
    """Newest first; a filter that is not understood is refused, not ignored, and one takes the total away."""
    cloud.ok("POST", f"{SECRETS}?secretId=other", AUTOMATIC)
    listed = cloud.ok("GET", SECRETS)
    assert [one["name"].rpartition("/")[2] for one in listed["secrets"]] == ["other", "pw"]
    assert listed["totalSize"] == 2
    assert "totalSize" not in cloud.ok("GET", f"{SECRETS}?filter=name:pw")
    found = cloud.ok("GET", f"{SECRETS}?filter=labels.a%3Db")["secrets"]
    assert [one["name"].rpartition("/")[2] for one in found] == ["pw"]
    assert cloud.get(f"{SECRETS}?filter=create_time%3E1").status == 400


def test_an_alias_is_read_like_a_number(cloud: Cloud, path: str) -> None:
    """It must name a version that exists."""
    cloud.ok("POST", f"{path}:addVersion", payload(b"pw"))
    mask = f"{path}?updateMask=versionAliases"
    assert cloud.call("PATCH", mask, {"versionAliases": {"prod": "9"}}).status == 400
    cloud.ok("PATCH", mask, {"versionAliases": {"prod": "1"}})
    assert cloud.ok("GET", f"{path}/versions/prod:access")["name"].endswith("/versions/1")


def test_a_mask_may_name_a_part_of_a_field(cloud: Cloud) -> None:
    """What it does not name stays as it is; a rotation needs topics."""
    topics = [{"name": "projects/p/topics/t"}]
    rotation = {"nextRotationTime": "2030-01-01T00:00:00Z", "rotationPeriod": "3600s"}
    assert cloud.post(f"{SECRETS}?secretId=turning", {**AUTOMATIC, "rotation": rotation}).status == 400
    cloud.ok("POST", f"{SECRETS}?secretId=turning", {**AUTOMATIC, "rotation": rotation, "topics": topics})
    mask = f"{SECRETS}/turning?updateMask=rotation.rotationPeriod"
    after = cloud.ok("PATCH", mask, {"rotation": {"rotationPeriod": "7200s"}})
    assert after["rotation"] == {**rotation, "rotationPeriod": "7200s"}
    assert cloud.call("PATCH", mask, {"rotation": {"rotationPeriod": "60s"}}).status == 400
    assert "rotation" not in cloud.ok("PATCH", f"{SECRETS}/turning?updateMask=rotation", {})


def test_a_version_says_where_it_lies_and_under_which_key(cloud: Cloud) -> None:
    """Per replica; the places cannot be changed, the keys can, for later versions."""
    key = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k"
    replicas: list[dict[str, Any]] = [{"location": "europe-west1"}, {"location": "europe-west4"}]
    sent = {"replication": {"userManaged": {"replicas": replicas}}}
    assert cloud.ok("POST", f"{SECRETS}?secretId=placed", sent)["replication"] == sent["replication"]
    assert cloud.ok("POST", f"{SECRETS}/placed:addVersion", payload(b"pw"))["replicationStatus"] == {
        "userManaged": {"replicas": replicas}
    }
    keyed = [{**replicas[0], "customerManagedEncryption": {"kmsKeyName": key}}, replicas[1]]
    mask = f"{SECRETS}/placed?updateMask=replication"
    assert (
        cloud.call("PATCH", mask, {"replication": {"userManaged": {"replicas": replicas[:1]}}}).status == 400
    )
    cloud.ok("PATCH", mask, {"replication": {"userManaged": {"replicas": keyed}}})
    status = cloud.ok("POST", f"{SECRETS}/placed:addVersion", payload(b"pw"))["replicationStatus"]
    assert status["userManaged"]["replicas"][0]["customerManagedEncryption"] == {
        "kmsKeyVersionName": f"{key}/cryptoKeyVersions/1"
    }


def test_a_regional_secret_is_one_of_its_own(cloud: Cloud, path: str) -> None:
    """Reached under its location, named by it, without a replication; the global one of its name is another."""
    place = "/v1/projects/{P}/locations/europe-west9/secrets"
    assert cloud.post(f"{place}?secretId=pw", AUTOMATIC).status == 400
    made = cloud.ok("POST", f"{place}?secretId=pw", {"labels": {"a": "regional"}})
    assert made["name"] == f"projects/{cloud.number}/locations/europe-west9/secrets/pw"
    assert "replication" not in made
    version = cloud.ok("POST", f"{place}/pw:addVersion", payload(b"regional"))
    assert (version["name"], "replicationStatus" in version) == (f"{made['name']}/versions/1", False)
    assert (
        base64.b64decode(cloud.ok("GET", f"{place}/pw/versions/latest:access")["payload"]["data"])
        == b"regional"
    )
    error = cloud.get(f"{path}/versions/latest:access").error
    assert error["message"] == f"Secret [projects/{cloud.number}/secrets/pw] not found or has no versions."
    assert [one["name"] for one in cloud.ok("GET", place)["secrets"]] == [made["name"]]
    assert cloud.ok("GET", f"{place}/pw:getIamPolicy") == {"etag": "ACAB"}
    assert cloud.ok("DELETE", f"{place}/pw") == {}
    assert cloud.get(path).status == 200


def test_a_reader_needs_the_accessor_role(cloud: Cloud, path: str) -> None:
    """Granted on the secret it is enough; it opens nothing else."""
    cloud.ok("POST", f"{path}:addVersion", payload(b"pw"))
    email = cloud.account("reader-account")
    reader = cloud.bearer(email)
    refused = reader.get(f"{path}/versions/latest:access").error
    assert (refused["code"], "secretmanager.versions.access" in refused["message"]) == (403, True)
    binding = {"role": "roles/secretmanager.secretAccessor", "members": [f"serviceAccount:{email}"]}
    assert cloud.ok("GET", f"{path}:getIamPolicy?options.requestedPolicyVersion=3") == {"etag": "ACAB"}
    cloud.ok("POST", f"{path}:setIamPolicy", {"policy": {"bindings": [binding], "etag": "ACAB"}})
    assert base64.b64decode(reader.ok("GET", f"{path}/versions/1:access")["payload"]["data"]) == b"pw"
    assert reader.get(path).status == 403


def test_a_deleted_secret_takes_everything_along(cloud: Cloud, path: str) -> None:
    """A new one of its name starts without versions and without policy."""
    cloud.ok("POST", f"{path}:addVersion", payload(b"pw"))
    binding = {"role": "roles/secretmanager.secretAccessor", "members": ["user:a@b.example"]}
    cloud.ok("POST", f"{path}:setIamPolicy", {"policy": {"bindings": [binding]}})
    assert cloud.ok("DELETE", path) == {}
    assert cloud.get(f"{path}/versions/1").status == 404
    cloud.ok("POST", f"{SECRETS}?secretId=pw", AUTOMATIC)
    assert cloud.ok("GET", f"{path}/versions") == {}
    assert cloud.ok("GET", f"{path}:getIamPolicy") == {"etag": "ACAB"}
