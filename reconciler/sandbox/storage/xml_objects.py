"""The XML API's objects: read, written, deleted, and uploaded in resumable steps."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final
from urllib.parse import quote

from reconciler.sandbox.storage import (
    blobs,
    bucket_access,
    buckets,
    downloads,
    encryption,
    generations,
    objects,
    preconditions,
    resumable,
    uploads,
)
from reconciler.sandbox.storage.xml_requests import Call, check_length, metadata_of
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Answer, Headers, World

_CHOSEN: Final = {
    "response-content-type": "Content-Type",
    "response-content-disposition": "Content-Disposition",
}
_OF_CONTENT: Final = (
    "Content-Type",
    "Content-Encoding",
    "Content-Disposition",
    "Content-Language",
    "Accept-Ranges",
)


def get(world: World, call: Call) -> Answer:
    """GET and HEAD of an object."""
    request = call.request
    _, body = downloads.found(world, request, "storage.objects.get")
    preconditions.hold_of_object(body, request.params)
    _hold(body, request.headers)
    answer = downloads.content(world, request, body)
    if answer.status >= 400:
        return answer
    chosen = {header: call.query[name] for name, header in _CHOSEN.items() if name in call.query}
    kept = [(name, value) for name, value in answer.headers if name not in chosen and name != "ETag"]
    own = [(f"x-goog-meta-{key}", value) for key, value in body.get("metadata", {}).items()]
    times = [("Last-Modified", format_datetime(_modified(body), usegmt=True))]
    headers = [*kept, *chosen.items(), ("ETag", etag(body)), *times, *own]
    return Answer(answer.status, answer.body, headers)


def put(world: World, call: Call) -> Answer:
    """PUT of a whole object."""
    request = call.request
    bucket = bucket_access.found(world, call.bucket)
    bucket_access.demand(world, request.caller, "storage.objects.create", bucket, on={"name": call.name})
    uploads.refuse_customer_keys(request)
    metadata = metadata_of(request)
    metadata.update(
        encryption.key_version(world, bucket, request.headers.get("x-goog-encryption-kms-key-name"))
    )
    written = blobs.write(world.home, blobs.stream(call.stream))
    try:
        blobs.check(written, resumable.sums(request, {}))
        check_length(request.headers, written.size)
        body = generations.keep(world, request.caller, bucket, call.name, metadata, written, request.params)
    except BaseException:
        written.path.unlink(missing_ok=True)
        raise
    return _made(body)


def delete(world: World, call: Call) -> Answer:
    """DELETE of an object."""
    bucket, body = downloads.found(world, call.request, "storage.objects.delete")
    preconditions.hold_of_object(body, call.request.params)
    generations.delete(world, bucket, body, by_number="generation" in call.request.params)
    return Answer(204)


def begin(world: World, call: Call) -> Answer:
    """POST that starts a resumable upload; whoever has the answer's Location may go on."""
    request = call.request
    bucket = bucket_access.found(world, call.bucket)
    bucket_access.demand(world, request.caller, "storage.objects.create", bucket, on={"name": call.name})
    uploads.refuse_customer_keys(request)
    metadata = metadata_of(request)
    metadata.update(
        encryption.key_version(world, bucket, request.headers.get("x-goog-encryption-kms-key-name"))
    )
    length = request.headers.get("x-upload-content-length", "")
    session = resumable.begin(world, request, call.bucket, metadata, length)
    path = request.path.partition("?")[0]
    return Answer(201, b"", [("Location", f"{request.base_url}{path}?upload_id={quote(session)}")])


def go_on(world: World, call: Call) -> Answer:
    """One step of a resumable upload."""
    bucket = bucket_access.found(world, call.bucket)
    received = resumable.go_on(world, call.request, call.query["upload_id"], call.bucket, call.stream)
    if isinstance(received, Answer):
        return received
    if isinstance(received, resumable.Finished):
        return _made(generations.find(world, bucket["name"], received.name, received.generation))
    name = str(received.params.get("name") or received.params["object"])
    try:
        body = generations.keep(
            world, received.caller, bucket, name, received.metadata, received.written, received.params
        )
    except BaseException:
        resumable.given_up(world, received)
        raise
    resumable.finished(world, received, body)
    return _made(body)


def etag(body: Body) -> str:
    """An object's etag as the XML API has it: its MD5 where it has one."""
    md5 = body.get("md5Hash")
    return f'"{base64.b64decode(md5).hex() if md5 else buckets.object_etag(body)}"'


def _made(body: Body) -> Answer:
    """The answer to a write: the numbers of what was made, and no content."""
    kept: Headers = [
        (name, value) for name, value in objects.headers(body) if name not in (*_OF_CONTENT, "ETag")
    ]
    return Answer(200, b"", [*kept, ("ETag", etag(body)), ("Content-Type", "text/html; charset=UTF-8")])


def _modified(body: Body) -> datetime:
    """When an object was last changed, in whole seconds."""
    return datetime.fromisoformat(body["updated"]).replace(microsecond=0)


def _hold(body: Body, headers: Mapping[str, str]) -> None:
    """Raise ApiError 412, or Unchanged, where a condition of HTTP itself does not hold; as RFC 9110 orders them."""
    current = etag(body)

    def named(header: str) -> bool:
        return headers[header].strip() == "*" or current in (
            one.strip() for one in headers[header].split(",")
        )

    def changed_since(header: str) -> bool:
        try:
            return _modified(body) > parsedate_to_datetime(headers[header])
        except (ValueError, TypeError):
            # A date that is none is as if it were not there.
            return header == "if-modified-since"

    if "if-match" in headers:
        if not named("if-match"):
            raise preconditions.failed()
    elif "if-unmodified-since" in headers and changed_since("if-unmodified-since"):
        raise preconditions.failed()
    if "if-none-match" in headers:
        if named("if-none-match"):
            raise preconditions.Unchanged
    elif "if-modified-since" in headers and not changed_since("if-modified-since"):
        raise preconditions.Unchanged
