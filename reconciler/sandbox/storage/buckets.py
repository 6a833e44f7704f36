"""What Cloud Storage makes of a bucket that it is sent: a resource in the terms of GET, merged, replaced, counted up.

A bucket is kept with what its answers do not show under the names in HIDDEN.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, cast

from reconciler.sandbox.storage import bucket_settings
from reconciler.sandbox.storage.bucket_settings import invalid
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.world import stamp

BUCKET: Final = "storage.bucket"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
ADDRESS: Final = re.compile(r"\d+\.\d+\.\d+\.\d+")
SERVERS_OWN: Final = (
    # The document marks nothing as output-only; these are what the API reference says the server sets.
    "kind", "id", "selfLink", "etag", "generation", "metageneration", "projectNumber", "timeCreated", "updated",
    "locationType", "satisfiesPZI", "satisfiesPZS", "owner", "softDeleteTime", "hardDeleteTime",
)  # fmt: skip
LISTS: Final = ("acl", "defaultObjectAcl")
"""Access control lists, which are merged, kept and shown apart."""
FIXED: Final = ("hierarchicalNamespace", "objectRetention", "customPlacementConfig")
"""Settings of a bucket's making: a later change of them is taken and ignored, as measured."""
HIDDEN: Final = ("projectId", "defaultObjectAcl", "longestSoftDelete")


def made(name: str, sent: Mapping[str, Any], number: str, now: datetime, *, retention: bool = False) -> Body:
    """The bucket that inserting *sent* makes; with *retention* its objects may have one of their own.

    Raises ApiError 400.
    """
    check_name(name)
    location = str(sent.get("location") or "US").upper()
    kind = bucket_settings.place(location, inner(sent, "customPlacementConfig"))
    at = stamp(now)
    body: Body = {
        "kind": "storage#bucket",
        "id": name,
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}",
        "name": name,
        "projectNumber": number,
        "generation": f"{int(now.timestamp() * 1_000_000)}000",
        "metageneration": "1",
        "location": location,
        "locationType": kind,
        "timeCreated": at,
        "updated": at,
        **({"satisfiesPZI": True} if kind == "region" else {}),
        **({"objectRetention": {"mode": "Enabled"}} if retention else {}),
    }
    return settled(body, merged(body, accepted(sent, {*SERVERS_OWN, *LISTS, "objectRetention"})), now)


def patched(old: Body, sent: Mapping[str, Any], now: datetime) -> Body:
    """What PATCH makes of *old*: null deletes, objects are merged, lists and plain values replaced."""
    taken = accepted(sent, {*SERVERS_OWN, *LISTS, *FIXED})
    emptied = {"labels": None} if taken.get("labels") == {} else {}
    return bumped(settled(old, merged(old, {**taken, **emptied}), now), now)


def replaced(old: Body, sent: Mapping[str, Any], now: datetime) -> Body:
    """What PUT makes: the server's own and what is fixed stay, everything else is as sent or default."""
    kept = {key: old[key] for key in (*SERVERS_OWN, *FIXED, *HIDDEN, "name", "location") if key in old}
    fresh = merged(kept, accepted(sent, {*SERVERS_OWN, *LISTS, *FIXED}))
    access: dict[str, Any] = inner(fresh, "iamConfiguration")
    if not {"uniformBucketLevelAccess", "bucketPolicyOnly"} & access.keys():
        fresh["iamConfiguration"] = {**access, "uniformBucketLevelAccess": {"enabled": False}}
    return bumped(settled(old, fresh, now), now)


def accepted(sent: Mapping[str, Any], left_out: Iterable[str]) -> dict[str, Any]:
    """What of *sent* is the client's to say here."""
    ignored = set(left_out)
    return {key: value for key, value in sent.items() if key not in ignored}


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


def settled(old: Body, new: Body, now: datetime) -> Body:
    """*new* in normal form, with what follows from its difference to *old*. Raises ApiError."""
    bucket_settings.settle(old, new, now)
    new["etag"] = etag(new["metageneration"])
    seconds = int(new["softDeletePolicy"]["retentionDurationSeconds"])
    new["longestSoftDelete"] = max(seconds, int(old.get("longestSoftDelete", 0)))
    return new


def bumped(body: Body, now: datetime) -> Body:
    """The bucket after a change of its metadata, its lists or its policy."""
    count = str(int(body["metageneration"]) + 1)
    return {**body, "metageneration": count, "updated": stamp(now), "etag": etag(count)}


def etag(metageneration: str) -> str:
    """ "CAE=" for 1: a protocol buffer whose first field is the metageneration, in base64."""
    return base64.b64encode(b"\x08" + _varint(int(metageneration))).decode()


def metageneration_of(sent: str) -> int | None:
    """The metageneration that an etag names; None where it is none."""
    try:
        raw = base64.b64decode(
            sent.replace("-", "+").replace("_", "/") + "=" * (-len(sent) % 4), validate=True
        )
    except ValueError:
        return None
    value = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(raw[1:]))
    return value if raw[:1] == b"\x08" and raw == b"\x08" + _varint(value) else None


def object_etag(body: Mapping[str, Any]) -> str:
    """An object's: its generation and its metageneration, as two fields of a protocol buffer, in base64."""
    raw = b"\x08" + _varint(int(body["generation"])) + b"\x10" + _varint(int(body["metageneration"]))
    return base64.b64encode(raw).decode()


def check_name(name: str) -> None:
    """Raise ApiError 400 for a name that Cloud Storage refuses."""
    plain = NAME.fullmatch(name) is not None and ".." not in name and ADDRESS.fullmatch(name) is None
    short = len(name) <= 63 or ("." in name and all(len(part) <= 63 for part in name.split(".")))
    if not plain or not short or name.startswith("goog") or "google" in name:
        raise invalid(f"Invalid bucket name: '{name}'")


def uniform(bucket: Mapping[str, Any]) -> bool:
    """Whether IAM alone says who may do what in *bucket*."""
    return bool(bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"])


def shown(body: Body) -> dict[str, Any]:
    """The resource without its lists."""
    return {key: value for key, value in body.items() if key not in HIDDEN}


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
