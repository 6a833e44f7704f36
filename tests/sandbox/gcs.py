"""Buckets and objects of a test's own, over plain HTTP."""

from __future__ import annotations

from typing import Any

from tests.sandbox.calls import Answered, Cloud

UNIFORM: dict[str, Any] = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}}


def made(cloud: Cloud, suffix: str, query: str = "", **settings: Any) -> str:
    """The name of a new bucket with uniform access, unless *settings* say otherwise."""
    name = f"{cloud.project}-{suffix}"
    cloud.ok("POST", f"/storage/v1/b?project={{P}}{query}", {"name": name, **UNIFORM, **settings})
    return name


def put(cloud: Cloud, bucket: str, name: str, data: bytes = b"x", query: str = "") -> Answered:
    """A plain upload."""
    path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}{query}"
    return cloud.post(path, raw=data, headers={"Content-Type": "text/plain"})


def refusal(answered: Answered) -> tuple[int, str, str]:
    """(status, reason, message) of Cloud Storage's errors."""
    error = answered.error
    return answered.status, error["errors"][0]["reason"], error["message"]
