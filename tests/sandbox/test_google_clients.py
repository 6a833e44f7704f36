"""Google's own Python clients against the sandbox, unmodified."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import secretmanager_v1, storage
from google.cloud.storage import transfer_manager
from googleapiclient import discovery  # pyright: ignore[reportMissingTypeStubs] -- ships no types
from googleapiclient.errors import HttpError  # pyright: ignore[reportMissingTypeStubs] -- ships no types

from reconciler.sandbox import control
from reconciler.sandbox.control import Running
from tests.sandbox.calls import Cloud, crc32c

PROXIED = """
import sys, google.auth.credentials, google.cloud.storage as s
client = s.Client(project=sys.argv[1], credentials=google.auth.credentials.AnonymousCredentials())
bucket = client.create_bucket(sys.argv[1] + "-proxied")
bucket.blob("a/b").upload_from_string("through TLS")
print(bucket.blob("a/b").download_as_text(), [blob.name for blob in client.list_blobs(bucket)])
"""

LOGGED_IN = """
import sys, google.auth.impersonated_credentials as i, google.cloud.secretmanager as m
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.service_account import Credentials
key, project, other = sys.argv[1:]
scopes = ["https://www.googleapis.com/auth/cloud-platform"]
own = Credentials.from_service_account_file(key, scopes=scopes)
url = f"https://cloudresourcemanager.googleapis.com/v1/projects/{project}"
print(AuthorizedSession(own).get(url).status_code)
client = m.SecretManagerServiceClient.from_service_account_file(key, transport="rest")
print([one.name.rpartition("/")[2] for one in client.list_secrets(parent=f"projects/{project}")])
acting = i.Credentials(own, target_principal=other, target_scopes=scopes)
print(AuthorizedSession(acting).get(url).status_code)
token = i.IDTokenCredentials(acting, target_audience="https://x")
refused = AuthorizedSession(token).get(url).status_code
print(refused, acting.service_account_email == other, len(acting.sign_bytes(b"x")))
"""


@pytest.fixture(name="gcs")
def _gcs(cloud: Cloud) -> Any:
    """The storage client, on the project of the test."""
    library: Any = storage.Client
    options = {"api_endpoint": cloud.url}
    return library(project=cloud.project, credentials=AnonymousCredentials(), client_options=options)


def api(cloud: Cloud, name: str, version: str, path: str = "/") -> Any:
    """A client that googleapiclient builds."""
    library: Any = discovery
    return library.build(
        name, version, credentials=AnonymousCredentials(), client_options={"api_endpoint": cloud.url + path}
    )


def test_the_storage_client_moves_objects(gcs: Any, cloud: Cloud) -> None:
    """Small, chunked and streamed uploads; whole, partial and chunked downloads; the library checks each checksum."""
    bucket = gcs.create_bucket(f"{cloud.project}-gcs", location="europe-west9")
    data = os.urandom(3 * (1 << 20) + 17)
    for name, chunk in (("plain", None), ("dir/chunked", 1 << 20)):
        blob = bucket.blob(name, chunk_size=chunk)
        blob.upload_from_file(io.BytesIO(data), content_type="image/png")
        assert blob.download_as_bytes(checksum="crc32c") == data
        assert bucket.blob(name).download_as_bytes(start=5, end=99) == data[5:100]
    with bucket.blob("odd ü%2F/name").open("wb", chunk_size=1 << 18) as stream:
        stream.write(data)
    assert bucket.blob("odd ü%2F/name").download_as_bytes() == data
    listing = gcs.list_blobs(bucket, delimiter="/", page_size=1)
    assert ([blob.name for blob in listing], listing.prefixes) == (["plain"], {"dir/", "odd ü%2F/"})
    moved = bucket.rename_blob(bucket.blob("plain"), "renamed")
    assert moved.download_as_bytes() == data
    with pytest.raises(exceptions.NotFound):
        bucket.blob("plain").reload()
    with pytest.raises(exceptions.Conflict):
        bucket.delete()
    bucket.delete(force=True)
    assert gcs.lookup_bucket(bucket.name) is None


def test_the_storage_client_makes_objects_of_objects(gcs: Any, cloud: Cloud) -> None:
    """Composed, copied, rewritten into another class and bucket, moved; a stale generation is refused."""
    bucket = gcs.create_bucket(f"{cloud.project}-made")
    other = gcs.create_bucket(f"{cloud.project}-other")
    parts = [bucket.blob(name) for name in ("one", "two")]
    for part in parts:
        part.metadata = {"is": part.name}
        part.upload_from_string(part.name)
    whole = bucket.blob("whole")
    whole.content_type = "text/plain"
    whole.compose(parts, if_generation_match=0)
    assert (whole.download_as_text(), whole.component_count, whole.md5_hash) == ("onetwo", 2, None)
    with pytest.raises(exceptions.PreconditionFailed):
        whole.compose(parts, if_generation_match=0)
    copied = bucket.copy_blob(parts[0], other, "copy")
    assert (copied.metadata, copied.bucket.name) == ({"is": "one"}, other.name)
    whole.update_storage_class("NEARLINE")
    whole.reload()
    assert (whole.storage_class, whole.content_type) == ("NEARLINE", "text/plain")
    token, rewritten, total = other.blob("again").rewrite(whole)
    assert (token, rewritten, total) == (None, 6, 6)
    assert bucket.move_blob(parts[1], "moved").metadata == {"is": "two"}
    assert sorted(blob.name for blob in gcs.list_blobs(bucket, match_glob="m*")) == ["moved"]


def test_the_storage_client_sends_parts_side_by_side(gcs: Any, cloud: Cloud, tmp_path: Path) -> None:
    """An upload in parts by the XML API and a download in ranges, by the library's transfer manager."""
    bucket = gcs.create_bucket(f"{cloud.project}-parts")
    data = os.urandom(11 << 20)
    (tmp_path / "up").write_bytes(data)
    manager: Any = transfer_manager
    blob = bucket.blob("dir/big one")
    blob.metadata = {"in": "parts"}
    manager.upload_chunks_concurrently(
        str(tmp_path / "up"), blob, chunk_size=5 << 20, worker_type="thread", max_workers=3
    )
    blob.reload()
    assert (blob.size, blob.metadata, blob.md5_hash) == (len(data), {"in": "parts"}, None)
    manager.download_chunks_concurrently(
        blob, str(tmp_path / "down"), chunk_size=4 << 20, worker_type="thread"
    )
    assert (tmp_path / "down").read_bytes() == data


def test_the_storage_client_brings_back_what_was_deleted(gcs: Any, cloud: Cloud) -> None:
    """Soft-deleted objects, noncurrent generations, and objects that are held."""
    bucket = gcs.bucket(f"{cloud.project}-kept")
    bucket.versioning_enabled = True
    bucket = gcs.create_bucket(bucket)
    blob = bucket.blob("x")
    for text in ("first", "second"):
        blob.upload_from_string(text)
    first = next(one for one in gcs.list_blobs(bucket, versions=True) if one.time_deleted)
    assert bucket.blob("x", generation=first.generation).download_as_text() == "first"
    bucket.blob("x", generation=first.generation).delete()
    gone = next(iter(gcs.list_blobs(bucket, soft_deleted=True)))
    assert gone.generation == first.generation
    assert bucket.restore_blob("x", generation=gone.generation).download_as_text() == "first"
    held = bucket.blob("x")
    held.temporary_hold = True
    held.patch()
    with pytest.raises(exceptions.Forbidden, match="under active Temporary hold"):
        held.delete()


def test_the_storage_client_changes_a_bucket(gcs: Any, cloud: Cloud) -> None:
    """Lifecycle, labels, uniform access and IAM; a stale metageneration is a PreconditionFailed."""
    bucket = gcs.bucket(f"{cloud.project}-settings")
    bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    bucket.labels = {"a": "b"}
    bucket = gcs.create_bucket(bucket)
    bucket.add_lifecycle_delete_rule(age=30)
    bucket.labels = {"c": "d"}
    bucket.patch(if_metageneration_match=bucket.metageneration)
    fresh = gcs.get_bucket(bucket.name)
    assert (fresh.labels, next(iter(fresh.lifecycle_rules))["condition"]) == ({"c": "d"}, {"age": 30})
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.patch(if_metageneration_match=1)
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings.append(
        {"role": "roles/storage.objectUser", "members": {f"serviceAccount:{cloud.account('a-runner')}"}}
    )
    assert len(bucket.set_iam_policy(policy).bindings) == 5
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.set_iam_policy(policy)


def test_the_secret_manager_client_speaks_rest(cloud: Cloud) -> None:
    """Enums as numbers, durations and masks arrive as the library sends them."""
    library: Any = secretmanager_v1.SecretManagerServiceClient
    client = library(
        credentials=AnonymousCredentials(), transport="rest", client_options={"api_endpoint": cloud.url}
    )
    secret = client.create_secret(
        parent=f"projects/{cloud.project}",
        secret_id="pw",
        secret={"replication": {"automatic": {}}, "labels": {"a": "b"}},
    )
    sent = {"data": b"hunter2", "data_crc32c": crc32c(b"hunter2")}
    version = client.add_secret_version(parent=secret.name, payload=sent)
    assert version.client_specified_payload_checksum is True
    assert client.access_secret_version(name=f"{secret.name}/versions/latest").payload.data == b"hunter2"
    assert client.disable_secret_version(name=version.name).state.name == "DISABLED"
    with pytest.raises(exceptions.BadRequest, match="is in DISABLED state"):
        client.access_secret_version(name=version.name)
    changed = client.update_secret(
        secret={"name": secret.name, "labels": {"c": "d"}}, update_mask={"paths": ["labels"]}
    )
    assert dict(changed.labels) == {"c": "d"}
    assert [one.name for one in client.list_secrets(parent=f"projects/{cloud.project}")] == [secret.name]
    with pytest.raises(exceptions.NotFound):
        client.get_secret(name=f"projects/{cloud.project}/secrets/nope")


def test_the_discovery_clients_find_their_way(cloud: Cloud) -> None:
    """Each API by its own client; Cloud Storage needs its path in the endpoint."""
    services = api(cloud, "serviceusage", "v1").services()
    assert (
        services.get(name=f"projects/{cloud.project}/services/run.googleapis.com").execute()["state"]
        == "ENABLED"
    )
    projects = api(cloud, "cloudresourcemanager", "v3").projects()
    assert projects.get(name=f"projects/{cloud.project}").execute()["projectId"] == cloud.project
    accounts = api(cloud, "iam", "v1").projects().serviceAccounts()
    made = accounts.create(name=f"projects/{cloud.project}", body={"accountId": "made-by-client"}).execute()
    assert accounts.get(name=made["name"]).execute() == made
    repositories = api(cloud, "artifactregistry", "v1").projects().locations().repositories()
    parent = f"projects/{cloud.project}/locations/europe-west9"
    operation = repositories.create(parent=parent, repositoryId="mlflow", body={"format": "DOCKER"}).execute()
    assert operation["name"].startswith(f"{parent}/operations/")
    buckets = api(cloud, "storage", "v1", "/storage/v1/").buckets()
    buckets.insert(project=cloud.project, body={"name": f"{cloud.project}-disco"}).execute()
    assert buckets.get(bucket=f"{cloud.project}-disco").execute()["metageneration"] == "1"
    with pytest.raises(HttpError) as raised:
        buckets.get(bucket="no-such-bucket").execute()
    refused: Any = raised.value
    assert refused.status_code == 404


def test_an_unmodified_client_goes_through_the_proxy(running: Running, cloud: Cloud) -> None:
    """With the variables that `sandbox env` shows in its comments, and nothing else."""
    variables = {**control.python_environment(running), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", PROXIED, cloud.project]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout == "through TLS ['a/b']\n", ended.stderr


def test_an_unmodified_client_logs_in_with_a_key_and_acts_as_another(
    running: Running, cloud: Cloud, tmp_path: Path
) -> None:
    """By token, by a JWT of its own, and in another account's name; what an account may not is refused."""
    mine, other = cloud.account("with-a-key"), cloud.account("acted-as")
    cloud.ok("POST", "/v1/projects/{P}/secrets?secretId=pw", {"replication": {"automatic": {}}})
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    granted = {"role": "roles/secretmanager.viewer", "members": [f"serviceAccount:{mine}"]}
    cloud.ok(
        "POST", "/v1/projects/{P}:setIamPolicy", {"policy": {"bindings": [*policy["bindings"], granted]}}
    )
    creator = {"role": "roles/iam.serviceAccountTokenCreator", "members": [f"serviceAccount:{mine}"]}
    path = f"/v1/projects/{{P}}/serviceAccounts/{other}"
    cloud.ok("POST", f"{path}:setIamPolicy", {"policy": {"bindings": [creator]}})
    made = cloud.ok("POST", f"/v1/projects/{{P}}/serviceAccounts/{mine}/keys", {})
    key = tmp_path / "key.json"
    key.write_bytes(base64.b64decode(made["privateKeyData"]))
    variables = {**control.python_environment(running), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", LOGGED_IN, str(key), cloud.project, other]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.splitlines() == ["200", "['pw']", "403", "401 True 256"], ended.stderr
