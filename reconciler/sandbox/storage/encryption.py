"""Keys of Cloud KMS on buckets and objects: Cloud Storage uses them as its own agent of the bucket's project."""

from __future__ import annotations

from typing import Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.secrets import kms_keys
from reconciler.sandbox.storage.bucket_settings import invalid
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.world import World

AGENT: Final = "storage.googleapis.com"
_PLACES: Final = {"EU": "europe"}
"""Where a key lies that is called otherwise than its buckets' place ("Customer-managed encryption keys")."""


def check_default(world: World, old: Body, bucket: Body) -> None:
    """Raise ApiError where *bucket* gets a default key that Cloud Storage cannot use there."""
    key = inner(bucket, "encryption").get("defaultKmsKeyName")
    if key and key != inner(old, "encryption").get("defaultKmsKeyName"):
        check(world, bucket, key)


def key_version(world: World, bucket: Body, wished: str | None) -> dict[str, str]:
    """The key version under which a new object lies: the wished key's, else the bucket's. Raises ApiError."""
    key = wished or inner(bucket, "encryption").get("defaultKmsKeyName")
    if not key:
        return {}
    check(world, bucket, key)
    return {"kmsKeyName": f"{key}/cryptoKeyVersions/1"}


def check(world: World, bucket: Body, key: str) -> None:
    """Raise ApiError 400 for a key elsewhere, 403 for one that is not there or not open to Cloud Storage."""
    place, wanted = kms_keys.location_of(key), str(bucket["location"])
    if place != _PLACES.get(wanted, wanted.lower()):
        # Quoted in googleapis/google-cloud-go, issue 1787.
        raise invalid(f"Cloud KMS region '{place}' not available for use with GCS region '{wanted}'.")
    if not kms_keys.open_to(world, key, bucket["projectId"], AGENT):
        # Quoted in googleapis/nodejs-storage, issue 1254, and googleapis/google-cloud-java, issue 3594.
        text = (
            "Permission denied on Cloud KMS key. Please ensure that your Cloud Storage service account has been "
            "authorized to use this key."
        )
        raise ApiError(403, text, reason="forbidden")
