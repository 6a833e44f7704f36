"""The three ways an object's content comes in: alone, with its metadata in one body, or in resumable steps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import quote

from reconciler.sandbox.errors import ApiError, not_emulated
from reconciler.sandbox.json_text import parsed
from reconciler.sandbox.storage import blobs, resumable
from reconciler.sandbox.storage.blobs import PIECE, Written
from reconciler.sandbox.storage.resumable import Finished, Received
from reconciler.sandbox.world import Answer, Request, World


def receive(world: World, request: Request) -> Received | Finished | Answer:
    """Take an upload in: the content where it is complete, else the answer to a step of a resumable one."""
    kind = request.params.get("uploadType", "media")
    if request.stream is None:
        raise ApiError(400, "An object's content comes through /upload/.", reason="badUploadRequest")
    if "upload_id" in request.params:
        return resumable.go_on(
            world, request, str(request.params["upload_id"]), request.params["bucket"], request.stream
        )
    if request.http_method != "POST":
        raise ApiError(400, "This upload has no upload_id.", reason="badUploadRequest")
    if kind == "resumable":
        return _begin(world, request, request.stream)
    if kind == "multipart":
        metadata, pieces = _multipart(request, request.stream)
        return _checked(request, metadata, blobs.write(world.home, pieces))
    if kind == "media":
        content_type = request.headers.get("content-type")
        metadata = {"contentType": content_type} if content_type else {}
        return _checked(request, metadata, blobs.write(world.home, blobs.stream(request.stream)))
    raise ApiError(400, f"Invalid upload type: {kind}.", reason="invalidParameter")


def refuse_customer_keys(request: Request) -> None:
    """Raise ApiError for a key of the customer's own: contents are not encrypted here."""
    if "x-goog-encryption-algorithm" in request.headers:
        raise not_emulated(
            request.http_method, request.path.partition("?")[0], "customer-supplied encryption keys"
        )


def _checked(request: Request, metadata: dict[str, Any], written: Written) -> Received:
    try:
        blobs.check(written, resumable.sums(request, metadata))
    except ApiError:
        written.path.unlink(missing_ok=True)
        raise
    return Received(metadata, written, request.params, request.caller)


def _multipart(request: Request, stream: BinaryIO) -> tuple[dict[str, Any], Iterator[bytes]]:
    # gcloud puts the boundary between single quotes, which are none of its characters.
    found = re.search(r"""boundary=["']?([^"';]+)""", request.headers.get("content-type", ""))
    if found is None:
        raise ApiError(400, "A multipart upload needs a boundary in its Content-Type.", reason="badContent")
    mark = b"--" + found[1].encode()
    newline = _first_mark(stream, mark)
    sent = bytearray()
    while not (line := stream.readline(PIECE)).startswith(mark):
        if not line or len(sent) > PIECE:
            raise _malformed()
        sent += line
    headers = _headers(stream)
    metadata = request.check_body(_json(bytes(sent)))
    if "content-type" in headers:
        metadata.setdefault("contentType", headers["content-type"])
    return metadata, _until(stream, newline + mark + b"--")


def _first_mark(stream: BinaryIO, mark: bytes) -> bytes:
    """Read up to the metadata's first line; the answer is how this client ends lines: gcloud writes a bare \\n."""
    while line := stream.readline(PIECE):
        if line.startswith(mark):
            _headers(stream)
            return b"\r\n" if line.endswith(b"\r\n") else b"\n"
        if line.strip():
            break
    raise _malformed()


def _headers(stream: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    while (line := stream.readline(PIECE).strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return headers


def _until(stream: BinaryIO, end: bytes) -> Iterator[bytes]:
    """The rest of *stream* without the closing boundary, which is the last thing in it."""
    held = b""
    keep = len(end) + 4
    while piece := stream.read(PIECE):
        held += piece
        if len(held) > keep:
            yield held[:-keep]
            held = held[-keep:]
    content, found, _ = held.rpartition(end)
    if not found:
        raise _malformed()
    if content:
        yield content


def _json(raw: bytes) -> Any:
    try:
        return parsed(raw or b"{}")
    except ValueError as error:
        raise ApiError(400, f"Invalid JSON payload received. {error}", reason="parseError") from error


def _malformed() -> ApiError:
    return ApiError(400, "Malformed multipart body.", reason="badContent")


def _begin(world: World, request: Request, stream: BinaryIO) -> Answer:
    metadata = request.check_body(_json(stream.read(PIECE)))
    content_type = request.headers.get("x-upload-content-type")
    if content_type:
        metadata.setdefault("contentType", content_type)
    length = request.headers.get("x-upload-content-length", "")
    session = resumable.begin(world, request, request.params["bucket"], metadata, length)
    path = request.path.partition("?")[0]
    location = f"{request.base_url}{path}?uploadType=resumable&upload_id={quote(session)}"
    return Answer(200, b"", [("Location", location), ("X-GUploader-UploadID", session)])
