"""The buckets of a deployment: one for artifacts, one for the image's build contexts."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp.cloud import Cloud
from reconciler.kind import refuse_foreign
from reconciler.model import ANYTHING_ELSE, Body, Desired, Json, Observed, Ref
from reconciler.resources import cloudkms_key_iam
from reconciler.server.naming import Names, label_origins, labels_of, mark_of
from reconciler.spec.deployment import Deployment, Lifecycle

DAY = 24 * 60 * 60
EXPIRY = "lifecycle.expiry"
"""The rules of a bucket's lifecycle that delete objects which are current."""
_OF_OLD_VERSIONS = ("daysSinceNoncurrentTime", "noncurrentTimeBefore", "numNewerVersions")
"""Conditions that only a version which was replaced or deleted can meet."""


class Bucket:
    """`storage.bucket`."""

    name: str = "storage.bucket"
    api: str = "storage.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The artifact bucket, unless it is somebody else's; the build bucket, where the image is built."""
        if not deployment.artifacts.existing:
            yield _artifacts(deployment, names)
        yield _builds(deployment, names)

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """One bucket; versioned by its metageneration."""
        bucket = cloud.storage.bucket(ref.short)
        about = f"reading bucket {ref.short}"

        def read() -> Any:
            bucket.reload(retry=None, timeout=60)
            return bucket

        found = cloud.found(about, read)
        return None if found is None else Observed(ref, _body(found), version=str(found.metageneration))

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create it with everything set, so that it is never open for a moment."""
        body = desired.body or {}
        bucket = cloud.storage.bucket(desired.ref.short)
        _set(bucket, body, body)
        about = f"creating bucket {desired.ref.short}"
        try:
            cloud.call(about, lambda: bucket.create(location=body["location"], retry=None, timeout=60))
        except errors.AlreadyThere as error:
            found = self.observe(cloud, desired.ref)
            refuse_foreign(desired, found)
            if found is None:
                raise errors.Refused(
                    error.message,
                    way_out="Choose another bucket name: names are shared by all of Google Cloud.",
                ) from error

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """PATCH of the changed parts, only while the bucket's metageneration is the one observed."""
        bucket = cloud.storage.bucket(desired.ref.short)
        about = f"updating bucket {desired.ref.short}"
        cloud.call(about, lambda: bucket.reload(retry=None, timeout=60))
        _set(bucket, desired.body or {}, fields)
        cloud.call(
            about, lambda: bucket.patch(if_metageneration_match=int(observed.version), retry=None, timeout=60)
        )

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Empty it, then delete it. Deleted objects stay restorable for the bucket's soft delete time."""
        bucket = cloud.storage.bucket(ref.short)
        about = f"deleting bucket {ref.short}"
        blobs = cloud.found(about, lambda: list(bucket.list_blobs(versions=True, retry=None, timeout=60)))
        for count, blob in enumerate(blobs or [], start=1):
            cloud.note(f"deleting object {count} of {len(blobs or [])}")
            cloud.found(about, lambda blob=blob: blob.delete(retry=None, timeout=60))
        cloud.found(about, lambda: bucket.delete(retry=None, timeout=60))


def ref(bucket: str) -> Ref:
    """The bucket called *bucket*; names are global, so no project is part of it."""
    return Ref(Bucket.name, f"projects/_/buckets/{bucket}")


_EFFECTS = {
    "storageClass": "for new artifacts; those that are there keep their class",
    "encryption.defaultKmsKeyName": (
        "for new artifacts; those that are there stay under the key that they were written with"
    ),
    "lifecycle": "applies to objects that are there already, within a day",
    EXPIRY: "what is named there is deleted by age, whether or not the model registry names it",
    "softDeletePolicy.retentionDurationSeconds": "how long deleted objects can be brought back",
}


def _artifacts(deployment: Deployment, names: Names) -> Desired:
    lifecycle, artifacts = deployment.lifecycle, deployment.artifacts
    at = deployment.origin
    return Desired(
        ref(names.bucket),
        {
            "location": (artifacts.location or deployment.region).upper(),
            "storageClass": artifacts.storage_class.upper(),
            "encryption.defaultKmsKeyName": artifacts.kms_key or None,
            "iamConfiguration.uniformBucketLevelAccess": True,
            "iamConfiguration.publicAccessPrevention": "enforced",
            "versioning": lifecycle.versioning,
            "softDeletePolicy.retentionDurationSeconds": lifecycle.soft_delete_days * DAY,
            **_life(_rules(lifecycle)),
            **flat.prefixed("labels", labels_of(deployment)),
        },
        grave={EXPIRY: ANYTHING_ELSE},
        needs=(cloudkms_key_iam.ref(artifacts.kms_key),) if artifacts.kms_key else (),
        fixed=frozenset({"location"}),
        holds_data=True,
        effects=_EFFECTS,
        mark=mark_of(deployment),
        origins={
            "": at("artifacts"),
            "location": at("artifacts.location" if artifacts.location else "region"),
            "storageClass": at("artifacts.storage_class"),
            "encryption.defaultKmsKeyName": at("artifacts.kms_key"),
            "lifecycle": at("lifecycle"),
            EXPIRY: at("lifecycle.delete_prefixes"),
            "versioning": at("lifecycle.versioning"),
            "softDeletePolicy.retentionDurationSeconds": at("lifecycle.soft_delete_days"),
            **label_origins(deployment),
        },
    )


def _builds(deployment: Deployment, names: Names) -> Desired:
    week = {"action": {"type": "Delete"}, "condition": {"age": 7}}
    body: Body = {
        "location": deployment.region.upper(),
        "iamConfiguration.uniformBucketLevelAccess": True,
        "iamConfiguration.publicAccessPrevention": "enforced",
        **_life([week]),
        **flat.prefixed("labels", labels_of(deployment)),
    }
    wanted = None if deployment.image.digest else body
    return Desired(
        ref(names.build_bucket),
        wanted,
        fixed=frozenset({"location"}),
        mark=mark_of(deployment),
        origins={"": deployment.origin("image")},
    )


def _rules(lifecycle: Lifecycle) -> list[dict[str, Any]]:
    """Lifecycle rules in the API's JSON, in a fixed order."""
    rules: list[dict[str, Any]] = []
    for storage_class, days in (
        ("NEARLINE", lifecycle.nearline_after_days),
        ("COLDLINE", lifecycle.coldline_after_days),
        ("ARCHIVE", lifecycle.archive_after_days),
    ):
        if days:
            rules.append(
                {
                    "action": {"type": "SetStorageClass", "storageClass": storage_class},
                    "condition": {"age": days},
                }
            )
    rules += [
        {"action": {"type": "Delete"}, "condition": {"age": days, "matchesPrefix": sorted(prefixes)}}
        for days, prefixes in sorted(_expiries(lifecycle).items())
    ]
    if lifecycle.delete_noncurrent_after_days:
        rules.append(
            {
                "action": {"type": "Delete"},
                "condition": {"daysSinceNoncurrentTime": lifecycle.delete_noncurrent_after_days},
            }
        )
    if lifecycle.abort_uploads_after_days:
        rules.append(
            {
                "action": {"type": "AbortIncompleteMultipartUpload"},
                "condition": {"age": lifecycle.abort_uploads_after_days},
            }
        )
    return rules


def _life(rules: Iterable[Mapping[str, Any]]) -> dict[str, Json]:
    """*rules* as two fields, in an order of ours: those that delete what is current, and the others."""
    found: dict[str, list[Any]] = {"lifecycle": [], EXPIRY: []}
    for rule in sorted(rules, key=_rule_order):
        condition = rule.get("condition", {})
        old_only = any(key in condition for key in _OF_OLD_VERSIONS) or condition.get("isLive") is False
        expires = rule.get("action", {}).get("type") == "Delete" and not old_only
        found[EXPIRY if expires else "lifecycle"].append(rule)
    return cast("dict[str, Json]", found)


def _expiries(lifecycle: Lifecycle) -> dict[int, set[str]]:
    """The prefixes that go after so many days; one rule takes up to 50 of them."""
    found: dict[int, set[str]] = {}
    for expiry in lifecycle.delete_prefixes:
        found.setdefault(expiry.after_days, set()).add(expiry.prefix)
    return found


def _body(bucket: Any) -> dict[str, Json]:
    configuration = bucket.iam_configuration
    return {
        "location": str(bucket.location or ""),
        "storageClass": str(bucket.storage_class or ""),
        "encryption.defaultKmsKeyName": bucket.default_kms_key_name or None,
        "iamConfiguration.uniformBucketLevelAccess": bool(configuration.uniform_bucket_level_access_enabled),
        "iamConfiguration.publicAccessPrevention": str(configuration.public_access_prevention or "inherited"),
        "versioning": bool(bucket.versioning_enabled),
        "softDeletePolicy.retentionDurationSeconds": int(
            bucket.soft_delete_policy.retention_duration_seconds or 0
        ),
        **_life([flat.known(rule, _RULE) for rule in bucket.lifecycle_rules]),
        **flat.prefixed("labels", bucket.labels),
    }


_RULE = {
    "action": frozenset({"type", "storageClass"}),
    "condition": frozenset(
        {
            "age",
            "createdBefore",
            "customTimeBefore",
            "daysSinceCustomTime",
            "daysSinceNoncurrentTime",
            "isLive",
            "matchesPattern",
            "matchesPrefix",
            "matchesStorageClass",
            "matchesSuffix",
            "noncurrentTimeBefore",
            "numNewerVersions",
        }
    ),
}
"""What a rule may say: a field that Google adds to it one day is no difference."""
_CLASSES = ("NEARLINE", "COLDLINE", "ARCHIVE")


def _rule_order(rule: Mapping[str, Any]) -> tuple[int, str]:
    """Our own order first, so that Google's order of rules is never a difference."""
    action = rule.get("action", {})
    order = {"SetStorageClass": 0, "Delete": 1, "AbortIncompleteMultipartUpload": 2}.get(
        str(action.get("type")), 3
    )
    storage_class = str(action.get("storageClass", ""))
    return order, str(_CLASSES.index(storage_class)) if storage_class in _CLASSES else json.dumps(
        rule, sort_keys=True
    )


def _set(bucket: Any, body: Body, fields: Iterable[str]) -> None:
    for field in fields:
        value: Any = body[field]
        match field:
            case "storageClass":
                bucket.storage_class = value
            case "encryption.defaultKmsKeyName":
                bucket.default_kms_key_name = value
            case "iamConfiguration.uniformBucketLevelAccess":
                bucket.iam_configuration.uniform_bucket_level_access_enabled = value
            case "iamConfiguration.publicAccessPrevention":
                bucket.iam_configuration.public_access_prevention = value
            case "versioning":
                bucket.versioning_enabled = value
            case "softDeletePolicy.retentionDurationSeconds":
                bucket.soft_delete_policy.retention_duration_seconds = value
            case "lifecycle" | "lifecycle.expiry":
                both: Any = [*cast("Any", body["lifecycle"]), *cast("Any", body[EXPIRY])]
                bucket.lifecycle_rules = sorted(both, key=_rule_order)
            case _:
                pass
    labels = flat.under("labels", body, fields)
    if labels:
        bucket.labels = flat.with_map(bucket.labels, labels)
