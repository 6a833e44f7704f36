"""Resumable uploads: sessions that take a content in steps, survive a restart, and remember what they made.

As measured: bytes are appended at the offset that the server holds, what is sent again is ignored, a status query of a
complete content finishes it, a finished session keeps answering with its object, and a cancelled one answers 499.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.storage import blobs
from reconciler.sandbox.storage.blobs import Written
from reconciler.sandbox.store import Body, Missing
from reconciler.sandbox.world import Answer, Request, World

SESSION: Final = "storage.upload"
LIFETIME: Final = timedelta(days=7)
"""How long a session can be gone on with."""
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
    caller: str
    """Who began it: whoever holds a session's URL goes on in that name."""
    session: str = ""


@dataclass(frozen=True)
class Finished:
    """A session that is over: the object that it made."""

    name: str
    generation: str


def sweep(world: World) -> list[str]:
    """At start: forget the sessions that nobody can go on with; the answer is the files of those that are left."""
    oldest = (world.clock() - LIFETIME).timestamp()
    for name, session in world.store.list(SESSION):
        over = session.get("began", 0) < oldest
        file = blobs.uploads_folder(world.home) / session["file"]
        if over or not (file.exists() or "made" in session or session.get("cancelled")):
            world.store.delete(SESSION, name)
        elif session.pop("finishing", None):
            world.store.put(SESSION, name, session)
    return [body["file"] for _, body in world.store.list(SESSION)]


def finished(world: World, received: Received, body: Body) -> None:
    """Remember what a session made: it keeps answering so."""
    if received.session:
        made = {"made": {"name": body["name"], "generation": body["generation"]}}
        world.store.update(SESSION, received.session, lambda session: {**session, **made})


def given_up(world: World, received: Received) -> None:
    """What came in became no object: its content goes, and so does the session."""
    received.written.path.unlink(missing_ok=True)
    if received.session:
        with contextlib.suppress(Missing):
            world.store.delete(SESSION, received.session)


def sums(request: Request, metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The checksums that a client sent with a content: ("md5" or "crc32c", base64)."""
    if "content-md5" in request.headers:
        yield "md5", request.headers["content-md5"]
    if metadata.get("md5Hash"):
        yield "md5", metadata["md5Hash"]
    if metadata.get("crc32c"):
        yield "crc32c", metadata["crc32c"]
    for item in request.headers.get("x-goog-hash", "").split(","):
        kind, equals, value = item.strip().partition("=")
        if equals and kind in ("md5", "crc32c"):
            yield kind, value


def begin(world: World, request: Request, bucket: str, metadata: Mapping[str, Any], length: str) -> str:
    """Open a resumable session for a content of *length* bytes ("" where it is not known); the answer is its id."""
    session = uuid.uuid4().hex + uuid.uuid4().hex
    file = uuid.uuid4().hex
    (blobs.uploads_folder(world.home) / file).touch()
    params = {key: value for key, value in request.params.items() if isinstance(value, str | bool)}
    body: Body = {
        "bucket": bucket,
        "metadata": dict(metadata),
        "params": params,
        "file": file,
        "caller": request.caller,
        "total": int(length) if length.isdigit() else None,
        "began": world.clock().timestamp(),
    }
    world.store.create(SESSION, session, body)
    return session


def go_on(
    world: World, request: Request, name: str, bucket: str, stream: BinaryIO
) -> Received | Finished | Answer:
    """One step of the session *name*; raises ApiError 404 where there is none."""
    session = world.store.get(SESSION, name)
    if session is None or session["bucket"] != bucket:
        raise ApiError(404, "The upload session does not exist, or it is over.")
    if session.get("cancelled"):
        return Answer(499)
    if "made" in session:
        return Finished(**session["made"])
    path = blobs.uploads_folder(world.home) / session["file"]
    if request.http_method == "DELETE":
        world.store.put(SESSION, name, {**session, "cancelled": True})
        path.unlink(missing_ok=True)
        return Answer(499)
    if session.get("finishing"):
        return _more(session["finishing"])
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
    world.store.put(SESSION, name, {**session, "finishing": path.stat().st_size})
    metadata: dict[str, Any] = session["metadata"]
    params = {**session["params"], "bucket": session["bucket"]}
    received = Received(metadata, blobs.measure(path), params, session["caller"], name)
    try:
        blobs.check(received.written, sums(request, metadata))
    except ApiError:
        given_up(world, received)
        raise
    return received
