"""The XML API's multipart uploads: parts in any order and side by side, put together when they are said to be complete.

Rules as documented: parts 1 to 10000, 5 MiB or more but for the last; of what was sent twice the later counts; the
object that comes out has no MD5.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from reconciler.sandbox.storage import (
    blobs,
    bucket_access,
    encryption,
    generations,
    objects,
    resumable,
    uploads,
)
from reconciler.sandbox.storage.buckets import BUCKET
from reconciler.sandbox.storage.xml_errors import DECLARATION, INVALID, XML, XmlError
from reconciler.sandbox.storage.xml_requests import Call, metadata_of
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Answer, World, stamp

UPLOAD: Final = "storage.multipart"
PART: Final = "storage.part"
MOST_PARTS: Final = 10_000
LEAST_BYTES: Final = 5 << 20
MOST_BYTES: Final = 4 << 20
"""Of the list of parts that completes an upload."""
PAGE: Final = 1000
_SPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
_CREATE: Final = "storage.multipartUploads.create"


def sweep(world: World) -> list[str]:
    """At start: forget uploads without a bucket and parts without an upload; the answer is the files of the others."""
    known: set[str] = set()
    for name, upload in world.store.list(UPLOAD):
        bucket = world.store.get(BUCKET, upload["bucket"])
        if bucket is None or bucket.get("generation") != upload["bucketGeneration"]:
            world.store.delete(UPLOAD, name)
        else:
            known.add(name)
    kept: list[str] = []
    for name, part in world.store.list(PART):
        if name.partition("/")[0] in known:
            kept.append(part["file"])
        else:
            world.store.delete(PART, name)
    return kept


def begin(world: World, call: Call) -> Answer:
    """POST ?uploads: an upload of its own id, with the metadata that the object will have."""
    request = call.request
    bucket = bucket_access.found(world, call.bucket)
    for permission in (_CREATE, "storage.objects.create"):
        bucket_access.demand(world, request.caller, permission, bucket, on={"name": call.name})
    uploads.refuse_customer_keys(request)
    objects.check_name(call.name)
    metadata = metadata_of(request)
    metadata.update(
        encryption.key_version(world, bucket, request.headers.get("x-goog-encryption-kms-key-name"))
    )
    identity = uuid.uuid4().hex + uuid.uuid4().hex
    body: Body = {
        "bucket": call.bucket,
        "bucketGeneration": bucket.get("generation"),
        "name": call.name,
        "metadata": metadata,
        "params": {key: request.params[key] for key in ("predefinedAcl",) if key in request.params},
        "began": stamp(world.clock()),
    }
    world.store.create(UPLOAD, identity, body)
    named = {"Bucket": call.bucket, "Key": call.name, "UploadId": identity}
    return _document("InitiateMultipartUploadResult", _elements(named))


def put(world: World, call: Call) -> Answer:
    """PUT ?partNumber&uploadId: one part; what was there under its number gives way."""
    identity, _ = _found(world, call, _CREATE)
    text = call.query.get("partNumber", "")
    if not text.isdigit() or not 1 <= int(text) <= MOST_PARTS:
        raise XmlError(400, "InvalidArgument", INVALID, f"Part number must be from 1 to {MOST_PARTS}.")
    written = blobs.write(world.home, blobs.stream(call.stream))
    part: Body = {
        "number": int(text),
        "file": written.path.name,
        "size": written.size,
        "md5": base64.b64decode(written.md5).hex(),
        "at": stamp(world.clock()),
    }
    try:
        blobs.check(written, resumable.sums(call.request, {}))
        with world.store.transaction():
            _found(world, call, _CREATE)
            old = world.store.get(PART, _key(identity, int(text)))
            world.store.put(PART, _key(identity, int(text)), part)
    except BaseException:
        written.path.unlink(missing_ok=True)
        raise
    if old is not None:
        _remove(world, [old])
    sums = f"crc32c={written.crc32c},md5={written.md5}"
    return Answer(200, b"", [("ETag", f'"{part["md5"]}"'), ("X-Goog-Hash", sums)])


def complete(world: World, call: Call) -> Answer:
    """POST ?uploadId with the list of parts: the object, made of them in that order."""
    identity, upload = _found(world, call, _CREATE)
    bucket = bucket_access.found(world, call.bucket)
    wanted = _wanted(call.stream.read(MOST_BYTES))
    parts = _chosen(world, identity, wanted)
    whole = blobs.write(world.home, _pieces(world, parts))
    written = blobs.Written(whole.path, whole.size, "", whole.crc32c)
    try:
        with world.store.transaction():
            _found(world, call, _CREATE)
            body = generations.keep(
                world, call.request.caller, bucket, call.name, upload["metadata"], written, upload["params"]
            )
            gone = _forget(world, identity)
    except BaseException:
        whole.path.unlink(missing_ok=True)
        raise
    _remove(world, gone)
    digest = hashlib.md5(b"".join(bytes.fromhex(part["md5"]) for part in parts), usedforsecurity=False)
    named = {
        "Location": f"http://{call.bucket}.storage.googleapis.com/{call.name}",
        "Bucket": call.bucket,
        "Key": call.name,
        "ETag": f'"{digest.hexdigest()}-{len(parts)}"',
    }
    numbers = [("X-Goog-Generation", body["generation"]), ("X-Goog-Hash", f"crc32c={body['crc32c']}")]
    answer = _document("CompleteMultipartUploadResult", _elements(named))
    return Answer(200, answer.body, [*answer.headers, *numbers])


def abort(world: World, call: Call) -> Answer:
    """DELETE ?uploadId: the upload and all its parts go."""
    identity, _ = _found(world, call, "storage.multipartUploads.abort")
    with world.store.transaction():
        gone = _forget(world, identity)
    _remove(world, gone)
    return Answer(204)


def parts_of(world: World, call: Call) -> Answer:
    """GET ?uploadId: the parts that are there, a page at a time."""
    identity, upload = _found(world, call, "storage.multipartUploads.listParts")
    marker, wished = call.query.get("part-number-marker", "0"), call.query.get("max-parts", str(PAGE))
    if not marker.isdigit() or not wished.isdigit():
        raise XmlError(400, "InvalidArgument", INVALID, "part-number-marker and max-parts must be numbers.")
    limit = min(int(wished), PAGE)
    rows = [part for part in _parts(world, identity) if part["number"] > int(marker)]
    page, more = rows[:limit], len(rows) > limit
    named = {
        "Bucket": call.bucket,
        "Key": call.name,
        "UploadId": identity,
        "StorageClass": upload["metadata"].get("storageClass", "STANDARD"),
        "PartNumberMarker": marker,
        **({"NextPartNumberMarker": str(page[-1]["number"])} if page else {}),
        "MaxParts": str(limit),
        "IsTruncated": str(more).lower(),
    }
    shown = "".join(f"<Part>{_elements(_shown(part))}</Part>" for part in page)
    return _document("ListPartsResult", _elements(named) + shown)


def _shown(part: Body) -> dict[str, str]:
    return {
        "PartNumber": str(part["number"]),
        "LastModified": part["at"],
        "ETag": f'"{part["md5"]}"',
        "Size": str(part["size"]),
    }


def _found(world: World, call: Call, permission: str) -> tuple[str, Body]:
    """(id, upload) that a request means, for a caller who may; raises XmlError 404 where there is none."""
    bucket = bucket_access.found(world, call.bucket)
    bucket_access.demand(world, call.request.caller, permission, bucket)
    identity = call.query["uploadId"]
    upload = world.store.get(UPLOAD, identity)
    here = (call.bucket, bucket.get("generation"), call.name)
    if upload is None or (upload["bucket"], upload["bucketGeneration"], upload["name"]) != here:
        raise XmlError(404, "NoSuchUpload", "The requested upload was not found.")
    return identity, upload


def _key(identity: str, number: int) -> str:
    return f"{identity}/{number:05d}"


def _parts(world: World, identity: str) -> list[Body]:
    return [part for _, part in world.store.list(PART, f"{identity}/")]


def _forget(world: World, identity: str) -> list[Body]:
    """Drop an upload's records; the answer is its parts, whose files are still there."""
    parts = _parts(world, identity)
    for part in parts:
        world.store.delete(PART, _key(identity, part["number"]))
    world.store.delete(UPLOAD, identity)
    return parts


def _remove(world: World, parts: Sequence[Body]) -> None:
    for part in parts:
        (blobs.uploads_folder(world.home) / part["file"]).unlink(missing_ok=True)


def _pieces(world: World, parts: Sequence[Body]) -> Iterator[bytes]:
    for part in parts:
        yield from blobs.read(world.home, f"{blobs.UPLOADS}/{part['file']}", 0, part["size"])


def _chosen(world: World, identity: str, wanted: Sequence[tuple[int, str]]) -> list[Body]:
    """The parts that a list names; raises XmlError 400 where they do not fit it."""
    numbers = [number for number, _ in wanted]
    if numbers != sorted(set(numbers)):
        text = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise XmlError(400, "InvalidPartOrder", text)
    known = {part["number"]: part for part in _parts(world, identity)}
    chosen: list[Body] = []
    for number, tag in wanted:
        if number not in known or known[number]["md5"] != tag:
            text = (
                "One or more of the specified parts could not be found. The part may not have been uploaded, or the "
                "specified entity tag may not match the part's entity tag."
            )
            raise XmlError(400, "InvalidPart", text, f"Part {number}.")
        chosen.append(known[number])
    if any(part["size"] < LEAST_BYTES for part in chosen[:-1]):
        text = "Your proposed upload is smaller than the minimum allowed object size."
        raise XmlError(
            400, "EntityTooSmall", text, f"Every part but the last must have {LEAST_BYTES} bytes or more."
        )
    return chosen


def _wanted(raw: bytes) -> list[tuple[int, str]]:
    """[(part number, etag without quotes)] of a CompleteMultipartUpload; raises XmlError 400."""
    parts: list[dict[str, str]] = []
    path: list[str] = []

    def start(name: str, _: Any) -> None:
        path.append(name.rpartition(":")[2])
        if path == ["CompleteMultipartUpload", "Part"]:
            parts.append({})

    def text(data: str) -> None:
        if len(path) == 3 and parts:
            parts[-1][path[-1]] = parts[-1].get(path[-1], "") + data

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: path.pop()
    parser.CharacterDataHandler = text
    try:
        parser.Parse(raw, True)
        found = [(int(part["PartNumber"]), part["ETag"].strip().strip('"')) for part in parts]
    except (expat.ExpatError, KeyError, ValueError) as error:
        raise XmlError(400, "MalformedCompleteMultipartUploadRequest", INVALID, str(error)) from error
    if not found:
        raise XmlError(400, "MalformedCompleteMultipartUploadRequest", INVALID, "No part is named.")
    return found


def _elements(named: dict[str, str]) -> str:
    return "".join(f"<{name}>{escape(text)}</{name}>" for name, text in named.items())


def _document(root: str, inner: str) -> Answer:
    return Answer(200, f"{DECLARATION}<{root} xmlns='{_SPACE}'>{inner}</{root}>".encode(), [XML])
