"""What a secret may say of itself: its fields, their rules, and how a PATCH with a mask changes them.

Times in the past are taken: Google refuses them, but whoever replays what was recorded brings times of that day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

from reconciler.sandbox import labels
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.web.fields import open_fields, refused
from reconciler.sandbox.world import timestamp

MUTABLE: Final = tuple(sorted(open_fields("secretmanager.Secret")))
ENCRYPTION: Final = "customerManagedEncryption"
ON_CREATION: Final = (*MUTABLE, ENCRYPTION, "secretType")
MOST_TOPICS: Final = 10
MOST_ANNOTATIONS: Final = 16384
"""Bytes of all keys and values together."""
HOUR: Final = 3600
DAY: Final = 86400
CENTURY: Final = 3_153_600_000
"""100 years, in seconds."""
_TOPIC: Final = re.compile(r"projects/[^/]+/topics/[^/]+")
_KEY: Final = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_ALIAS: Final = re.compile(r"(?!latest$)[A-Za-z][A-Za-z0-9_-]{0,62}")


def check(sent: Mapping[str, Any]) -> None:
    """Raise ApiError 400 where a field that is sent breaks a rule."""
    labels.check(inner(sent, "labels"))
    if sent.get("ttl") and sent.get("expireTime"):
        raise _both()
    annotations = inner(sent, "annotations")
    if sum(len(f"{key}{value}".encode()) for key, value in annotations.items()) > MOST_ANNOTATIONS:
        raise ApiError(400, f"The annotations are larger than {MOST_ANNOTATIONS} bytes.")
    _check_topics(sent.get("topics") or (), rotates=bool(sent.get("rotation")))
    rotation = inner(sent, "rotation")
    if rotation.get("rotationPeriod"):
        if not rotation.get("nextRotationTime"):
            raise ApiError(400, "next_rotation_time must be set if rotation_period is set.")
        _check_seconds("rotation_period", rotation["rotationPeriod"], HOUR)
    if sent.get("versionDestroyTtl"):
        _check_seconds("version_destroy_ttl", sent["versionDestroyTtl"], DAY)
    for alias in inner(sent, "versionAliases"):
        if _ALIAS.fullmatch(alias) is None:
            raise ApiError(400, f"The version alias [{alias}] does not match the expected format.")
    check_key(sent)


def _both() -> ApiError:
    return ApiError(400, "Only one of ttl and expire_time may be set.")


def _check_topics(topics: Sequence[Mapping[str, Any]], *, rotates: bool) -> None:
    if len(topics) > MOST_TOPICS:
        raise ApiError(400, f"A secret may have at most {MOST_TOPICS} topics.")
    for topic in topics:
        if _TOPIC.fullmatch(str(topic.get("name", ""))) is None:
            raise ApiError(
                400, f"The topic name [{topic.get('name', '')}] does not match projects/*/topics/*."
            )
    if rotates and not topics:
        raise ApiError(400, "A secret with a rotation policy must have at least one topic.")


def _check_seconds(field: str, duration: str, least: int) -> None:
    if not least <= float(duration.removesuffix("s")) <= CENTURY:
        raise ApiError(400, f"{field} must be from {least}s to {CENTURY}s.")


def check_key(holder: Mapping[str, Any]) -> None:
    """Raise ApiError 400 where the encryption of *holder* (a secret, a replica) names no Cloud KMS key."""
    encryption = holder.get(ENCRYPTION)
    if encryption is not None and _KEY.fullmatch(str(encryption.get("kmsKeyName", ""))) is None:
        raise ApiError(400, "The kms_key_name is not the name of a Cloud KMS key.")


def replication(sent: Mapping[str, Any], *, regional: bool) -> dict[str, Any]:
    """The replication of a new secret; {} for a regional one. Raises ApiError 400."""
    wished = inner(sent, "replication")
    if regional:
        if wished:
            raise ApiError(400, "The replication policy of a regional secret must not be set.")
        return {}
    if len(wished.keys() & {"automatic", "userManaged"}) != 1:
        raise ApiError(400, "The replication policy of the secret must be set: automatic or userManaged.")
    if "automatic" in wished:
        check_key(wished["automatic"])
        return wished
    replicas = cast("list[dict[str, Any]]", inner(wished, "userManaged").get("replicas") or [])
    places = [str(replica.get("location", "")) for replica in replicas]
    if not places or "" in places or len(set(places)) < len(places):
        raise ApiError(
            400, "A user-managed replication policy needs one replica or more, each in a location of its own."
        )
    for replica in replicas:
        check_key(replica)
    return wished


def settled(body: Body, now: datetime) -> Body:
    """The secret with a ttl turned into the time when it expires, and without what is empty."""
    ttl = body.get("ttl")
    ends = {"expireTime": timestamp(now + timedelta(seconds=float(ttl.removesuffix("s"))))} if ttl else {}
    kept = {key: value for key, value in body.items() if key != "ttl" and value not in ({}, [], "", None)}
    return {**kept, **ends}


def patched(old: Body, sent: Mapping[str, Any], mask: Sequence[str], now: datetime) -> Body:
    """*old* with the fields of *mask* as *sent* has them; raises ApiError 400 for fields that cannot be changed."""
    fresh = dict(old)
    named = {labels.camel(path) for path in mask}
    if {"ttl", "expireTime"} <= named and sent.get("ttl") and sent.get("expireTime"):
        raise _both()
    for path in mask:
        field, *below = [labels.camel(part) for part in path.split(".")]
        if field in ("etag", "name"):
            continue
        if field == "replication":
            fresh["replication"] = _encrypted_anew(old, sent)
        elif field not in (*MUTABLE, ENCRYPTION) or (field == ENCRYPTION and "replication" in old):
            raise refused("secretmanager.Secret", field, sent)
        elif below:
            fresh[field] = _nested(inner(fresh, field), inner(sent, field), below)
        else:
            fresh[field] = sent.get(field)
            if field == "ttl" and sent.get("ttl"):
                fresh.pop("expireTime", None)
    return settled(fresh, now)


def _nested(old: Mapping[str, Any], sent: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    field, *below = path
    value = _nested(inner(old, field), inner(sent, field), below) if below else sent.get(field)
    kept = {key: known for key, known in old.items() if key != field}
    return kept if value in (None, {}) else {**kept, field: value}


def _encrypted_anew(old: Body, sent: Mapping[str, Any]) -> dict[str, Any]:
    """The replication may get other keys, nothing else."""
    wished = replication(sent, regional=False)
    if _places(wished) != _places(old["replication"]):
        raise ApiError(400, "The replication policy of a secret cannot be changed, but for its encryption.")
    return wished


def _places(policy: Mapping[str, Any]) -> list[str]:
    replicas = cast("list[dict[str, Any]]", inner(policy, "userManaged").get("replicas") or [])
    return ["automatic"] if "automatic" in policy else [str(replica.get("location")) for replica in replicas]
