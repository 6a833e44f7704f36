"""The XML API: uploads in parts, in resumable steps and in one go, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import os

import pytest

from tests.sandbox import gcs
from tests.sandbox.calls import Answered, Cloud
from tests.sandbox.gcs import element, listed, xml_refusal
from tests.sandbox.test_conditions import under

PART = 5 << 20


@pytest.fixture(name="bucket")
def _bucket(cloud: Cloud) -> str:
    return gcs.made(cloud, "xml")


def begun(cloud: Cloud, path: str, **headers: str) -> str:
    """The path of a new upload in parts: every request of it goes there."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answered = cloud.post(f"{path}?uploads", raw=b"", headers=named)
    assert answered.status == 200, answered.body
    assert b"<InitiateMultipartUploadResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>" in answered.body
    return f"{path}?uploadId={element(answered, 'UploadId')}"


def part(cloud: Cloud, upload: str, number: int, data: bytes) -> tuple[int, str]:
    """(number, etag) of a part that was taken."""
    answered = cloud.call("PUT", f"{upload}&partNumber={number}", raw=data)
    assert answered.status == 200, answered.body
    assert answered.headers["etag"] == f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
    return number, answered.headers["etag"]


def complete(cloud: Cloud, upload: str, *parts: tuple[int, str]) -> Answered:
    """The answer to a list of parts."""
    return cloud.post(upload, raw=listed(*parts))


def test_parts_become_an_object(cloud: Cloud, bucket: str) -> None:
    """In any order, the later of two of one number counts; the metadata is of the beginning, and there is no MD5."""
    upload = begun(cloud, f"/{bucket}/dir/big", content_type="image/png", x_goog_meta_run="1")
    first, second = os.urandom(PART), os.urandom(17)
    two = part(cloud, upload, 2, second)
    part(cloud, upload, 1, b"sent by mistake")
    one = part(cloud, upload, 1, first)
    shown = cloud.get(f"{upload}&max-parts=1")
    assert (element(shown, "IsTruncated"), element(shown, "NextPartNumberMarker")) == ("true", "1")
    assert element(cloud.get(f"{upload}&part-number-marker=1"), "Size") == "17"
    assert cloud.get(f"/storage/v1/b/{bucket}/o/dir%2Fbig").status == 404
    done = complete(cloud, upload, one, two)
    assert (done.status, element(done, "Key")) == (200, "dir/big")
    assert element(done, "ETag").endswith('-2"')
    resource = cloud.ok("GET", f"/storage/v1/b/{bucket}/o/dir%2Fbig")
    assert (resource["contentType"], resource["metadata"]) == ("image/png", {"run": "1"})
    assert resource["size"] == str(PART + 17)
    assert "md5Hash" not in resource
    assert cloud.get(f"/{bucket}/dir/big").body == first + second
    assert xml_refusal(complete(cloud, upload, one, two))[:2] == (404, "NoSuchUpload")


def test_a_list_of_parts_must_fit_what_was_sent(cloud: Cloud, bucket: str) -> None:
    """Order, etags, sizes and the list itself are checked, and the upload stays as it was."""
    upload = begun(cloud, f"/{bucket}/x")
    one, two = part(cloud, upload, 1, b"a"), part(cloud, upload, 2, b"b")
    assert xml_refusal(complete(cloud, upload, two, one))[:2] == (400, "InvalidPartOrder")
    assert xml_refusal(complete(cloud, upload, (1, two[1])))[:2] == (400, "InvalidPart")
    assert xml_refusal(complete(cloud, upload, one, (3, one[1])))[:2] == (400, "InvalidPart")
    assert xml_refusal(complete(cloud, upload, one, two))[:2] == (400, "EntityTooSmall")
    for body in (b"", b"<CompleteMultipartUpload/>", b"<a><b></a>"):
        assert xml_refusal(cloud.post(upload, raw=body))[0] == 400
    assert xml_refusal(cloud.call("PUT", f"{upload}&partNumber=10001", raw=b"x"))[:2] == (
        400,
        "InvalidArgument",
    )
    assert complete(cloud, upload, two).status == 200
    assert cloud.get(f"/{bucket}/x").body == b"b"


def test_an_upload_that_is_given_up_leaves_nothing(cloud: Cloud, bucket: str) -> None:
    """204, and then its parts are nobody's any more."""
    upload = begun(cloud, f"/{bucket}/x")
    part(cloud, upload, 1, b"a")
    assert cloud.call("DELETE", upload).status == 204
    assert xml_refusal(cloud.get(upload))[:2] == (404, "NoSuchUpload")
    assert xml_refusal(cloud.call("PUT", f"{upload}&partNumber=1", raw=b"a"))[:2] == (404, "NoSuchUpload")


def test_an_upload_ends_with_its_bucket(cloud: Cloud, bucket: str) -> None:
    """Another bucket of the same name knows nothing of it."""
    upload = begun(cloud, f"/{bucket}/x")
    part(cloud, upload, 1, b"a")
    assert cloud.call("DELETE", f"/storage/v1/b/{bucket}").status == 204
    assert gcs.made(cloud, "xml") == bucket
    assert xml_refusal(cloud.get(upload))[:2] == (404, "NoSuchUpload")


def test_a_part_that_arrives_broken_is_refused(cloud: Cloud, bucket: str) -> None:
    """Content-MD5 and x-goog-hash are held against what came in, of parts as of objects."""
    upload = begun(cloud, f"/{bucket}/x")
    wrong = base64.b64encode(bytes(16)).decode()
    for path in (f"{upload}&partNumber=1", f"/{bucket}/x"):
        answered = cloud.call("PUT", path, raw=b"a", headers={"Content-MD5": wrong})
        assert xml_refusal(answered)[:2] == (400, "BadDigest")
        answered = cloud.call("PUT", path, raw=b"a", headers={"x-goog-hash": "crc32c=AAAAAA=="})
        assert xml_refusal(answered)[:2] == (400, "BadDigest")
    assert b"<Part>" not in cloud.get(upload).body


def test_an_object_by_the_xml_api(cloud: Cloud, bucket: str) -> None:
    """Written with conditions and limits, looked at without its content, and not sent again to who has it."""
    path = f"/{bucket}/x"
    assert cloud.call("PUT", path, raw=b"abc", headers={"x-goog-if-generation-match": "0"}).status == 200
    again = cloud.call("PUT", path, raw=b"abc", headers={"x-goog-if-generation-match": "0"})
    assert xml_refusal(again)[:2] == (412, "PreconditionFailed")
    limited = cloud.call("PUT", path, raw=b"abcd", headers={"x-goog-content-length-range": "0,3"})
    assert xml_refusal(limited)[:2] == (400, "EntityTooLarge")
    head = cloud.call("HEAD", path)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "3")
    md5 = hashlib.md5(b"abc", usedforsecurity=False).hexdigest()
    assert head.headers["etag"] == f'"{md5}"'
    assert cloud.get(path, headers={"If-None-Match": head.headers["etag"]}).status == 304
    assert cloud.get(path, headers={"If-Modified-Since": head.headers["last-modified"]}).status == 304
    assert xml_refusal(cloud.get(path, headers={"If-Match": '"other"'}))[:2] == (412, "PreconditionFailed")
    assert cloud.call("HEAD", f"/{bucket}/none").status == 404
    missing = xml_refusal(cloud.get(f"/{bucket}/none"))
    assert missing == (404, "NoSuchKey", f"No such object: {bucket}/none")


def test_an_upload_in_steps_by_the_xml_api(cloud: Cloud, bucket: str) -> None:
    """x-goog-resumable answers 201 with a Location that takes the content in steps."""
    start = {"x-goog-resumable": "start", "Content-Type": "text/csv"}
    begun_at = cloud.post(f"/{bucket}/steps", raw=b"", headers=start)
    assert begun_at.status == 201
    target = begun_at.headers["location"].removeprefix(cloud.url)
    data = os.urandom((1 << 18) + 5)
    first = cloud.call("PUT", target, raw=data[: 1 << 18], headers={"Content-Range": "bytes 0-262143/*"})
    assert (first.status, first.headers["range"]) == (308, "bytes=0-262143")
    end = f"bytes 262144-{len(data) - 1}/{len(data)}"
    assert cloud.call("PUT", target, raw=data[1 << 18 :], headers={"Content-Range": end}).status == 200
    assert cloud.get(f"/{bucket}/steps").body == data
    assert cloud.ok("GET", f"/storage/v1/b/{bucket}/o/steps")["contentType"] == "text/csv"
    gone = cloud.call("PUT", f"/{bucket}/steps?upload_id=none", raw=b"")
    assert xml_refusal(gone)[:2] == (404, "NoSuchUpload")


def test_the_host_says_what_is_meant(cloud: Cloud, bucket: str) -> None:
    """Google's own host takes any path that is no JSON API's as a bucket's; a bucket's host needs none."""
    host = {"Host": "storage.googleapis.com"}
    assert xml_refusal(cloud.get("/no-such-bucket/x", headers=host))[:2] == (404, "NoSuchBucket")
    assert cloud.get(f"/storage/v1/b/{bucket}", headers=host).json["name"] == bucket
    own = {"Host": f"{bucket}.storage.googleapis.com"}
    assert cloud.call("PUT", "/dir/x", raw=b"abc", headers=own).status == 200
    assert cloud.get(f"/{bucket}/dir/x", headers=host).body == b"abc"
    assert cloud.get(f"/{bucket}-none/x", headers={"Host": f"{cloud.port}.example.org"}).status == 403


@pytest.mark.parametrize(
    ("fault", "code"), [("429", "SlowDown"), ("500", "InternalError"), ("503", "ServiceUnavailable")]
)
def test_the_xml_api_has_its_bad_days_too(cloud: Cloud, bucket: str, fault: str, code: str) -> None:
    """A fault is answered in place of the call, in XML; the next one works."""
    with under(cloud, faults=[{"method": "storage.xml.objects.insert", "fault": fault}]):
        answered = cloud.call("PUT", f"/{bucket}/x", raw=b"x")
        assert xml_refusal(answered)[:2] == (int(fault), code)
        assert cloud.call("HEAD", f"/{bucket}/x").status == 404
        assert cloud.call("PUT", f"/{bucket}/x", raw=b"x").status == 200


def test_who_may_not_learns_it_in_xml(cloud: Cloud, bucket: str) -> None:
    """403 AccessDenied with the missing permission; a token that is none is 401."""
    stranger = cloud.bearer(cloud.account("stranger"))
    refused = stranger.post(f"/{bucket}/x?uploads", raw=b"")
    status, code, details = xml_refusal(refused)
    assert (status, code) == (403, "AccessDenied")
    assert "storage.multipartUploads.create" in details
    bad = cloud.get(f"/{bucket}/x", headers={"Authorization": "Bearer none"})
    assert xml_refusal(bad)[:2] == (401, "AuthenticationRequired")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PUT", "/x?acl"), ("GET", "/x?tagging"), ("POST", "/x"), ("PUT", "/x?compose")],
)
def test_what_the_xml_api_has_no_emulation_for_is_said(
    cloud: Cloud, bucket: str, method: str, path: str
) -> None:
    """A 404 that says so, never a success."""
    answered = cloud.call(method, f"/{bucket}{path}", raw=b"")
    assert xml_refusal(answered)[:2] == (404, "SandboxNotEmulated")
    assert element(answered, "Message").startswith("The sandbox does not emulate ")
