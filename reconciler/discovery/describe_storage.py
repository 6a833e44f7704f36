"""The part of the spec about the bucket: whose it is, and what becomes of its objects by themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.discovery.parts import Parts
from reconciler.discovery.said import Said
from reconciler.gcp import fields as flat
from reconciler.resources.storage_bucket import DAY

_COLDER = {"NEARLINE": "nearline", "COLDLINE": "coldline", "ARCHIVE": "archive"}


def describe_storage(said: Said, parts: Parts) -> None:
    """A bucket that holds other things too stays somebody else's; one that is MLflow's alone is described."""
    bucket = parts.bucket
    said.say("artifacts.bucket", bucket["name"], parts.how["bucket"])
    said.say("artifacts.folder", parts.folder)
    if parts.shared:
        said.say("artifacts.existing", True, "not MLflow's alone: nothing but access to it is ours")
        return
    location = str(bucket.get("location", "")).lower()
    said.say("artifacts.location", "" if location == parts.region else location)
    said.say("artifacts.storage_class", str(bucket.get("storageClass") or "STANDARD").lower())
    said.say("artifacts.kms_key", str(flat.at(bucket, "encryption.defaultKmsKeyName") or ""))
    said.say("lifecycle.versioning", bool(flat.at(bucket, "versioning.enabled")))
    kept = int(flat.at(bucket, "softDeletePolicy.retentionDurationSeconds") or 0)
    said.say("lifecycle.soft_delete_days", kept // DAY)
    for rule in flat.items(bucket, "lifecycle.rule"):
        _rule(said, rule)


def _rule(said: Said, rule: Mapping[str, Any]) -> None:
    action, condition = flat.section(rule, "action"), dict(flat.section(rule, "condition"))
    kind, age = action.get("type"), condition.pop("age", None)
    colder = _COLDER.get(str(action.get("storageClass")))
    if kind == "SetStorageClass" and colder and age and not condition:
        said.say(f"lifecycle.{colder}_after_days", age)
    elif kind == "AbortIncompleteMultipartUpload" and age and not condition:
        said.say("lifecycle.abort_uploads_after_days", age)
    elif (
        kind == "Delete" and condition.get("daysSinceNoncurrentTime") and len(condition) == 1 and age is None
    ):
        said.say("lifecycle.delete_noncurrent_after_days", condition["daysSinceNoncurrentTime"])
    elif kind == "Delete" and age and not condition:
        said.note(
            "lifecycle",
            f"Now everything goes after {age} days, files of registered models included; that rule is not taken over. "
            f"What knows the registry: retention: {{delete_runs_after_days: {age}}}.",
        )
    else:
        said.note(
            "lifecycle",
            f"A rule that a spec cannot say goes: {kind} where {json.dumps(rule.get('condition'))}.",
        )
