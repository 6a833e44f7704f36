"""What each setting of a bucket becomes: defaults, normal forms, rules, and what a change of it may not do.

Written from what the API reference says and from what was recorded and measured of the real service; where both speak,
the measurement counts (null puts soft delete's default back, `labels: {}` removes every label, a locked period grows).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.sandbox import labels
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.storage import lifecycle
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.web.fields import check_change, fixed_fields
from reconciler.sandbox.world import stamp

SOFT_DELETE: Final = 604800
DAY: Final = 86400
LONGEST_RETENTION: Final = 3_155_760_000
"""100 years, in seconds."""
DROPPED_EMPTY: Final = (
    "labels",
    "cors",
    "website",
    "logging",
    "encryption",
    "billing",
    "versioning",
    "ipFilter",
)
KEY: Final = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
REGION: Final = re.compile(r"[A-Z]+-[A-Z]+\d{1,2}")
MULTI: Final = ("US", "EU", "ASIA")
DUAL: Final = ("NAM4", "EUR4", "EUR5", "EUR7", "EUR8", "ASIA1")
ENFORCEMENTS: Final = (
    "customerManagedEncryptionEnforcementConfig",
    "customerSuppliedEncryptionEnforcementConfig",
    "googleManagedEncryptionEnforcementConfig",
)


def place(location: str, placement: Mapping[str, Any]) -> str:
    """The locationType of a bucket in *location* (capitals). Raises ApiError 400 where there is no such place."""
    if placement.get("dataLocations"):
        if location not in MULTI or len(placement["dataLocations"]) != 2:
            raise invalid("The specified custom placement config is not valid.")
        return "dual-region"
    if location in DUAL:
        return "dual-region"
    if location in MULTI:
        return "multi-region"
    if REGION.fullmatch(location):
        return "region"
    raise invalid("The specified location constraint is not valid.")


def settle(old: Body, new: Body, now: datetime) -> None:
    """Put every setting of *new* into its normal form, as follows from its difference to *old*. Raises ApiError."""
    for setting in _SETTINGS:
        setting(old, new, now)
    for key in DROPPED_EMPTY:
        if not new.get(key, True):
            new.pop(key)


def invalid(text: str) -> ApiError:
    """Cloud Storage's 400."""
    return ApiError(400, text, reason="invalid")


_FIXED: Final = sorted(fixed_fields("storage.Bucket"))


def _plain(old: Body, new: Body, _now: datetime) -> None:
    new.setdefault("name", old["name"])
    wished = {**new, "location": str(new.get("location", old["location"])).upper()}
    check_change("storage.Bucket", old, wished, _FIXED)
    new["location"] = old["location"]
    wished = str(new.get("storageClass") or "STANDARD")
    found = lifecycle.storage_class(wished)
    if found is None:
        raise invalid(f'Invalid storage class "{wished}"')
    new["storageClass"] = found
    rpo = new.get("rpo") or "DEFAULT"
    if rpo not in ("DEFAULT", "ASYNC_TURBO") or (
        rpo == "ASYNC_TURBO" and old["locationType"] != "dual-region"
    ):
        raise invalid(f"Invalid argument: rpo {rpo}.")
    new.pop("rpo", None)
    if old["locationType"] != "region":
        new["rpo"] = rpo


def _placement(_old: Body, new: Body, _now: datetime) -> None:
    placement = inner(new, "customPlacementConfig")
    new.pop("customPlacementConfig", None)
    if placement.get("dataLocations"):
        new["customPlacementConfig"] = {"dataLocations": [one.upper() for one in placement["dataLocations"]]}


def _labels(_old: Body, new: Body, _now: datetime) -> None:
    found: dict[str, Any] = inner(new, "labels")
    if len(found) > labels.MOST:
        raise invalid(f"Attempt to create a bucket with {len(found)} labels, maximum is {labels.MOST}")
    for key, value in found.items():
        if not labels.is_key(key):
            raise invalid(f"Invalid user label: {key}")
        if not labels.is_value(value):
            raise invalid(f"Invalid user label: {key} with value {value}")


def _access(old: Body, new: Body, now: datetime) -> None:
    configuration: dict[str, Any] = dict(inner(new, "iamConfiguration"))
    before = old.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {})
    wished = _uniform(configuration, before)
    uniform: dict[str, Any] = {"enabled": wished}
    if wished:
        locked = before.get("lockedTime") if before.get("enabled") else None
        uniform["lockedTime"] = locked or stamp(now + timedelta(days=90))
    elif before.get("enabled") and before.get("lockedTime", "") <= stamp(now):
        raise ApiError(412, "Uniform bucket-level access is locked on this bucket.", reason="conditionNotMet")
    prevention = configuration.get("publicAccessPrevention") or "inherited"
    if prevention not in ("inherited", "enforced", "unspecified"):
        raise invalid(f"Invalid value for: {prevention} is not a valid value")
    new["iamConfiguration"] = {
        "publicAccessPrevention": "inherited" if prevention == "unspecified" else prevention,
        "uniformBucketLevelAccess": uniform,
        "bucketPolicyOnly": dict(uniform),
    }


def _uniform(configuration: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """What is wished; of the two names of the setting, the one that says something new counts."""
    kept = bool(before.get("enabled", False))
    for name in ("uniformBucketLevelAccess", "bucketPolicyOnly"):
        wished = inner(configuration, name).get("enabled")
        if wished is not None and bool(wished) != kept:
            return bool(wished)
    return kept


def _soft_delete(old: Body, new: Body, now: datetime) -> None:
    wished = new.get("softDeletePolicy")
    seconds = SOFT_DELETE if wished is None else int(wished.get("retentionDurationSeconds") or 0)
    if seconds and not 7 * DAY <= seconds <= 90 * DAY:
        raise invalid("Soft delete policy must have a retention duration between 7 days and 90 days.")
    before = inner(old, "softDeletePolicy")
    same = int(before.get("retentionDurationSeconds", -1)) == seconds and "effectiveTime" in before
    effective = {"effectiveTime": before["effectiveTime"] if same else stamp(now)} if seconds else {}
    new["softDeletePolicy"] = {"retentionDurationSeconds": str(seconds), **effective}


def _retention(old: Body, new: Body, now: datetime) -> None:
    before, wished = inner(old, "retentionPolicy"), inner(new, "retentionPolicy")
    locked = bool(before.get("isLocked"))
    new.pop("retentionPolicy", None)
    if "retentionPeriod" not in wished:
        if locked:
            text = f"Bucket '{old['name']}' has a locked Retention Policy which cannot be removed."
            raise ApiError(403, text, reason="retentionPolicyNotMet")
        return
    seconds = int(wished["retentionPeriod"])
    if not 1 <= seconds <= LONGEST_RETENTION:
        raise invalid("Retention policy must have a retention period greater than 0 and less than 100 years.")
    if locked and seconds < int(before["retentionPeriod"]):
        text = f"Cannot reduce retention duration of a locked Retention Policy for bucket '{old['name']}'."
        raise ApiError(403, text, reason="forbidden")
    new["retentionPolicy"] = {
        "retentionPeriod": str(seconds),
        "effectiveTime": before.get("effectiveTime", stamp(now)),
        **({"isLocked": True} if locked else {}),
    }


def _autoclass(old: Body, new: Body, now: datetime) -> None:
    wished = inner(new, "autoclass")
    before = inner(old, "autoclass")
    new.pop("autoclass", None)
    if not wished.get("enabled"):
        # One that was never on is not shown at all, as recorded.
        if before.get("enabled"):
            new["autoclass"] = {"enabled": False, "toggleTime": stamp(now)}
        elif before:
            new["autoclass"] = before
        return
    terminal = wished.get("terminalStorageClass") or "NEARLINE"
    if terminal not in ("NEARLINE", "ARCHIVE"):
        raise invalid(f"Invalid argument: terminalStorageClass {terminal}.")
    kept = before.get("enabled") and before.get("terminalStorageClass") == terminal
    new["storageClass"] = "STANDARD"
    new["autoclass"] = {
        "enabled": True,
        "toggleTime": before["toggleTime"] if before.get("enabled") else stamp(now),
        "terminalStorageClass": terminal,
        "terminalStorageClassUpdateTime": before["terminalStorageClassUpdateTime"] if kept else stamp(now),
    }


def _lifecycle(_old: Body, new: Body, _now: datetime) -> None:
    sent = inner(new, "lifecycle")
    rules = lifecycle.normal(sent.get("rule") or [])
    new.pop("lifecycle", None)
    if rules:
        new["lifecycle"] = {"rule": rules}


def _encryption(old: Body, new: Body, now: datetime) -> None:
    wished: dict[str, Any] = {key: value for key, value in inner(new, "encryption").items() if value}
    before = inner(old, "encryption")
    key = wished.get("defaultKmsKeyName")
    if key and not KEY.fullmatch(key):
        raise invalid(f"Malformed Cloud KMS crypto key: {key}")
    for name in ENFORCEMENTS:
        if name in wished:
            mode = wished[name].get("restrictionMode", "NotRestricted")
            known = before.get(name, {})
            since = known["effectiveTime"] if known.get("restrictionMode") == mode else stamp(now)
            wished[name] = {"restrictionMode": mode, "effectiveTime": since}
    new["encryption"] = wished


def _logging(old: Body, new: Body, _now: datetime) -> None:
    logging: dict[str, Any] = inner(new, "logging")
    if logging and not logging.get("logBucket"):
        raise invalid("A log object prefix needs a log bucket.")
    # Logs are named after the bucket where nothing else was said ("Usage logs & storage logs").
    new["logging"] = (
        {**logging, "logObjectPrefix": logging.get("logObjectPrefix", old["name"])} if logging else {}
    )


def _namespace(_old: Body, new: Body, _now: datetime) -> None:
    if not inner(new, "hierarchicalNamespace").get("enabled"):
        new.pop("hierarchicalNamespace", None)
        return
    if not new["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]:
        raise invalid("Hierarchical namespace buckets must use uniform bucket-level access.")
    if inner(new, "versioning").get("enabled"):
        raise invalid("Versioning is not supported for hierarchical namespace buckets.")
    if new.get("retentionPolicy"):
        raise invalid("Retention policy is not supported for hierarchical namespace buckets.")
    if new.get("objectRetention"):
        raise invalid("Object retention config is not supported for hierarchical namespace buckets.")


_SETTINGS: Final[tuple[Callable[[Body, Body, datetime], None], ...]] = (
    _plain, _placement, _labels, _access, _soft_delete, _retention, _autoclass, _lifecycle, _encryption, _logging,
    _namespace,
)  # fmt: skip
