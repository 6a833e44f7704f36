"""Where fuzzing starts: proper inputs, whose parts are then mixed."""

from __future__ import annotations

from pathlib import Path

from reconciler.spec.files import specs_folder

PROJECT = "fuzz-project"
APIS = ("run", "secretmanager", "sqladmin", "storage", "iam", "compute", "artifactregistry", "cloudscheduler")

HOSTS = (
    "127.0.0.1", "storage.googleapis.com", "run.googleapis.com", "secretmanager.googleapis.com",
    "sqladmin.googleapis.com", "compute.googleapis.com", "iam.googleapis.com", "oauth2.googleapis.com",
    "sts.googleapis.com", "iamcredentials.googleapis.com", "metadata.google.internal", "a-1.run.app",
    "us-central1-run.sandbox", "bucket.storage.googleapis.com", "www.googleapis.com", "elsewhere.example", "[::1]",
)  # fmt: skip
PATHS = (
    "/", "//", "*", "/%", "/%00", "/%ff%fe", "/../..", "http://[::1", "http://[x]/", "http:///", "/token", "/tokeninfo",
    "/v1/token", "/batch", "/batch/storage/v1", "/sandbox/v1/status", "/sandbox/v1/token", "/sandbox/v1/identity",
    "/sandbox/v1/projects", "/sandbox/v1/x", "/computeMetadata/v1/%ff", "/storage/v1/b", "/storage/v1/b/x/o/%ff",
    f"/storage/v1/b?project={PROJECT}", "/storage/v1/b/fuzz/o/%00?generation=x", "/storage/v1/b/fuzz/iam",
    "/upload/storage/v1/b/fuzz/o?uploadType=multipart", "/upload/storage/v1/b/fuzz/o?uploadType=media&name=%ff",
    "/upload/storage/v1/b/fuzz/o?uploadType=resumable&upload_id=%ff", "/fuzz/o?uploadId=%ff&partNumber=x",
    "/fuzz?uploads",
    "/fuzz/o?X-Goog-Signature=zz&X-Goog-Credential=%ff&X-Goog-Date=x&X-Goog-Expires=x",
    f"/v1/projects/{PROJECT}/secrets?pageSize=9999999999999999999999", f"/v1/projects/{PROJECT}/secrets?pageToken=%ff",
    f"/v1/projects/{PROJECT}/secrets?fields=a((", f"/v1/projects/{PROJECT}/secrets?secretId=%ff",
    f"/v1/projects/{PROJECT}/secrets?filter=%22%28", f"/v1/projects/{PROJECT}/secrets/x/versions/%ff:access",
    f"/v1/projects/{PROJECT}/serviceAccounts", f"/v1/projects/{PROJECT}:setIamPolicy",
    f"/v1/projects/{PROJECT}/secrets/x:addVersion",
    f"/v2/projects/{PROJECT}/locations/us-central1/services?serviceId=a",
    f"/v2/projects/{PROJECT}/locations/us-central1/operations/x:wait", f"/sql/v1beta4/projects/{PROJECT}/instances",
    f"/compute/v1/projects/{PROJECT}/global/networks?filter=%28%28&orderBy=%ff&maxResults=-1",
    f"/v1/projects/{PROJECT}/services:batchEnable", f"/v1/projects/{PROJECT}/locations/us-central1/jobs",
)  # fmt: skip
BODIES = (
    b"", b"{}", b"[", b"null", b"[]", b'"x"', b"1", b"\xff\xfe", b'{"a":NaN}', b'{"a":1e999}', b'{"name":"\\ud800"}',
    b"[" * 5000, b'{"a":' * 5000, b"9" * 6000, b'{"payload":5}', b'{"payload":[{}]}', b'{"payload":{"data":"%"}}',
    b'{"name":"fuzz"}', b'{"name":["fuzz"],"location":{}}', b'{"policy":{"bindings":[{"role":1,"members":"x"}]}}',
    b'{"policy":{"bindings":[{"role":"roles/viewer","members":["user:\xc3\xa9@x"]}],"etag":"%%%"}}',
    b'{"accountId":"\\u0000","serviceAccount":[]}', b'{"template":{"containers":[{"image":"x","env":[{}]}]}}',
    b'{"serviceIds":["x",1,null]}', b'{"timeout":"xs"}', b"grant_type=%ff&assertion=a.b.c&refresh_token=x",
    b'{"grantType":1,"subjectToken":{}}', b'{"member":"user:x","audience":[]}', b"--x\r\n\r\n{}\r\n--x--", b"<a>" * 500,
    b"--x\r\nContent-Type: application/http\r\nContent-ID: <1>\r\n\r\nGET /%ff HTTP/1.1\r\n\r\n--x--",
)  # fmt: skip
HEADERS = (
    b"Content-Type: application/json", b"Content-Type: multipart/related; boundary=x",
    b"Content-Type: multipart/mixed; boundary=x", b"Content-Type: multipart/mixed; boundary=",
    b"Content-Type: application/x-www-form-urlencoded", b"Content-Type: \xff", b"Authorization: Bearer \xff.\xff",
    b"Authorization: Bearer a.b.c", b"Authorization: Basic %%%", b"Authorization: GOOG4-HMAC-SHA256 x",
    b"Authorization:",
    b"Range: bytes=99999999999999999999-x", b"Content-Range: bytes x-y/z",
    b"Content-Range: bytes */99999999999999999999",
    b"Cookie: \xff=\xff; ;;=", b"Metadata-Flavor: Google", b"X-Goog-User-Project: \xff", b"Content-Encoding: gzip",
    b"If-Match: %%%", b"X-Goog-If-Generation-Match: x", b"Expect: 100-continue", b"Expect: x", b"Connection: close",
    b"Connection: keep-alive, x", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Content-Length: 5",
    b"Content-Length: +5", b"Content-Length: 99999999999999999999", b"Content-Length: 9223372036854775807",
    b"Host: other", b"Origin: https://x", b" folded", b"No-Colon", b"A\x00B: 1", b"X-HTTP-Method-Override: \xff",
    b"X-Upload-Content-Length: x", b"X-Goog-Hash: crc32c=%", b"Upgrade: h2c", b"Accept-Encoding: gzip;q=x",
)  # fmt: skip
METHODS = (
    b"GET",
    b"POST",
    b"PUT",
    b"PATCH",
    b"DELETE",
    b"HEAD",
    b"OPTIONS",
    b"CONNECT",
    b"TRACE",
    b"get",
    b"M\xc3",
)


def request(
    method: bytes, target: bytes, host: bytes, headers: tuple[bytes, ...] = (), body: bytes = b""
) -> bytes:
    """A request with a proper length, unless *headers* say something else of it."""
    said = b"".join(headers).lower()
    length = (
        ()
        if b"content-length" in said or b"transfer-encoding" in said
        else (b"Content-Length: %d" % len(body),)
    )
    lines = (method + b" " + target + b" HTTP/1.1", b"Host: " + host, *headers, *length)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def requests() -> list[bytes]:
    """One request to each path, with whatever else comes round."""
    found: list[bytes] = []
    for number, path in enumerate(PATHS):
        for method in (b"GET", b"POST"):
            host = HOSTS[number % len(HOSTS)].encode()
            found.append(
                request(
                    method,
                    path.encode(),
                    host,
                    (HEADERS[number % len(HEADERS)],),
                    BODIES[number % len(BODIES)],
                )
            )
    return found


def specs() -> list[bytes]:
    """The examples that come with the program."""
    return [Path(path).read_bytes() for path in sorted(specs_folder().glob("*.yaml"))]
