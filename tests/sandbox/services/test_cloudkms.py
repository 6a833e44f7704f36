"""Cloud KMS: rings, keys and who may use them; and the services that keep their data under a key."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.calls import Answered, Cloud

RINGS = "/v1/projects/{P}/locations/europe-west1/keyRings"
USER = "roles/cloudkms.cryptoKeyEncrypterDecrypter"


@pytest.fixture(name="kms")
def _kms(cloud: Cloud) -> Cloud:
    """A project with Cloud KMS and a ring in europe-west1."""
    cloud.enable("cloudkms", "storage")
    cloud.ok("POST", f"{RINGS}?keyRingId=r", {})
    return cloud


def make_key(cloud: Cloud, name: str = "k") -> str:
    """A symmetric key in the ring r; its full name."""
    path = f"{RINGS}/r/cryptoKeys?cryptoKeyId={name}"
    return cloud.ok("POST", path, {"purpose": "ENCRYPT_DECRYPT"})["name"]


def open_key(cloud: Cloud, key: str, agent: str) -> None:
    """Let the agent of a domain ("gs-project-accounts") encrypt and decrypt with *key*."""
    member = f"serviceAccount:service-{cloud.number}@{agent}.iam.gserviceaccount.com"
    policy = {"bindings": [{"role": USER, "members": [member]}]}
    cloud.ok("POST", f"/v1/{key}:setIamPolicy", {"policy": policy})


def _bucket(cloud: Cloud, key: str, name: str = "kept", location: str = "europe-west1") -> Answered:
    body = {
        "name": f"{cloud.project}-{name}",
        "location": location,
        "encryption": {"defaultKmsKeyName": key},
    }
    return cloud.post("/storage/v1/b?project={P}", body)


def _instance(cloud: Cloud, key: str, name: str) -> Answered:
    body: dict[str, Any] = {
        "name": name,
        "region": "europe-west1",
        "databaseVersion": "MYSQL_8_0",
        "settings": {"tier": "db-f1-micro", "edition": "ENTERPRISE"},
        "diskEncryptionConfiguration": {"kmsKeyName": key},
    }
    return cloud.post("/v1/projects/{P}/instances", body)


def test_a_key_is_made_in_its_ring(kms: Cloud) -> None:
    """With a first version; a second one of its name is refused, and so is one in no ring."""
    key = make_key(kms)
    found = kms.ok("GET", f"/v1/{key}")
    assert found["primary"] == kms.ok("GET", f"/v1/{key}/cryptoKeyVersions/1")
    assert (found["purpose"], found["primary"]["state"]) == ("ENCRYPT_DECRYPT", "ENABLED")
    assert kms.ok("GET", f"{RINGS}/r/cryptoKeys")["cryptoKeys"] == [found]
    assert [one["name"] for one in kms.ok("GET", RINGS)["keyRings"]] == [key.partition("/cryptoKeys")[0]]
    again = kms.post(f"{RINGS}/r/cryptoKeys?cryptoKeyId=k", {"purpose": "ENCRYPT_DECRYPT"})
    assert (again.status, again.error["message"]) == (409, f"CryptoKey {key} already exists.")
    lost = kms.post(f"{RINGS}/no/cryptoKeys?cryptoKeyId=k", {"purpose": "ENCRYPT_DECRYPT"})
    assert (lost.status, lost.error["status"]) == (404, "NOT_FOUND")
    assert kms.get(f"/v1/{key}x").status == 404


def test_a_ring_lies_where_there_is_such_a_place(kms: Cloud) -> None:
    """A bucket's US is no location of Cloud KMS."""
    assert kms.post("/v1/projects/{P}/locations/US/keyRings?keyRingId=r", {}).status == 404
    assert kms.post("/v1/projects/{P}/locations/us/keyRings?keyRingId=r", {}).status == 200


def test_cloud_storage_needs_its_grant(kms: Cloud) -> None:
    """Its agent exists once somebody asked for it; without the grant neither bucket nor object is made."""
    key = make_key(kms)
    refused = _bucket(kms, key)
    assert refused.status == 403
    assert refused.error["message"].startswith("Permission denied on Cloud KMS key. Please ensure")
    kms.ok("GET", "/storage/v1/projects/{P}/serviceAccount")
    open_key(kms, key, "gs-project-accounts")
    assert _bucket(kms, key).json["encryption"] == {"defaultKmsKeyName": key}
    upload = f"/upload/storage/v1/b/{kms.project}-kept/o?uploadType=media&name=o"
    assert kms.post(upload, raw=b"x").json["kmsKeyName"] == f"{key}/cryptoKeyVersions/1"
    kms.ok("POST", f"/v1/{key}:setIamPolicy", {"policy": {"bindings": []}})
    assert kms.post(upload, raw=b"y").status == 403
    assert kms.get(f"/storage/v1/b/{kms.project}-kept/o/o?alt=media").body == b"x"


def test_a_bucket_and_its_key_lie_in_one_place(kms: Cloud) -> None:
    """The refusal names both."""
    refused = _bucket(kms, make_key(kms), "far", "europe-west9")
    assert (refused.status, refused.error["message"]) == (
        400,
        "Cloud KMS region 'europe-west1' not available for use with GCS region 'EUROPE-WEST9'.",
    )


def test_a_bucket_is_not_moved_to_a_key_that_is_closed(kms: Cloud) -> None:
    """A change of the default key is checked as a new one is; taking it away is not."""
    key = make_key(kms)
    kms.ok("GET", "/storage/v1/projects/{P}/serviceAccount")
    open_key(kms, key, "gs-project-accounts")
    assert _bucket(kms, key).status == 200
    where = f"/storage/v1/b/{kms.project}-kept"
    other = make_key(kms, "other")
    moved = kms.call("PATCH", where, {"encryption": {"defaultKmsKeyName": other}})
    assert moved.status == 403
    freed = kms.call("PATCH", where, {"encryption": {"defaultKmsKeyName": None}})
    assert (freed.status, "encryption" in freed.json) == (200, False)


def test_cloud_sql_needs_its_agent_and_the_grant(kms: Cloud) -> None:
    """In this order: the agent is made on request, then it is granted the key."""
    key = make_key(kms)
    unknown = _instance(kms, key, "one")
    assert (
        unknown.error["message"] == "Invalid request: Per-Product Per-Project Service Account is not found."
    )
    identity = "/v1beta1/projects/{P}/services/sqladmin.googleapis.com:generateServiceIdentity"
    kms.wait(kms.ok("POST", identity, {}))
    assert "Insufficient permission" in _instance(kms, key, "two").error["message"]
    open_key(kms, key, "gcp-sa-cloud-sql")
    assert _instance(kms, key, "three").status == 200
