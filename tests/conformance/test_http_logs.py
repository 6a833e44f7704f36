"""Reading the Config Connector project's HTTP logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.recordings import read

LOG = """\
GET https://storage.googleapis.com/storage/v1/b/one-${uniqueId}?alt=json&prettyPrint=false
User-Agent: somebody

404 Not Found
Content-Type: application/json; charset=UTF-8

{
  "error": {
    "code": 404,
    "message": "not there"
  }
}

---

POST https://storage.googleapis.com/storage/v1/b?alt=json&project=${projectId}
Content-Type: application/json

{
  "name": "one-${uniqueId}"
}

200 OK
Content-Type: application/json

{
  "name": "one-${uniqueId}"
}

---

GET https://cloudkms.googleapis.com/v1/projects/${projectId}/locations/l/keyRings/k

200 OK

{}

---

GET https://run.googleapis.com/v2/projects/${projectId}/locations/l/operations/${operationID}

200 OK

{
  "name": "projects/${projectId}/locations/l/operations/${operationID}"
}

---

GET https://storage.googleapis.com/storage/v1/b/one-${uniqueId}

200 OK

{
  "name": "one-${uniqueId}"
}

---

GET https://storage.googleapis.com/storage/v1/b/one-${uniqueId}

200 OK

{
  "name": "one-${uniqueId}"
}

---

DELETE https://storage.googleapis.com/storage/v1/b/one-${uniqueId}

204 No Content

"""


def write(folder: Path, text: str) -> Path:
    """A clone's folder with one log in it."""
    place = folder / "pkg" / "testdata" / "basic" / "bucket"
    place.mkdir(parents=True)
    (place / "_http.log").write_text(text, encoding="utf-8")
    return folder


def test_a_log_is_read_as_rows(tmp_path: Path) -> None:
    """Other APIs, polls that were not done and reads that repeat are left away; bodies, queries and statuses stay."""
    rows = read(write(tmp_path, LOG))
    assert [(row.seq, row.method, row.status, row.api) for row in rows] == [
        (0, "GET", 404, "storage buckets"),
        (1, "POST", 200, "storage buckets"),
        (4, "GET", 200, "storage buckets"),
        (6, "DELETE", 204, "storage buckets"),
    ]
    assert (rows[1].query["project"], rows[1].body) == ("${projectId}", {"name": "one-${uniqueId}"})
    assert rows[0].answer["error"]["message"] == "not there"
    assert (rows[3].answer, rows[3].case) == (None, "testdata--basic--bucket")


def test_what_is_no_http_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    """A gRPC call and a broken body are told of, each with its file; the rows beside them stay."""
    told: list[str] = []
    grpc = "\n---\n\nGRPC /google.monitoring.v3.AlertPolicyService/GetAlertPolicy\n\n{}\n\nOK\n\n{}\n"
    broken = "\n---\n\nGET https://storage.googleapis.com/storage/v1/b/x\n\n200 OK\n\n{\n"
    rows = read(write(tmp_path, LOG + grpc + broken), told.append)
    assert [row.seq for row in rows] == [0, 1, 4, 6]
    assert len(told) == 2
    assert "_http.log holds a gRPC call" in told[0]
    assert "no JSON, of GET https://storage.googleapis.com/storage/v1/b/x" in told[1]


def test_a_log_of_the_old_controller_is_a_case_of_its_own(tmp_path: Path) -> None:
    """The two logs that may stand beside one test were recorded in projects of their own."""
    place = write(tmp_path, LOG) / "pkg" / "testdata" / "basic" / "bucket"
    (place / "_http_old_controller.log").write_text(LOG, encoding="utf-8")
    cases = {row.case for row in read(tmp_path)}
    assert cases == {"testdata--basic--bucket", "testdata--basic--bucket--old-controller"}


def test_a_broken_log_is_named(tmp_path: Path) -> None:
    """The message says which file, and how the part begins that is no exchange."""
    with pytest.raises(ValueError, match=r"_http\.log holds something that is no exchange: 'Hello"):
        read(write(tmp_path, LOG + "\n---\n\nHello\n"))
