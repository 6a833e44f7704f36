"""Lifecycle rules of a bucket, in the form in which Cloud Storage keeps them, and refused in its words.

What it takes was measured of the real service: a documented limit of 100 rules is not enforced, one of 1,000 prefixes
and suffixes is. Rules are kept and validated here; nothing ages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.store import inner

CLASSES: Final = (
    "STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE", "MULTI_REGIONAL", "REGIONAL", "DURABLE_REDUCED_AVAILABILITY",
)  # fmt: skip
ACTIONS: Final = ("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload")
ABORT_CONDITIONS: Final = frozenset({"age", "matchesPrefix", "matchesSuffix"})
"""All that AbortIncompleteMultipartUpload goes with ("Object Lifecycle Management")."""
COUNTS: Final = ("age", "daysSinceCustomTime", "daysSinceNoncurrentTime", "numNewerVersions")
DATES: Final = ("createdBefore", "customTimeBefore", "noncurrentTimeBefore")
SIZES: Final = ("sizeAboveBytes", "sizeBelowBytes")
AFFIXES: Final = ("matchesPrefix", "matchesSuffix")
MOST_AFFIXES: Final = 1000
LARGEST: Final = 5 << 40
"""5 TiB, the size of the largest object."""


def storage_class(text: str) -> str | None:
    """The class as Cloud Storage writes it, whatever the case; None where there is none of that name."""
    upper = text.upper()
    return upper if upper in CLASSES else None


def normal(rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rules as they are kept: classes in capitals, empty lists dropped. Raises ApiError 400."""
    kept = [_rule(rule) for rule in rules]
    affixes = sum(len(rule["condition"].get(name, ())) for rule in kept for name in AFFIXES)
    if affixes > MOST_AFFIXES:
        raise _invalid(
            "Lifecycle matches_suffix and matches_prefix cannot specify more than "
            f"{MOST_AFFIXES} rules per config."
        )
    return kept


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    action = _action(inner(rule, "action"))
    condition = _condition(inner(rule, "condition"))
    if action["type"] == "AbortIncompleteMultipartUpload" and condition.keys() - ABORT_CONDITIONS:
        raise _invalid(
            "Lifecycle age_days, matches_prefix, and matches_suffix conditions are the only ones allowed for a "
            "ABORT_INCOMPLETE_MULTIPART_UPLOAD rule."
        )
    return {"action": action, "condition": condition}


def _action(action: Mapping[str, Any]) -> dict[str, Any]:
    kind, wanted = action.get("type"), action.get("storageClass")
    if kind not in ACTIONS:
        raise _invalid(f"Invalid value for: {kind} is not a valid value")
    if kind != "SetStorageClass":
        if wanted:
            raise _invalid("Storage class can only be specified for SET_STORAGE_CLASS actions")
        return {"type": kind}
    if not wanted:
        raise _invalid("Lifecycle storage class rules must specify the destination storage class.")
    target = storage_class(str(wanted))
    if target is None:
        raise _invalid(
            f"Unknown storage class '{wanted}' is not a valid option for SET_STORAGE_CLASS actions."
        )
    return {"type": kind, "storageClass": target}


def _condition(sent: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in sent.items():
        if value is None or value == []:
            continue
        kept[name] = _checked(name, value)
    if not kept:
        raise _invalid("Lifecycle rules must have a condition.")
    return kept


def _checked(name: str, value: Any) -> Any:
    if name in COUNTS and value < 0:
        raise _invalid(f"Lifecycle {name} condition must be greater than or equal to 0, but was {value}")
    if name in DATES and not _is_day(str(value)):
        raise _invalid(f'Invalid value for: Invalid format: "{value}"')
    if name in SIZES and not 0 <= int(value) <= LARGEST:
        text = (
            f"Lifecycle {name} condition cannot exceed GCS maximum object size limit: 5 TiB, but was {value}."
        )
        raise _invalid(text)
    if name in AFFIXES and any(not 1 <= len(one) <= 1024 for one in cast("list[str]", value)):
        raise _invalid(f"Lifecycle {name} cannot contain a string that is empty or longer than 1024.")
    if name == "matchesStorageClass":
        return [_class(one) for one in cast("list[str]", value)]
    if name == "matchesPattern":
        raise _invalid("MatchesPattern is not available for this project")
    return value


def _class(text: str) -> str:
    found = storage_class(text)
    if found is None:
        raise _invalid(f'Invalid storage class "{text}"')
    return found


def _is_day(text: str) -> bool:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _invalid(text: str) -> ApiError:
    return ApiError(400, text, reason="invalid")
