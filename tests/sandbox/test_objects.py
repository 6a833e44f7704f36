"""Cloud Storage: objects."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import time
from pathlib import Path

import pytest

from reconciler.sandbox.control import Running
from tests.sandbox.calls import Answered, Cloud
from tests.sandbox.gcs import made, put

STEP = 256 * 1024


@pytest.fixture(name="bucket")
def _bucket(cloud: Cloud) -> str:
    """The name of a bucket."""
    return made(cloud, "objects")


def begin(cloud: Cloud, bucket: str, name: str, **metadata: str) -> str:
    """The path of a new resumable session."""
    answered = cloud.post(f"/upload/storage/v1/b/{bucket}/o?uploadType=resumable&name={name}", metadata)
    assert (answered.status, answered.body) == (200, b"")
    return answered.headers["location"].removeprefix(cloud.url)


def step(cloud: Cloud, session: str, data: bytes, span: str) -> Answered:
    """One step of a resumable upload."""
    return cloud.call("PUT", session, raw=data, headers={"Content-Range": f"bytes {span}"})


def test_an_object_has_sizes_sums_and_links(cloud: Cloud, bucket: str) -> None:
    """What was uploaded plainly is described and comes back, by either path."""
    made = put(cloud, bucket, "a%2Fb%20c.txt", b"hello").json
    assert (made["name"], made["size"], made["contentType"]) == ("a/b c.txt", "5", "text/plain")
    assert made["md5Hash"] == base64.b64encode(hashlib.md5(b"hello", usedforsecurity=False).digest()).decode()
    assert (made["crc32c"], made["metageneration"], made["storageClass"]) == ("mnG7TA==", "1", "STANDARD")
    assert made["id"] == f"{bucket}/a/b c.txt/{made['generation']}"
    assert cloud.ok("GET", f"/storage/v1/b/{bucket}/o/a%2Fb%20c.txt") == made
    for path in (
        f"/storage/v1/b/{bucket}/o/a%2Fb%20c.txt?alt=media",
        f"/download/storage/v1/b/{bucket}/o/a/b%20c.txt?alt=media",
    ):
        read = cloud.get(path)
        assert (read.status, read.body, read.headers["content-type"]) == (200, b"hello", "text/plain")
        assert read.headers["x-goog-hash"] == f"crc32c=mnG7TA==,md5={made['md5Hash']}"
    assert cloud.get(made["mediaLink"].removeprefix(cloud.url)).body == b"hello"


@pytest.mark.parametrize(
    ("wish", "status", "body", "span"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=0-99", 206, b"0123456789", "bytes 0-9/10"),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=10-", 416, None, "bytes */10"),
    ],
)
def test_a_range_of_an_object_is_read(
    cloud: Cloud, bucket: str, wish: str, status: int, body: bytes | None, span: str | None
) -> None:
    """Every form of a range; one behind the end is a 416."""
    put(cloud, bucket, "x", b"0123456789")
    read = cloud.get(f"/storage/v1/b/{bucket}/o/x?alt=media", headers={"Range": wish})
    assert (read.status, read.headers.get("content-range")) == (status, span)
    assert body is None or read.body == body


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
@pytest.mark.parametrize("data", [b"", b"ends with a line\r\n", b"--cut\r\n--cut-", b"x" * (3 << 20)])
def test_metadata_and_content_in_one_body(cloud: Cloud, bucket: str, newline: bytes, data: bytes) -> None:
    """Content is taken as it is, whatever looks like a boundary in it; both line ends that clients use."""
    metadata = json.dumps(
        {
            "name": "m",
            "metadata": {"k": "v"},
            "md5Hash": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
        }
    )
    lines = [b"--cut--mark", b"Content-Type: application/json", b"", metadata.encode()]
    lines += [b"--cut--mark", b"Content-Type: image/png", b"", data, b"--cut--mark--", b""]
    sent = newline.join(lines)
    kind = {"Content-Type": "multipart/related; boundary='cut--mark'"}
    made = cloud.post(f"/upload/storage/v1/b/{bucket}/o?uploadType=multipart", raw=sent, headers=kind).json
    assert (made["contentType"], made["metadata"], made["size"]) == ("image/png", {"k": "v"}, str(len(data)))
    assert cloud.get(f"/storage/v1/b/{bucket}/o/m?alt=media").body == data


def test_metadata_is_checked_inside_a_multipart_body_too(cloud: Cloud, bucket: str) -> None:
    """An unknown field is a 400 there as well, and so is a body that is cut off."""
    kind = {"Content-Type": "multipart/related; boundary=b"}
    path = f"/upload/storage/v1/b/{bucket}/o?uploadType=multipart"
    sent = b'--b\r\n\r\n{"name":"m","nome":"x"}\r\n--b\r\n\r\nx\r\n--b--'
    assert "Unknown name \"nome\" at 'object'" in cloud.post(path, raw=sent, headers=kind).error["message"]
    cut = b'--b\r\n\r\n{"name":"m"}\r\n--b\r\n\r\nx'
    assert cloud.post(path, raw=cut, headers=kind).status == 400
    assert cloud.get(f"/storage/v1/b/{bucket}/o/m").status == 404


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(cloud: Cloud, bucket: str, running: Running) -> None:
    """Whether it comes in the metadata or in a header."""
    path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name=x"
    error = cloud.post(path, raw=b"hello", headers={"X-Goog-Hash": "crc32c=AAAAAA=="}).error
    assert error["message"] == 'Provided CRC32C "AAAAAA==" doesn\'t match calculated CRC32C "mnG7TA==".'
    assert cloud.get(f"/storage/v1/b/{bucket}/o/x").status == 404
    assert list((Path(running.home) / "objects" / ".uploads").iterdir()) == []


def test_a_resumable_upload_goes_step_by_step(cloud: Cloud, bucket: str) -> None:
    """308 with what is there, until it is complete; then it answers with its object for as long as that stands."""
    session = begin(cloud, bucket, "big", contentType="image/png")
    data = bytes(range(256)) * 2048 + b"tail"
    first = step(cloud, session, data[:STEP], f"0-{STEP - 1}/*")
    assert (first.status, first.headers["range"]) == (308, f"bytes=0-{STEP - 1}")
    asked = step(cloud, session, b"", f"*/{len(data)}")
    assert (asked.status, asked.headers["range"]) == (308, f"bytes=0-{STEP - 1}")
    again = step(cloud, session, data[: 2 * STEP], f"0-{2 * STEP - 1}/{len(data)}")
    assert again.headers["range"] == f"bytes=0-{2 * STEP - 1}"
    ended = step(cloud, session, data[2 * STEP :], f"{2 * STEP}-{len(data) - 1}/{len(data)}")
    assert (ended.status, ended.json["size"], ended.json["contentType"]) == (200, str(len(data)), "image/png")
    assert cloud.get(f"/storage/v1/b/{bucket}/o/big?alt=media").body == data
    assert step(cloud, session, b"", f"*/{len(data)}").json["generation"] == ended.json["generation"]
    cloud.call("DELETE", f"/storage/v1/b/{bucket}/o/big")
    assert step(cloud, session, b"", f"*/{len(data)}").status == 404


def test_a_resumable_upload_refuses_gaps_and_odd_steps(cloud: Cloud, bucket: str) -> None:
    """An offset behind what is there, and a step that is no multiple of 256 KiB, are 400s."""
    session = begin(cloud, bucket, "big")
    assert step(cloud, session, b"x" * STEP, f"{STEP}-{2 * STEP - 1}/*").status == 400
    assert step(cloud, session, b"x" * 10, "0-9/*").status == 400
    fresh = step(cloud, session, b"", "*/100")
    assert (fresh.status, "range" in fresh.headers) == (308, False)


def test_a_resumable_upload_may_come_in_one_piece_or_be_empty(cloud: Cloud, bucket: str) -> None:
    """Without a range the body is all there is; "*/0" ends an empty one; DELETE gives one up."""
    whole = cloud.call("PUT", begin(cloud, bucket, "whole"), raw=b"abc")
    assert whole.json["size"] == "3"
    assert step(cloud, begin(cloud, bucket, "empty"), b"", "*/0").json["size"] == "0"
    session = begin(cloud, bucket, "given-up")
    assert cloud.call("DELETE", session).status == 499
    assert cloud.call("PUT", session, raw=b"abc").status == 499


def test_an_upload_that_breaks_off_goes_on_where_it_was(cloud: Cloud, bucket: str) -> None:
    """Whole steps of what arrived stay; nothing is an object until all of it is there."""
    session = begin(cloud, bucket, "cut")
    head = (
        f"PUT {session} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Range: bytes 0-{4 * STEP - 1}/{4 * STEP}\r\n"
    )
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=10) as sock:
        sock.sendall(f"{head}Content-Length: {4 * STEP}\r\n\r\n".encode() + b"x" * (2 * STEP + 5))
    # The server notices the end of the connection on its own time.
    deadline = time.monotonic() + 10
    asked = step(cloud, session, b"", f"*/{4 * STEP}")
    while "range" not in asked.headers and time.monotonic() < deadline:
        asked = step(cloud, session, b"", f"*/{4 * STEP}")
    have = int(asked.headers["range"].rpartition("-")[2]) + 1
    assert have % STEP == 0
    assert cloud.get(f"/storage/v1/b/{bucket}/o/cut").status == 404
    rest = b"x" * (4 * STEP - have)
    assert step(cloud, session, rest, f"{have}-{4 * STEP - 1}/{4 * STEP}").json["size"] == str(4 * STEP)


def names(listing: dict[str, list[dict[str, str]]]) -> list[str]:
    """The names of a listing."""
    return [one["name"] for one in listing.get("items", [])]


def test_objects_are_listed_like_folders(cloud: Cloud, bucket: str) -> None:
    """With a delimiter the folders are prefixes; in order, in pages, each once."""
    for name in ("a/1", "a/2", "a/b/3", "b", "c/4", "ü"):
        put(cloud, bucket, name.replace("/", "%2F").replace("ü", "%C3%BC"))
    path = f"/storage/v1/b/{bucket}/o"
    assert names(cloud.ok("GET", path)) == ["a/1", "a/2", "a/b/3", "b", "c/4", "ü"]
    top = cloud.ok("GET", f"{path}?delimiter=/")
    assert (top["prefixes"], names(top)) == (["a/", "c/"], ["b", "ü"])
    below = cloud.ok("GET", f"{path}?delimiter=/&prefix=a/")
    assert (below["prefixes"], names(below)) == (["a/b/"], ["a/1", "a/2"])
    assert names(cloud.ok("GET", f"{path}?startOffset=a/2&endOffset=c")) == ["a/2", "a/b/3", "b"]
    seen: list[str] = []
    token = ""
    while True:
        page = cloud.ok("GET", f"{path}?delimiter=/&maxResults=1&pageToken={token}")
        seen += [*page.get("prefixes", []), *names(page)]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert seen == ["a/", "b", "c/", "ü"]
    assert cloud.ok("GET", f"{path}?prefix=nothing") == {"kind": "storage#objects"}


def test_generations_guard_against_overwriting(cloud: Cloud, bucket: str) -> None:
    """ifGenerationMatch=0 is "only if there is none"; another generation is a 412."""
    first = put(cloud, bucket, "x", b"1", "&ifGenerationMatch=0").json
    assert put(cloud, bucket, "x", b"2", "&ifGenerationMatch=0").status == 412
    assert put(cloud, bucket, "x", b"2", f"&ifGenerationMatch={first['generation']}").status == 200
    path = f"/storage/v1/b/{bucket}/o/x"
    assert cloud.call("DELETE", f"{path}?ifGenerationMatch={first['generation']}").status == 412
    assert cloud.get(f"{path}?alt=media").body == b"2"
    assert cloud.get(f"{path}?generation={first['generation']}").status == 404


def test_a_bucket_with_versions_keeps_the_old_ones(cloud: Cloud, bucket: str) -> None:
    """Overwritten and deleted generations stay readable until they are deleted by number."""
    cloud.ok("PATCH", f"/storage/v1/b/{bucket}", {"versioning": {"enabled": True}})
    path = f"/storage/v1/b/{bucket}/o/x"
    old = put(cloud, bucket, "x", b"1").json["generation"]
    put(cloud, bucket, "x", b"2")
    assert cloud.get(f"{path}?alt=media&generation={old}").body == b"1"
    assert cloud.call("DELETE", path).status == 204
    assert cloud.get(path).status == 404
    assert len(cloud.ok("GET", f"/storage/v1/b/{bucket}/o?versions=true")["items"]) == 2
    assert cloud.call("DELETE", f"{path}?generation={old}").status == 204
    assert cloud.get(f"{path}?alt=media&generation={old}").status == 404


def test_metadata_changes_without_the_content(cloud: Cloud, bucket: str) -> None:
    """PATCH merges and counts the metageneration up."""
    put(cloud, bucket, "x")
    path = f"/storage/v1/b/{bucket}/o/x"
    cloud.ok("PATCH", path, {"metadata": {"a": "1", "b": "2"}, "cacheControl": "no-store"})
    after = cloud.ok("PATCH", path, {"metadata": {"a": None}})
    assert (after["metadata"], after["metageneration"], after["cacheControl"]) == (
        {"b": "2"},
        "3",
        "no-store",
    )
    assert cloud.get(f"{path}?alt=media").headers["cache-control"] == "no-store"
    assert cloud.call("PATCH", f"{path}?ifMetagenerationMatch=1", {"contentType": "a/b"}).status == 412


def test_objects_are_copied_and_composed(cloud: Cloud, bucket: str) -> None:
    """A copy is independent of its source; a composition has no MD5, as in Cloud Storage."""
    put(cloud, bucket, "a", b"one ")
    put(cloud, bucket, "b", b"two")
    root = f"/storage/v1/b/{bucket}/o"
    rewritten = cloud.ok("POST", f"{root}/a/rewriteTo/b/{bucket}/o/c", {})
    assert (rewritten["done"], rewritten["resource"]["contentType"]) == (True, "text/plain")
    cloud.call("DELETE", f"{root}/a")
    assert cloud.get(f"{root}/c?alt=media").body == b"one "
    composed = cloud.ok("POST", f"{root}/d/compose", {"sourceObjects": [{"name": "c"}, {"name": "b"}]})
    assert (composed["size"], composed["componentCount"], "md5Hash" in composed) == ("7", 2, False)
    assert cloud.get(f"{root}/d?alt=media").body == b"one two"
    assert cloud.post(f"{root}/e/compose", {"sourceObjects": [{"name": "nope"}]}).status == 404


def test_a_runtime_account_needs_a_role_on_the_bucket(cloud: Cloud, bucket: str) -> None:
    """Nothing without one, reading with objectViewer, everything on objects with objectUser; never the bucket."""
    put(cloud, bucket, "x")
    email = cloud.account("runtime-account")
    runtime = cloud.bearer(email)
    read = f"/storage/v1/b/{bucket}/o/x?alt=media"
    refused = runtime.get(read).error
    assert refused["errors"][0]["reason"] == "forbidden"
    assert refused["message"].startswith(
        f"{email} does not have storage.objects.get access to the Google Cloud Storage"
    )

    def grant(role: str) -> None:
        policy = cloud.ok("GET", f"/storage/v1/b/{bucket}/iam")
        policy["bindings"].append({"role": role, "members": [f"serviceAccount:{email}"]})
        cloud.ok("PUT", f"/storage/v1/b/{bucket}/iam", policy)

    grant("roles/storage.objectViewer")
    assert runtime.get(read).body == b"x"
    assert put(runtime, bucket, "y").status == 403
    grant("roles/storage.objectCreator")
    assert put(runtime, bucket, "y").status == 200
    assert "storage.objects.delete" in put(runtime, bucket, "y").error["message"]
    grant("roles/storage.objectUser")
    assert put(runtime, bucket, "y").status == 200
    assert runtime.call("DELETE", f"/storage/v1/b/{bucket}/o/y").status == 204
    assert runtime.get(f"/storage/v1/b/{bucket}").status == 403
