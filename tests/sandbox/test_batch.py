"""Several calls in one request, as gcloud and Google's clients send them."""

from __future__ import annotations

from email.parser import BytesParser
from typing import Any, cast

import pytest

from tests.sandbox.calls import Answered, Cloud

LINES = "--b\r\nContent-Type: application/http\r\nContent-ID: <{id}>\r\n\r\n{call}\r\n"


def _batch(cloud: Cloud, *calls: str, path: str = "/batch/storage/v1", **headers: str) -> Answered:
    parts = [LINES.format(id=f"x+{number}", call=call) for number, call in enumerate(calls)]
    raw = "".join([*parts, "--b--\r\n"]).replace("{P}", cloud.project).encode()
    sent = {"Content-Type": "multipart/mixed; boundary=b", **headers}
    return cloud.call("POST", path, raw=raw, headers=sent)


def _parts(answered: Answered) -> list[tuple[str, str, str]]:
    """(Content-ID, status line, body) of each part."""
    head = f"Content-Type: {answered.headers['content-type']}\r\n\r\n".encode()
    found: list[tuple[str, str, str]] = []
    for part in cast("list[Any]", BytesParser().parsebytes(head + answered.body).get_payload()):
        status, _, rest = str(part.get_payload()).partition("\n")
        found.append(
            (str(part["Content-ID"]), status.strip(), rest.replace("\r\n", "\n").partition("\n\n")[2])
        )
    return found


def test_each_call_is_answered_under_its_name(cloud: Cloud) -> None:
    """One that fails does not keep the others from being carried out."""
    make = 'POST /storage/v1/b?project={P} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{"name": "{P}-batch"}'
    answered = _batch(
        cloud, make, "GET /storage/v1/b/{P}-none HTTP/1.1\r\n", "GET /storage/v1/b/{P}-batch\r\n"
    )
    assert [(name, status) for name, status, _ in _parts(answered)] == [
        ("<response-x+0>", "HTTP/1.1 200 OK"),
        ("<response-x+1>", "HTTP/1.1 404 Not Found"),
        ("<response-x+2>", "HTTP/1.1 200 OK"),
    ]
    assert f'"name": "{cloud.project}-batch"' in _parts(answered)[2][2]


def test_a_call_has_the_credentials_of_the_whole_or_its_own(cloud: Cloud) -> None:
    """A token on the batch is the calls' token; one of their own comes before it."""
    nobody = cloud.bearer(cloud.account("nobody-in-batches"))
    own = f"GET /storage/v1/b?project={{P}} HTTP/1.1\r\nAuthorization: Bearer {nobody.token}\r\n"
    plain = "GET /storage/v1/b?project={P} HTTP/1.1\r\n"
    assert [status for _, status, _ in _parts(_batch(cloud, own, plain))] == [
        "HTTP/1.1 403 Forbidden",
        "HTTP/1.1 200 OK",
    ]
    statuses = _parts(_batch(cloud, plain, Authorization=f"Bearer {nobody.token}"))
    assert [status for _, status, _ in statuses] == ["HTTP/1.1 403 Forbidden"]


@pytest.mark.parametrize("call", ["", "GET", "POST /batch/storage/v1 HTTP/1.1\r\n"])
def test_what_is_no_call_is_refused(cloud: Cloud, call: str) -> None:
    """An empty batch, half a line, a batch in a batch."""
    answered = _batch(cloud, call) if call else _batch(cloud)
    assert answered.status == 400


def test_a_whole_url_leads_nowhere_else(cloud: Cloud) -> None:
    """Its path is asked where the batch went."""
    answered = _batch(cloud, "GET https://elsewhere.example/storage/v1/b?project={P} HTTP/1.1\r\n")
    assert [status for _, status, _ in _parts(answered)] == ["HTTP/1.1 200 OK"]
