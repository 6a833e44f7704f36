"""Requests of Cloud Storage's XML API: what their paths and headers mean, in the words of the JSON API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final
from urllib.parse import parse_qsl, unquote

from reconciler.sandbox.storage.xml_errors import INVALID, XmlError, not_emulated
from reconciler.sandbox.world import Request, Visit

HOSTS: Final = ("storage.googleapis.com", "commondatastorage.googleapis.com")
_BELOW: Final = re.compile(r"(?P<bucket>.+)\.(?:" + "|".join(map(re.escape, HOSTS)) + ")")
_RANGE: Final = re.compile(r"(\d+),(\d+)")
_CONDITIONS: Final = {
    "x-goog-if-generation-match": "ifGenerationMatch",
    "x-goog-if-metageneration-match": "ifMetagenerationMatch",
}
_METADATA: Final = {
    "content-type": "contentType",
    "cache-control": "cacheControl",
    "content-disposition": "contentDisposition",
    "content-encoding": "contentEncoding",
    "content-language": "contentLanguage",
    "x-goog-custom-time": "customTime",
    "x-goog-storage-class": "storageClass",
}
_OTHER: Final = (
    "acl", "billing", "compose", "cors", "encryption", "encryptionConfig", "legal-hold", "lifecycle", "location",
    "logging", "object-lock", "policy", "retention", "storageClass", "tagging", "versioning", "websiteConfig",
)  # fmt: skip
"""Sub-resources of the XML API that are not emulated."""


@dataclass(frozen=True)
class Call:
    """One request of the XML API; *name* is "" where it is about the bucket."""

    request: Request
    """Its params are those that the JSON API has for the same."""
    bucket: str
    name: str
    query: Mapping[str, str]

    @property
    def stream(self) -> BinaryIO:
        """The body, unread."""
        stream = self.request.stream
        if stream is None:
            raise not_emulated("a request without a body stream")
        return stream


def host_bucket(visit: Visit) -> str:
    """The bucket that the host names, as in BUCKET.storage.googleapis.com; else ""."""
    found = _BELOW.fullmatch(visit.host)
    return found["bucket"] if found else ""


def call_of(visit: Visit, caller: str, check_body: Callable[[Any], dict[str, Any]]) -> Call:
    """What *caller* asks; *check_body* checks an object's resource. Raises XmlError for what is not emulated."""
    path, _, sent = visit.target.partition("?")
    bucket = host_bucket(visit)
    name = unquote(path[1:])
    if not bucket:
        bucket, _, name = name.partition("/")
    query = dict(parse_qsl(sent, keep_blank_values=True))
    headers = {key.lower(): value for key, value in visit.headers}
    params = {"bucket": bucket, "object": name, **_parameters(query, headers)}
    request = Request(
        api="storage",
        version="xml",
        method_id=f"objects.{visit.method.lower()}",
        params=params,
        body={},
        caller=caller,
        project="",
        headers=headers,
        host=visit.host,
        base_url=visit.endpoint,
        http_method=visit.method,
        path=visit.target,
        stream=visit.body,
        media=True,
        check_body=check_body,
    )
    return Call(request, bucket, name, query)


def _parameters(query: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, str]:
    """What the JSON API has parameters for; raises XmlError for what is not emulated, and 400 for what is no number."""
    others = [key for key in _OTHER if key in query]
    if others:
        raise not_emulated(f"?{others[0]} of the XML API")
    if "x-goog-copy-source" in headers:
        raise not_emulated("copies by the XML API; the JSON API has them")
    params = {theirs: headers[ours] for ours, theirs in _CONDITIONS.items() if ours in headers}
    if "generation" in query:
        params["generation"] = query["generation"]
    for text in params.values():
        if not text.isdigit():
            raise XmlError(400, "InvalidArgument", INVALID, f"{text} is not a number.")
    if "x-goog-acl" in headers:
        params["predefinedAcl"] = _camel(headers["x-goog-acl"])
    return params


def metadata_of(request: Request) -> dict[str, Any]:
    """The metadata that a new object gets by its headers; raises ApiError 400 as the JSON API would."""
    headers = request.headers
    metadata: dict[str, Any] = {
        theirs: headers[ours] for ours, theirs in _METADATA.items() if ours in headers
    }
    own = {
        key.removeprefix("x-goog-meta-"): value
        for key, value in headers.items()
        if key.startswith("x-goog-meta-")
    }
    if own:
        metadata["metadata"] = own
    if "x-goog-object-lock-mode" in headers:
        modes = {"GOVERNANCE": "Unlocked", "COMPLIANCE": "Locked"}
        mode = headers["x-goog-object-lock-mode"]
        until = headers.get("x-goog-object-lock-retain-until-date", "")
        metadata["retention"] = {"mode": modes.get(mode, mode), "retainUntilTime": until}
    return request.check_body(metadata)


def check_length(headers: Mapping[str, str], size: int) -> None:
    """Raise XmlError 400 where *size* is out of the bounds that x-goog-content-length-range sets."""
    wished = headers.get("x-goog-content-length-range")
    if wished is None:
        return
    found = _RANGE.fullmatch(wished.replace(" ", ""))
    if found is None:
        raise XmlError(400, "InvalidArgument", INVALID, "x-goog-content-length-range must be MIN,MAX.")
    if size > int(found[2]):
        text = "Your proposed upload exceeds the maximum allowed object size."
        raise XmlError(
            400, "EntityTooLarge", text, f"Content-length exceeds upper bound on range: {found[2]}"
        )
    if size < int(found[1]):
        text = (
            "Your proposed upload is smaller than the minimum object size specified in your Policy Document."
        )
        raise XmlError(
            400, "EntityTooSmall", text, f"Content-length smaller than lower bound on range: {found[1]}"
        )


def _camel(name: str) -> str:
    """ "bucket-owner-read" as the JSON API writes it: "bucketOwnerRead"."""
    first, *more = name.split("-")
    return first + "".join(part.title() for part in more)
