"""Signed URLs by Google's own library: what they allow, and each way in which one does not hold."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from google.auth.credentials import Signing
from google.cloud import storage
from google.oauth2 import service_account

from tests.sandbox import gcs
from tests.sandbox.calls import Cloud

DAY = 86400


@dataclass(frozen=True)
class Signer:
    """A service account with a key of its own, and the storage library that signs with it."""

    cloud: Cloud
    email: str
    key: str
    """The key's resource name."""
    client: Any

    def url(self, bucket: str, name: str, method: str = "GET", **options: Any) -> str:
        """Path and query of a signed URL that holds for a minute."""
        blob = self.client.bucket(bucket).blob(name)
        options = {"version": "v4", "expiration": timedelta(minutes=1), **options}
        signed = blob.generate_signed_url(method=method, api_access_endpoint=self.cloud.url, **options)
        return str(signed).removeprefix(self.cloud.url)


def signer(cloud: Cloud, name: str) -> Signer:
    """A new account's."""
    email = cloud.account(name)
    key = cloud.ok("POST", f"/v1/projects/-/serviceAccounts/{email}/keys", {})
    info = json.loads(base64.b64decode(key["privateKeyData"]))
    library: Any = service_account.Credentials
    client: Any = storage.Client
    return Signer(
        cloud,
        email,
        key["name"],
        client(project=cloud.project, credentials=library.from_service_account_info(info)),
    )


def allow(cloud: Cloud, bucket: str, email: str, role: str = "roles/storage.objectAdmin") -> None:
    """Give an account a role on a bucket."""
    path = f"/storage/v1/b/{bucket}/iam"
    policy = cloud.ok("GET", path)
    policy["bindings"].append({"role": role, "members": [f"serviceAccount:{email}"]})
    cloud.ok("PUT", path, policy)


def with_query(target: str, change: Mapping[str, str]) -> str:
    """*target* with other values of some of its parameters."""
    path, _, query = target.partition("?")
    return f"{path}?{urlencode({**dict(parse_qsl(query)), **change})}"


@pytest.fixture(name="ours")
def _ours(cloud: Cloud) -> tuple[Signer, str]:
    """(signer, bucket in which it may do everything)."""
    bucket = gcs.made(cloud, "signed")
    one = signer(cloud, "signer")
    allow(cloud, bucket, one.email)
    return one, bucket


@pytest.mark.parametrize("version", ["v2", "v4"])
def test_a_signed_url_writes_reads_and_deletes(cloud: Cloud, ours: tuple[Signer, str], version: str) -> None:
    """Each verb has its own; type, custom metadata and the wished disposition arrive."""
    one, bucket = ours
    headers = {"Content-Type": "image/png", "x-goog-meta-step": "7"}
    kind: dict[str, Any] = {"version": version, "expiration": timedelta(minutes=1)}
    sends: dict[str, Any] = {"content_type": "image/png", "headers": {"x-goog-meta-step": "7"}}
    url = one.url(bucket, "a b/ü", "PUT", **kind, **sends)
    made = cloud.call("PUT", url, raw=b"content", headers=headers)
    assert (made.status, made.body) == (200, b"")
    resource = cloud.ok("GET", f"/storage/v1/b/{bucket}/o/a%20b%2F%C3%BC")
    assert (resource["contentType"], resource["metadata"]) == ("image/png", {"step": "7"})
    assert made.headers["x-goog-generation"] == resource["generation"]
    url = one.url(bucket, "a b/ü", **kind, response_disposition="attachment")
    read = cloud.get(url, headers={"Range": "bytes=1-3"})
    assert (read.status, read.body, read.headers["content-range"]) == (206, b"ont", "bytes 1-3/7")
    assert (read.headers["content-disposition"], read.headers["x-goog-meta-step"]) == ("attachment", "7")
    assert cloud.call("DELETE", one.url(bucket, "a b/ü", "DELETE", **kind)).status == 204
    assert gcs.xml_refusal(cloud.get(url))[:2] == (404, "NoSuchKey")


def test_what_was_signed_is_all_that_holds(cloud: Cloud, ours: tuple[Signer, str]) -> None:
    """Another verb, name, parameter, header or signature is a 403 that shows what should have been signed."""
    one, bucket = ours
    gcs.put(cloud, bucket, "x")
    gcs.put(cloud, bucket, "y")
    url = one.url(bucket, "x")
    assert cloud.get(url).body == b"x"
    query = dict(parse_qsl(url.partition("?")[2]))
    other = ("0" if query["X-Goog-Signature"][-1] != "0" else "1").join((query["X-Goog-Signature"][:-1], ""))
    wrong = [
        cloud.call("DELETE", url),
        cloud.get(url.replace("/x?", "/y?")),
        cloud.get(url + "&response-content-type=text%2Fhtml"),
        cloud.get(with_query(url, {"X-Goog-Expires": "61"})),
        cloud.get(with_query(url, {"X-Goog-Signature": other})),
        cloud.get(with_query(url, {"X-Goog-Signature": "no hex"})),
        cloud.get(with_query(one.url(bucket, "x", version="v2"), {"Signature": "AAAA"})),
    ]
    assert {gcs.xml_refusal(answered)[:2] for answered in wrong} == {(403, "SignatureDoesNotMatch")}
    assert gcs.xml_refusal(wrong[0])[2].startswith("The request signature we calculated does not match")
    assert f"<CanonicalRequest>DELETE\n/{bucket}/x\n" in wrong[0].body.decode()


def test_headers_of_a_signed_url_must_be_the_signed_ones(cloud: Cloud, ours: tuple[Signer, str]) -> None:
    """A signed one that is not sent and an x-goog- one that is not signed are each a 400 that names it."""
    one, bucket = ours
    url = one.url(bucket, "x", "PUT", headers={"x-goog-meta-a": "1"})
    left = cloud.call("PUT", url, raw=b"x")
    more = cloud.call("PUT", url, raw=b"x", headers={"x-goog-meta-a": "1", "x-goog-meta-b": "2"})
    assert gcs.xml_refusal(left)[:2] == gcs.xml_refusal(more)[:2] == (400, "MalformedSecurityHeader")
    assert b"<ParameterName>x-goog-meta-a<" in left.body
    assert b"<ParameterName>x-goog-meta-b<" in more.body
    other = cloud.call("PUT", url, raw=b"x", headers={"x-goog-meta-a": "2"})
    assert gcs.xml_refusal(other)[:2] == (403, "SignatureDoesNotMatch")


def test_a_signed_url_holds_for_its_time(cloud: Cloud, ours: tuple[Signer, str]) -> None:
    """After it: 400 ExpiredToken with the moment of its end, in both versions; more than seven days is a 400."""
    one, bucket = ours
    gcs.put(cloud, bucket, "x")
    brief = one.url(bucket, "x", expiration=timedelta(seconds=1))
    assert cloud.get(brief).status == 200
    until = time.monotonic() + 10
    while (late := cloud.get(brief)).status == 200:
        assert time.monotonic() < until
    status, code, details = gcs.xml_refusal(late)
    assert (status, code) == (400, "ExpiredToken")
    assert details.startswith("The provided token has expired. Request signature expired at: 20")
    older = with_query(one.url(bucket, "x", version="v2"), {"Expires": "1700000000"})
    assert gcs.xml_refusal(cloud.get(older))[:2] == (400, "ExpiredToken")
    assert gcs.xml_refusal(cloud.get(with_query(brief, {"X-Goog-Expires": str(8 * DAY)})))[0] == 400


def test_a_signed_url_may_what_its_account_may(cloud: Cloud) -> None:
    """An account without a role is told so; one that is disabled, or whose key is gone, signs nothing any more."""
    bucket = gcs.made(cloud, "rights")
    gcs.put(cloud, bucket, "x")
    one = signer(cloud, "may-not")
    url = one.url(bucket, "x")
    status, code, details = gcs.xml_refusal(cloud.get(url))
    assert (status, code) == (403, "AccessDenied")
    assert details.startswith(f"{one.email} does not have storage.objects.get access to")
    allow(cloud, bucket, one.email, "roles/storage.objectViewer")
    assert cloud.get(url).body == b"x"
    assert gcs.xml_refusal(cloud.call("PUT", one.url(bucket, "x", "PUT"), raw=b"y"))[:2] == (
        403,
        "AccessDenied",
    )
    account = f"/v1/projects/-/serviceAccounts/{one.email}"
    cloud.ok("POST", f"{account}:disable", {})
    assert gcs.xml_refusal(cloud.get(url))[:2] == (403, "SignatureDoesNotMatch")
    cloud.ok("POST", f"{account}:enable", {})
    assert cloud.get(url).status == 200
    cloud.ok("DELETE", f"/v1/{one.key}")
    assert gcs.xml_refusal(cloud.get(url))[:2] == (403, "SignatureDoesNotMatch")


class Remote(Signing):
    """Credentials without a key of their own: they sign as google.auth.iam.Signer does, at the sandbox."""

    def __init__(self, cloud: Cloud, email: str) -> None:
        self._cloud = cloud
        self._email = email

    @property
    def signer_email(self) -> str:
        """Whose signature it is."""
        return self._email

    @property
    def signer(self) -> Remote:
        """What signs."""
        return self

    def sign_bytes(self, message: bytes) -> bytes:
        """The account's signature of *message*."""
        path = f"/v1/projects/-/serviceAccounts/{self.signer_email}:signBlob"
        signed = self._cloud.ok("POST", path, {"payload": base64.b64encode(message).decode()})
        return base64.b64decode(signed["signedBlob"])


def test_the_key_that_google_holds_signs_too(cloud: Cloud, ours: tuple[Signer, str]) -> None:
    """A signature by signBlob, which is how a service without a key file signs."""
    one, bucket = ours
    gcs.put(cloud, bucket, "x")
    url = one.url(bucket, "x", credentials=Remote(cloud, one.email))
    assert cloud.get(url).body == b"x"
