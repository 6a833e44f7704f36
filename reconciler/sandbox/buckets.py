"""What Cloud Storage makes of a bucket that it is sent: defaults, normal forms, rules, preconditions."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, cast

from reconciler.sandbox import labels
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import timestamp

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
ADDRESS: Final = re.compile(r"\d+\.\d+\.\d+\.\d+")
REGION: Final = re.compile(r"[A-Z]+-[A-Z]+\d{1,2}")
MULTI: Final = ("US", "EU", "ASIA")
DUAL: Final = ("NAM4", "EUR4", "EUR5", "EUR7", "EUR8", "ASIA1")
CLASSES: Final = (
    "STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE", "MULTI_REGIONAL", "REGIONAL", "DURABLE_REDUCED_AVAILABILITY",
)  # fmt: skip
ABORT_CONDITIONS: Final = frozenset({"age", "matchesPrefix", "matchesSuffix"})
"""All that AbortIncompleteMultipartUpload goes with ("Object Lifecycle Management")."""
SERVERS_OWN: Final = (
    # The document marks nothing as output-only; these are what the API reference says the server sets.
    "kind", "id", "selfLink", "etag", "generation", "metageneration", "projectNumber", "timeCreated", "updated",
    "locationType", "satisfiesPZI", "satisfiesPZS", "owner", "softDeleteTime", "hardDeleteTime", "rpo",
)  # fmt: skip
NOT_EMULATED: Final = ("acl", "defaultObjectAcl")
SOFT_DELETE: Final = 604800
DAY: Final = 86400


def made(name: str, sent: Mapping[str, Any], number: str, now: datetime) -> Body:
    """The bucket that inserting *sent* makes, in the terms of GET."""
    check_name(name)
    location = str(sent.get("location", "US")).upper()
    if not (REGION.fullmatch(location) or location in (*MULTI, *DUAL)):
        raise ApiError(400, "The specified location constraint is not valid.", reason="invalid")
    kind = "region" if REGION.fullmatch(location) else "multi-region" if location in MULTI else "dual-region"
    at = timestamp(now)
    body: Body = {
        "kind": "storage#bucket",
        "id": name,
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}",
        "name": name,
        "projectNumber": number,
        "generation": str(int(now.timestamp() * 1_000_000)),
        "metageneration": "1",
        "location": location,
        "locationType": kind,
        "storageClass": "STANDARD",
        "timeCreated": at,
        "updated": at,
        "softDeletePolicy": {"retentionDurationSeconds": str(SOFT_DELETE)},
        "iamConfiguration": {},
        **({"rpo": "DEFAULT"} if kind != "region" else {"satisfiesPZI": True}),
    }
    return settled(body, merged(body, accepted(sent)), now)


def accepted(sent: Mapping[str, Any]) -> dict[str, Any]:
    """What of *sent* is the client's to say. Raises ApiError for what the sandbox cannot do."""
    for field in NOT_EMULATED:
        if sent.get(field):
            raise ApiError(400, f"The sandbox does not emulate {field}.", reason="sandboxNotEmulated")
    return {key: value for key, value in sent.items() if key not in (*SERVERS_OWN, *NOT_EMULATED)}


def merged(body: Body, sent: Mapping[str, Any]) -> Body:
    """JSON merge: null deletes, objects are merged, lists and plain values replaced."""
    result = dict(body)
    for key, value in sent.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            old: Any = result.get(key)
            result[key] = merged(cast("Body", old) if isinstance(old, dict) else {}, cast("Body", value))
        else:
            result[key] = value
    return result


def replaced(old: Body, sent: Mapping[str, Any]) -> Body:
    """What PUT makes: the server's own and the immutable fields stay, everything else is as sent or default."""
    kept = {key: old[key] for key in (*SERVERS_OWN, "name", "location") if key in old}
    fresh: Body = {**kept, "storageClass": "STANDARD", "iamConfiguration": {}}
    fresh["softDeletePolicy"] = {"retentionDurationSeconds": str(SOFT_DELETE)}
    return merged(fresh, accepted(sent))


def settled(old: Body, new: Body, now: datetime) -> Body:
    """*new* in normal form, with what follows from its difference to *old*. Raises ApiError 400."""
    _check(old, new)
    _access(old, new, now)
    _soft_delete(old, new, now)
    _autoclass(old, new, now)
    if not _rules(new):
        new.pop("lifecycle", None)
    for key in ("labels", "cors", "website", "logging", "encryption"):
        if not new.get(key, True):
            new.pop(key)
    if new.get("defaultEventBasedHold") is False:
        new.pop("defaultEventBasedHold")
    new["storageClass"] = str(new.get("storageClass", "STANDARD")).upper()
    new["etag"] = etag(new["metageneration"])
    return new


def bumped(body: Body, now: datetime) -> Body:
    """The bucket after a change of its metadata."""
    count = str(int(body["metageneration"]) + 1)
    return {**body, "metageneration": count, "updated": timestamp(now), "etag": etag(count)}


def etag(metageneration: str) -> str:
    """ "CAE=" for 1: a protocol buffer of one varint, in base64."""
    number, encoded = int(metageneration), bytearray(b"\x08")
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return base64.b64encode(bytes(encoded)).decode()


def check_name(name: str) -> None:
    """Raise ApiError 400 for a name that Cloud Storage refuses."""
    plain = NAME.fullmatch(name) is not None and ".." not in name and ADDRESS.fullmatch(name) is None
    short = len(name) <= 63 or ("." in name and all(len(part) <= 63 for part in name.split(".")))
    if not plain or not short or name.startswith("goog") or "google" in name:
        raise ApiError(400, f"Invalid bucket name: '{name}'", reason="invalid")


def check_preconditions(
    body: Mapping[str, Any], params: Mapping[str, Any], what: str = "metageneration"
) -> bool:
    """Raise ApiError 412 where if…Match does not hold; False where if…NotMatch says that nothing changed."""
    name = what[:1].upper() + what[1:]
    actual = str(body.get(what, "0"))
    if f"if{name}Match" in params and params[f"if{name}Match"] != actual:
        raise failed_precondition()
    return params.get(f"if{name}NotMatch") != actual


def failed_precondition() -> ApiError:
    """Google's 412."""
    text = "At least one of the pre-conditions you specified did not hold."
    return ApiError(412, text, reason="conditionNotMet")


def _check(old: Body, new: Body) -> None:
    if str(new.get("location", "")).upper() != old["location"]:
        raise ApiError(400, "The location of a bucket cannot be changed.", reason="invalid")
    new["location"] = old["location"]
    if new.get("name") != old["name"]:
        raise ApiError(400, "The name of a bucket cannot be changed.", reason="invalid")
    if str(new.get("storageClass", "STANDARD")).upper() not in CLASSES:
        raise ApiError(400, f"Invalid storage class: {new['storageClass']}.", reason="invalid")
    access = new.get("iamConfiguration", {}).get("publicAccessPrevention", "inherited")
    if access not in ("inherited", "enforced", "unspecified"):
        raise ApiError(400, f"Invalid argument: publicAccessPrevention {access}.", reason="invalid")
    try:
        labels.check(new.get("labels", {}))
    except ApiError as error:
        raise ApiError(400, error.message, reason="invalid") from error
    for rule in _rules(new):
        _check_rule(rule)


def _rules(bucket: Body) -> list[dict[str, Any]]:
    lifecycle = cast("dict[str, Any]", bucket.get("lifecycle") or {})
    return cast("list[dict[str, Any]]", lifecycle.get("rule") or [])


def _check_rule(rule: Mapping[str, Any]) -> None:
    action = rule.get("action", {}).get("type")
    if action not in ("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"):
        raise ApiError(400, f"Invalid argument: lifecycle action {action}.", reason="invalid")
    if (action == "SetStorageClass") != ("storageClass" in rule["action"]):
        raise ApiError(400, "A storage class goes with SetStorageClass, and only with it.", reason="invalid")
    target = str(rule["action"].get("storageClass", "STANDARD"))
    if target.upper() not in CLASSES:
        raise ApiError(400, f"Invalid storage class: {target}.", reason="invalid")
    condition: dict[str, Any] = rule.get("condition") or {}
    if not condition:
        raise ApiError(400, "A lifecycle rule must have a condition.", reason="invalid")
    foreign = sorted(condition.keys() - ABORT_CONDITIONS)
    if action == "AbortIncompleteMultipartUpload" and foreign:
        text = f"The condition {foreign[0]} is not supported with the action {action}."
        raise ApiError(400, f"Invalid argument: {text}", reason="invalid")


def _access(old: Body, new: Body, now: datetime) -> None:
    configuration: dict[str, Any] = new.setdefault("iamConfiguration", {})
    before = old.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {})
    wished = configuration.get("uniformBucketLevelAccess", configuration.get("bucketPolicyOnly", {}))
    uniform: dict[str, Any] = {"enabled": bool(wished.get("enabled", False))}
    if uniform["enabled"]:
        locked = before.get("lockedTime") if before.get("enabled") else None
        uniform["lockedTime"] = locked or timestamp(now + timedelta(days=90))
    elif before.get("enabled") and before.get("lockedTime", "") <= timestamp(now):
        raise ApiError(412, "Uniform bucket-level access is locked on this bucket.", reason="conditionNotMet")
    access = configuration.get("publicAccessPrevention", "inherited")
    configuration["publicAccessPrevention"] = "inherited" if access == "unspecified" else access
    configuration["uniformBucketLevelAccess"] = uniform
    configuration["bucketPolicyOnly"] = dict(uniform)


def _soft_delete(old: Body, new: Body, now: datetime) -> None:
    seconds = int(new.get("softDeletePolicy", {}).get("retentionDurationSeconds", 0))
    if seconds and not 7 * DAY <= seconds <= 90 * DAY:
        text = "The soft delete retention duration must be 0 or from 7 to 90 days."
        raise ApiError(400, text, reason="invalid")
    before = old.get("softDeletePolicy", {})
    same = int(before.get("retentionDurationSeconds", -1)) == seconds and "effectiveTime" in before
    effective = before["effectiveTime"] if same else timestamp(now)
    new["softDeletePolicy"] = {"retentionDurationSeconds": str(seconds), "effectiveTime": effective}


def _autoclass(old: Body, new: Body, now: datetime) -> None:
    wished = new.get("autoclass")
    if not wished or not wished.get("enabled"):
        new.pop("autoclass", None)
        return
    before = old.get("autoclass", {})
    terminal = wished.get("terminalStorageClass", "NEARLINE")
    kept = before.get("terminalStorageClass") == terminal
    new["storageClass"] = "STANDARD"
    new["autoclass"] = {
        "enabled": True,
        "toggleTime": before.get("toggleTime", timestamp(now)),
        "terminalStorageClass": terminal,
        "terminalStorageClassUpdateTime": before["terminalStorageClassUpdateTime"]
        if kept
        else timestamp(now),
    }
