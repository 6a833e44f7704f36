"""What keeps an object from being deleted or overwritten: holds, its bucket's retention policy, a retention of its own.

The rules and the words are those measured of the real service: a condition is checked before them, metadata can always
be changed, and with versioning a retained object may still become noncurrent while a held one may not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.storage.bucket_settings import invalid
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import stamp

_HOLDS: Final = (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based"))
_UNLOCKED: Final = (
    "The unlocked object retention cannot be removed and its retention period cannot be shortened without overriding "
    "unlocked retention intent and permission."
)
_LOCKED: Final = (
    "The locked object retention cannot be removed. Its retention mode cannot be changed and its retention period "
    "cannot be shortened."
)
TOGETHER: Final = "Retention and event based holds cannot be configured together."


def retained_until(bucket: Body, body: Body) -> datetime | None:
    """Until when policy and retention keep an object; None where they do not, or an event-based hold defers it."""
    ends: list[datetime] = []
    policy = bucket.get("retentionPolicy")
    if policy and not body.get("eventBasedHold"):
        start = datetime.fromisoformat(body.get("retainedFrom", body["timeCreated"]))
        ends.append(start + timedelta(seconds=int(policy["retentionPeriod"])))
    if body.get("retention"):
        ends.append(datetime.fromisoformat(body["retention"]["retainUntilTime"]))
    return max(ends, default=None)


def check(bucket: Body, body: Body, now: datetime, *, archives: bool = False) -> None:
    """Raise Google's 403 where *body* must stay; *archives*: it would stay as a noncurrent generation."""
    where = f"Object '{body['bucket']}/{body['name']}'"
    for field, name in _HOLDS:
        if body.get(field):
            text = (
                f"{where} is under active {name} hold and cannot be deleted, overwritten or archived until hold is "
                "removed."
            )
            raise ApiError(403, text, reason="forbidden")
    until = retained_until(bucket, body)
    if until is not None and now < until and not archives:
        text = (
            f"{where} is subject to bucket's retention policy or object retention and cannot be deleted or "
            f"overwritten until {until.isoformat()}"
        )
        raise ApiError(403, text, reason="retentionPolicyNotMet")


def of_new(bucket: Body, sent: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The holds and the retention that a new object gets. Raises ApiError 400."""
    kept = {field: sent[field] for field, _ in _HOLDS if sent.get(field) is not None}
    if bucket.get("defaultEventBasedHold"):
        kept.setdefault("eventBasedHold", True)
    if sent.get("retention"):
        if kept.get("eventBasedHold"):
            raise invalid(TOGETHER)
        kept["retention"] = _retention(bucket, sent["retention"], now)
    return kept


def changed(
    bucket: Body, old: Body, new: Body, sent: Mapping[str, Any], now: datetime, *, override: bool
) -> Body:
    """*new*, the object after a PATCH or PUT that said *sent*, with its retention as it may be. Raises ApiError."""
    result = {key: value for key, value in new.items() if key != "retention"}
    retention = old.get("retention")
    if "retention" in sent:
        retention = _changed_retention(bucket, retention, sent["retention"], now, override=override)
    if retention:
        result["retention"] = retention
        if result.get("eventBasedHold"):
            raise invalid(TOGETHER)
    if old.get("eventBasedHold") and not result.get("eventBasedHold"):
        result["retainedFrom"] = stamp(now)
    return result


def _changed_retention(
    bucket: Body,
    old: Mapping[str, Any] | None,
    sent: Mapping[str, Any] | None,
    now: datetime,
    *,
    override: bool,
) -> Mapping[str, Any] | None:
    if sent is not None and not sent:
        return old
    removed = sent is None or all(sent.get(field) is None for field in ("mode", "retainUntilTime"))
    if removed and old is None:
        return None
    fresh = None if removed or sent is None else _retention(bucket, sent, now)
    if old is None or fresh is None:
        if old is not None and (old["mode"] == "Locked" or not override):
            raise ApiError(403, _LOCKED if old["mode"] == "Locked" else _UNLOCKED, reason="forbidden")
        return fresh
    shorter = datetime.fromisoformat(fresh["retainUntilTime"]) < datetime.fromisoformat(
        old["retainUntilTime"]
    )
    if old["mode"] == "Locked":
        if shorter or fresh["mode"] != "Locked":
            raise ApiError(403, _LOCKED, reason="forbidden")
    elif (shorter or fresh["mode"] == "Locked") and not override:
        raise ApiError(403, _UNLOCKED, reason="forbidden")
    return fresh


def _retention(bucket: Body, sent: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    if not bucket.get("objectRetention"):
        raise invalid("Object retention is not enabled on the bucket.")
    for field, name in (("mode", "retention mode"), ("retainUntilTime", "retain until time")):
        if not sent.get(field):
            raise invalid(f"Missing {name}. Both mode and retain until time are required.")
    if sent["mode"] not in ("Locked", "Unlocked"):
        raise invalid(f"Invalid value for: {sent['mode']} is not a valid value")
    until = datetime.fromisoformat(sent["retainUntilTime"])
    if until <= now:
        raise invalid("Retain until time cannot be in the past.")
    return {"mode": sent["mode"], "retainUntilTime": stamp(until)}
