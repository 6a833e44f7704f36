"""The three ways an object's content comes in: alone, with its metadata in one body, or in resumable steps."""

from __future__ import annotations

import fcntl
import json
import re
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast
from urllib.parse import quote

from reconciler.sandbox import blobs
from reconciler.sandbox.blobs import PIECE, Written
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Answer, Request, World

SESSION: Final = "storage.upload"
STEP: Final = 256 * 1024
"""Every part of a resumable upload but the last must be a multiple of this."""
_RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Received:
    """A complete content with the metadata that came with it."""

    metadata: dict[str, Any]
    written: Written
    params: Mapping[str, Any]
    """The query of the request that began it: name and preconditions."""


def receive(world: World, request: Request) -> Received | Answer:
    """Take an upload in: the content where it is complete, else the answer to a step of a resumable one."""
    kind = request.params.get("uploadType", "media")
    if request.stream is None:
        raise ApiError(400, "An object's content comes through /upload/.", reason="badUploadRequest")
    if "upload_id" in request.params:
        return _continue(world, request, request.stream)
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


def sweep(world: World) -> None:
    """At start: forget what no session can finish."""
    blobs.sweep(world.home, [body["file"] for _, body in world.store.list(SESSION)])


def _checked(request: Request, metadata: dict[str, Any], written: Written) -> Received:
    try:
        blobs.check(written, _sums(request, metadata))
    except ApiError:
        written.path.unlink(missing_ok=True)
        raise
    return Received(metadata, written, request.params)


def _sums(request: Request, metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if metadata.get("md5Hash"):
        yield "md5", metadata["md5Hash"]
    if metadata.get("crc32c"):
        yield "crc32c", metadata["crc32c"]
    for item in request.headers.get("x-goog-hash", "").split(","):
        kind, equals, value = item.strip().partition("=")
        if equals and kind in ("md5", "crc32c"):
            yield kind, value


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
        return json.loads(raw or b"{}")
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
    session = uuid.uuid4().hex + uuid.uuid4().hex
    file = uuid.uuid4().hex
    (blobs.uploads_folder(world.home) / file).touch()
    params = {key: value for key, value in request.params.items() if isinstance(value, str | bool)}
    body: Body = {
        "bucket": request.params["bucket"],
        "metadata": metadata,
        "params": params,
        "file": file,
        "caller": request.caller,
        "total": int(length) if length.isdigit() else None,
    }
    world.store.create(SESSION, session, body)
    path = request.path.partition("?")[0]
    location = f"{request.base_url}{path}?uploadType=resumable&upload_id={quote(session)}"
    return Answer(200, b"", [("Location", location), ("X-GUploader-UploadID", session)])


def _continue(world: World, request: Request, stream: BinaryIO) -> Received | Answer:
    name = str(request.params["upload_id"])
    session = world.store.get(SESSION, name)
    if session is None or session["bucket"] != request.params["bucket"]:
        raise ApiError(404, "The upload session does not exist, or it is over.")
    path = blobs.uploads_folder(world.home) / session["file"]
    if request.http_method == "DELETE":
        world.store.delete(SESSION, name)
        path.unlink(missing_ok=True)
        return Answer(499)
    asks = (request.headers.get("content-range") or "").startswith("bytes */")
    with _held(path, wait=not asks) as file:
        if file is None:
            # A connection that broke off is still being read to its end; what is sure are its whole steps.
            return _more(path.stat().st_size // STEP * STEP)
        have = path.stat().st_size
        start, total = _place(request, session, have)
        if not asks:
            have = _append(file, stream, start, have, last=total)
        if "content-range" not in request.headers:
            total = have
        if total is None or have < total:
            return _more(have)
        return _finish(world, request, name, session, path)


@contextmanager
def _held(path: Path, *, wait: bool) -> Generator[BinaryIO | None]:
    """The file of a session, for one request at a time; None where another has it and *wait* is false."""
    with path.open("r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield cast("BinaryIO", file)


def _place(request: Request, session: Body, have: int) -> tuple[int, int | None]:
    """(offset of the body, total size where it is known)."""
    header = request.headers.get("content-range")
    if header is None:
        return 0, session["total"]
    found = _RANGE.fullmatch(header)
    if found is None:
        raise ApiError(400, f"Failed to parse Content-Range header: {header}.", reason="badRequest")
    total = session["total"] if found[3] == "*" else int(found[3])
    if found[1] is None:
        # "bytes */N" asks how far we are, unless everything is here and N says so.
        return have, total if found[3] != "*" else None
    start, end = int(found[1]), int(found[2])
    if start > have:
        text = (
            f"Invalid request. According to the Content-Range header, the upload offset is {start} byte(s), "
            f"which exceeds already uploaded size of {have} byte(s)."
        )
        raise ApiError(400, text, reason="badRequest")
    if found[3] == "*":
        total = None
    if (total is None or end + 1 < total) and (end + 1 - start) % STEP:
        text = f"Invalid request. All parts but the last must be a multiple of {STEP} bytes."
        raise ApiError(400, text, reason="badRequest")
    return start, total


def _append(file: BinaryIO, stream: BinaryIO, start: int, have: int, *, last: int | None) -> int:
    """Write what is new of a step. If the client breaks off, whole steps stay, as in Cloud Storage."""
    skip = have - start
    size = have
    file.seek(have)
    try:
        for piece in blobs.stream(stream):
            new = piece[skip:]
            skip = max(0, skip - len(piece))
            file.write(new)
            size += len(new)
    except (OSError, EOFError):
        file.truncate(max(have, size // STEP * STEP))
        raise
    if last is not None and size > last:
        raise ApiError(
            400, f"The upload holds {size} bytes, more than the {last} announced.", reason="badRequest"
        )
    return size


def _more(have: int) -> Answer:
    return Answer(308, b"", [("Range", f"bytes=0-{have - 1}")] if have else [])


def _finish(world: World, request: Request, name: str, session: Body, path: Path) -> Received:
    world.store.delete(SESSION, name)
    metadata: dict[str, Any] = session["metadata"]
    checked = _checked(request, metadata, blobs.measure(path))
    return Received(metadata, checked.written, {**session["params"], "bucket": session["bucket"]})
