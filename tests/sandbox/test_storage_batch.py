"""Batches of Cloud Storage: many calls in one request, by Google's clients and by hand."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from googleapiclient import discovery  # pyright: ignore[reportMissingTypeStubs] -- ships no types

from tests.sandbox import gcs
from tests.sandbox.calls import Answered, Cloud

MIXED = {"Content-Type": 'multipart/mixed; boundary="b"'}


def sent(*calls: str) -> bytes:
    """A batch of calls, each as it stands in HTTP."""
    head = "--b\r\nContent-Type: application/http\r\nContent-ID: <c+{number}>\r\n\r\n"
    parts = [head.format(number=number) + call + "\r\n" for number, call in enumerate(calls, 1)]
    return ("".join(parts) + "--b--\r\n").encode()


def batch(cloud: Cloud, *calls: str) -> Answered:
    """The answer to a batch."""
    return cloud.post("/batch/storage/v1", raw=sent(*calls), headers=MIXED)


def test_the_storage_client_sends_batches(cloud: Cloud) -> None:
    """Changes and deletes in one request; the one that fails says so, and the others are done."""
    library: Any = storage.Client
    client = library(
        project=cloud.project,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": cloud.url},
    )
    bucket = client.create_bucket(f"{cloud.project}-batch")
    names = [f"dir/ü {number}" for number in range(3)]
    for name in names:
        bucket.blob(name).upload_from_string("x")
    with client.batch():
        for name in names:
            blob = bucket.blob(name)
            blob.metadata = {"in": "a batch"}
            blob.patch()
    assert {blob.metadata["in"] for blob in client.list_blobs(bucket)} == {"a batch"}

    def delete(*doomed: str) -> None:
        with client.batch():
            for name in doomed:
                bucket.blob(name).delete()

    with pytest.raises(exceptions.NotFound):
        delete(names[0], "none", names[1])
    assert [blob.name for blob in client.list_blobs(bucket)] == names[2:]


def test_the_discovery_client_sends_batches(cloud: Cloud) -> None:
    """Each call's answer goes to its callback."""
    gcs.made(cloud, "disco-batch")
    library: Any = discovery
    service = library.build(
        "storage",
        "v1",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": cloud.url + "/storage/v1/"},
    )
    taken: dict[str, Any] = {}

    def take(key: str, body: Any, error: Any) -> None:
        taken[key] = body or error

    calls = service.new_batch_http_request(take)
    calls._batch_uri = f"{cloud.url}/batch/storage/v1"
    for suffix in ("disco-batch", "none"):
        calls.add(service.buckets().get(bucket=f"{cloud.project}-{suffix}"), request_id=suffix)
    calls.execute()
    assert taken["disco-batch"]["name"] == f"{cloud.project}-disco-batch"
    assert taken["none"].status_code == 404


def test_a_batch_of_storage_has_its_limit(cloud: Cloud) -> None:
    """Cloud Storage takes at most a hundred calls."""
    call = f"GET /storage/v1/b?project={cloud.project} HTTP/1.1\r\n\r\n"
    assert batch(cloud, *[call] * 100).body.count(b"HTTP/1.1 200 OK") == 100
    assert batch(cloud, *[call] * 101).status == 400
