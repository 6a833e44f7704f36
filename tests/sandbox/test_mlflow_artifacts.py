"""MLflow's own artifact repository on Cloud Storage, unmodified, through the sandbox's proxy with a key file."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest

from reconciler.sandbox import control
from reconciler.sandbox.control import Running
from tests.environments import mlflow_pythons
from tests.sandbox import gcs
from tests.sandbox.calls import Cloud

PYTHONS = mlflow_pythons()
"""The environments of images, which have the whole of MLflow; this project does not install it."""
NO_MLFLOW = "no image's environment with MLflow has been made here yet"
pytestmark = pytest.mark.skipif(not PYTHONS, reason=NO_MLFLOW)

ARTIFACTS = """
import pathlib, sys
from mlflow.store.artifact.gcs_artifact_repo import GCSArtifactRepository
repository = GCSArtifactRepository(sys.argv[1] + "/1/run/artifacts")
folder = pathlib.Path("up")
(folder / "model").mkdir(parents=True)
(folder / "model" / "weights").write_bytes(bytes(range(256)) * 8192)
(folder / "notes ü%2F.txt").write_text("a note")
repository.log_artifacts("up")
repository.log_artifact("up/model/weights", "again")
print(sorted((one.path, one.is_dir, one.file_size) for one in repository.list_artifacts()))
print([one.path for one in repository.list_artifacts("model")])
pathlib.Path("down").mkdir()
repository.download_artifacts("", "down")
for path in folder.rglob("*"):
    assert path.is_dir() or (pathlib.Path("down") / path.relative_to(folder)).read_bytes() == path.read_bytes(), path
repository.delete_artifacts("model")
print([one.path for one in repository.list_artifacts()])
"""
PARTS = """
import pathlib, sys, requests
from mlflow.entities.multipart_upload import MultipartUploadPart
from mlflow.store.artifact.gcs_artifact_repo import GCSArtifactRepository
repository = GCSArtifactRepository(sys.argv[1] + "/1/run/artifacts")
data = bytes(range(256)) * 40960 + b"the end"
made = repository.create_multipart_upload("big.bin", num_parts=3, artifact_path="model")
half = 5 << 20
parts = []
for credential in reversed(made.credentials):
    chunk = data[(credential.part_number - 1) * half : credential.part_number * half]
    answer = requests.put(credential.url, data=chunk, headers=credential.headers, timeout=60)
    answer.raise_for_status()
    parts.insert(0, MultipartUploadPart(credential.part_number, answer.headers["ETag"], credential.url))
assert repository.list_artifacts("model") == []
repository.complete_multipart_upload("big.bin", made.upload_id, parts, "model")
repository.download_artifacts("model/big.bin", ".")
print(pathlib.Path("model/big.bin").read_bytes() == data)
again = repository.create_multipart_upload("other.bin", num_parts=1)
repository.abort_multipart_upload("other.bin", again.upload_id)
late = requests.put(again.credentials[0].url, data=b"late", timeout=60)
print(late.status_code, [one.path for one in repository.list_artifacts()])
"""


def run(running: Running, cloud: Cloud, folder: Path, script: str) -> str:
    """What a script printed that ran as an account with a bucket of its own."""
    email = cloud.account("tracking")
    bucket = gcs.made(cloud, "artifacts")
    policy = cloud.ok("GET", f"/storage/v1/b/{bucket}/iam")
    policy["bindings"].append({"role": "roles/storage.objectUser", "members": [f"serviceAccount:{email}"]})
    cloud.ok("PUT", f"/storage/v1/b/{bucket}/iam", policy)
    key = cloud.ok("POST", f"/v1/projects/-/serviceAccounts/{email}/keys", {})
    (folder / "key.json").write_bytes(base64.b64decode(key["privateKeyData"]))
    variables = {
        **control.python_environment(running),
        "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "key.json"),
        "HOME": str(folder),
        "MLFLOW_GCS_UPLOAD_CHUNK_SIZE": str(1 << 20),
        "PATH": os.environ["PATH"],
    }
    command = [str(PYTHONS[-1]), "-c", script, f"gs://{bucket}"]
    ended = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=180, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def test_artifacts_go_up_are_listed_come_back_and_go(running: Running, cloud: Cloud, tmp_path: Path) -> None:
    """Folders, odd names and uploads in chunks, as a tracking server or a client does them."""
    lines = run(running, cloud, tmp_path, ARTIFACTS).splitlines()
    assert lines == [
        "[('again', True, None), ('model', True, None), ('notes ü%2F.txt', False, 6)]",
        "['model/weights']",
        "['again', 'notes ü%2F.txt']",
    ]


def test_a_proxied_upload_in_parts_comes_together(running: Running, cloud: Cloud, tmp_path: Path) -> None:
    """A tracking server begins and completes it; a client without credentials sends the parts to signed URLs."""
    lines = run(running, cloud, tmp_path, PARTS).splitlines()
    assert lines == ["True", "404 ['model']"]
