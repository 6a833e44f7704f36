"""The bucket, what becomes of what is in it, and retention: every key on a live deployment."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from tests.keys.live import Case, Live, keys_of, living, prove
from tests.sandbox.calls import Cloud, new_project

BUCKET = "~ storage.bucket/every-key-mlflow-keys-artifacts"
DESTINATION = "~ run.service/mlflow-keys template.containers.env.MLFLOW_ARTIFACTS_DESTINATION"
WRITERS = "~ storage.bucket_iam/every-key-mlflow-keys-artifacts roles/storage.objectUser"
RETAIN = "~ run.job/mlflow-keys-retention template.template.containers.env"
OWN = "gs://every-key-mlflow-keys-artifacts"
RING = "projects/every-key/locations/europe-west1/keyRings/ring"
RETENTION = "lifecycle.retention.delete_runs_after_days"

Rule = dict[str, Any]


def _delete(**condition: Any) -> Rule:
    return {"action": {"type": "Delete"}, "condition": condition}


def _colder(storage_class: str, age: int) -> Rule:
    return {"action": {"type": "SetStorageClass", "storageClass": storage_class}, "condition": {"age": age}}


def _dropped(age: int) -> Rule:
    return {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": age}}


def _rules(before: list[Rule], after: list[Rule]) -> tuple[str]:
    return (f"{BUCKET} lifecycle: {before} -> {after}",)


FIRST = [_delete(daysSinceNoncurrentTime=30), _dropped(7)]
NEARLINE = [_colder("NEARLINE", 30), *FIRST]
COLDLINE = [NEARLINE[0], _colder("COLDLINE", 90), *FIRST]
ARCHIVE = [*COLDLINE[:2], _colder("ARCHIVE", 365), *FIRST]
NONCURRENT = [*ARCHIVE[:3], _delete(daysSinceNoncurrentTime=60), _dropped(7)]
UPLOADS = [*ARCHIVE[:3], _delete(daysSinceNoncurrentTime=60), _dropped(3)]
EXPIRY = [_delete(age=14, matchesPrefix=["scratch/"])]
LIFE = {
    "lifecycle.nearline_after_days": Case(30, _rules(FIRST, NEARLINE)),
    "lifecycle.coldline_after_days": Case(90, _rules(NEARLINE, COLDLINE)),
    "lifecycle.archive_after_days": Case(365, _rules(COLDLINE, ARCHIVE)),
    "lifecycle.delete_noncurrent_after_days": Case(60, _rules(ARCHIVE, NONCURRENT)),
    "lifecycle.abort_uploads_after_days": Case(3, _rules(NONCURRENT, UPLOADS)),
    "lifecycle.soft_delete_days": Case(
        14, (f"{BUCKET} softDeletePolicy.retentionDurationSeconds: 604800 -> 1209600",)
    ),
    "lifecycle.delete_prefixes": Case(
        [{"prefix": "scratch/", "after_days": 14}],
        (f"{BUCKET} lifecycle.expiry: [] -> {EXPIRY}",),
        given={"artifacts.folder": "runs"},
    ),
    RETENTION: Case(
        180,
        (
            "+ cloudscheduler.job/mlflow-keys-retention",
            "+ iam.service_account/mlflow-keys-cron@every-key.iam.gserviceaccount.com",
            "+ run.job/mlflow-keys-retention",
            "+ run.job_iam/mlflow-keys-retention",
            "~ serviceusage.services/services cloudscheduler.googleapis.com: DISABLED -> ENABLED",
        ),
    ),
    "lifecycle.retention.restorable_days": Case(9, (f"{RETAIN}.RETAIN_RESTORABLE_DAYS: 7 -> 9",)),
    "lifecycle.retention.keep_tag": Case("hold", (f"{RETAIN}.RETAIN_KEEP_TAG: keep -> hold",)),
    "lifecycle.retention.schedule": Case(
        "0 4 * * *", ("~ cloudscheduler.job/mlflow-keys-retention schedule: 0 3 * * 0 -> 0 4 * * *",)
    ),
    "lifecycle.retention.time_zone": Case(
        "Europe/Paris", ("~ cloudscheduler.job/mlflow-keys-retention timeZone: Etc/UTC -> Europe/Paris",)
    ),
    "lifecycle.retention.dry_run": Case(True, (f"{RETAIN}.RETAIN_DRY_RUN: false -> true",)),
    "lifecycle.versioning": Case(True, (f"{BUCKET} versioning: False -> True",)),
}
PLACE = {
    "artifacts.access": Case(
        "direct",
        (
            "~ run.service/mlflow-keys template.containers.env.MLFLOW_ARTIFACTS_ACCESS: None -> direct",
            f"{WRITERS} user:ada@acme.example: None -> granted",
        ),
        along={"artifacts.writers": ["user:ada@acme.example"]},
    ),
    "artifacts.writers": Case(
        ["user:ada@acme.example", "user:bob@acme.example"],
        (f"{WRITERS} user:bob@acme.example: None -> granted",),
    ),
    "artifacts.location": Case("europe-west9", refused="location cannot change on a live resource"),
    "artifacts.storage_class": Case("nearline", (f"{BUCKET} storageClass: STANDARD -> NEARLINE",)),
    "artifacts.kms_key": Case(
        f"{RING}/cryptoKeys/artifacts",
        (
            "~ cloudkms.key_iam/artifacts roles/cloudkms.cryptoKeyEncrypterDecrypter "
            "serviceAccount:service-NUMBER@gs-project-accounts.iam.gserviceaccount.com: None -> granted",
            f"{BUCKET} encryption.defaultKmsKeyName: None -> {RING}/cryptoKeys/artifacts",
        ),
    ),
    "artifacts.bucket": Case(
        "another-bucket-of-keys",
        (
            "+ storage.bucket/another-bucket-of-keys",
            "+ storage.bucket_iam/another-bucket-of-keys",
            f"{DESTINATION}: {OWN} -> gs://another-bucket-of-keys",
        ),
    ),
    "artifacts.existing": Case(
        True,
        (),
        given={"artifacts.kms_key": None, "artifacts.storage_class": None, "artifacts.location": None},
    ),
    "artifacts.folder": Case(
        "mlflow/keys",
        (
            f"{DESTINATION}: gs://another-bucket-of-keys -> gs://another-bucket-of-keys/mlflow/keys",
            *(
                f"~ storage.bucket_iam/another-bucket-of-keys roles/storage.objectUser user:{who}@acme.example "
                "gs://another-bucket-of-keys/mlflow/keys: None -> granted"
                for who in ("ada", "bob")
            ),
        ),
    ),
}


@pytest.fixture(scope="module", name="live")
def _live(tmp_path_factory: pytest.TempPathFactory) -> Generator[Live]:
    with living(tmp_path_factory.mktemp("artifacts"), mlflow=False) as live:
        yield live


@pytest.fixture(scope="module", name="placed")
def _placed(tmp_path_factory: pytest.TempPathFactory) -> Generator[Live]:
    """Another one: what a bucket of somebody else's is never told would be in the way."""
    with living(tmp_path_factory.mktemp("place"), mlflow=False) as live:
        _make_key(new_project(live.port, "cloudkms", project="every-key"))
        yield live


def _make_key(cloud: Cloud) -> None:
    cloud.ok("POST", f"/v1/{RING.rpartition('/')[0]}?keyRingId=ring", {})
    cloud.ok("POST", f"/v1/{RING}/cryptoKeys?cryptoKeyId=artifacts", {"purpose": "ENCRYPT_DECRYPT"})


@pytest.mark.parametrize("key", keys_of("lifecycle"))
def test_a_key_of_life_changes_exactly_what_it_says(live: Live, key: str) -> None:
    """Applied, it leaves nothing to say; applied again, nothing is written."""
    prove(live, key, LIFE)


@pytest.mark.parametrize("key", keys_of("artifacts"))
def test_a_key_of_place_changes_exactly_what_it_says(placed: Live, key: str) -> None:
    """Applied, it leaves nothing to say; applied again, nothing is written."""
    prove(placed, key, PLACE)
