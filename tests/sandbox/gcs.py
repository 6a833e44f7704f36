"""Buckets and objects of a test's own, over plain HTTP."""

from __future__ import annotations

import html
import re
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


def element(answered: Answered, name: str) -> str:
    """The text of the first element of that name in an answer in XML; "" where there is none."""
    found = re.search(rf"<{name}>(.*?)</{name}>", answered.body.decode(), re.DOTALL)
    return html.unescape(found[1]) if found else ""


def xml_refusal(answered: Answered) -> tuple[int, str, str]:
    """(status, code, details) of the XML API's errors."""
    assert answered.headers["content-type"] == "application/xml; charset=UTF-8"
    return answered.status, element(answered, "Code"), element(answered, "Details")


def listed(*parts: tuple[int, str]) -> bytes:
    """The body that completes an upload."""
    inner = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>" for number, tag in parts
    )
    return f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>".encode()
