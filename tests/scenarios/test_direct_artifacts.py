"""Artifacts past the server: writers with Google credentials of their own, a way back, and a key of one's own."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from reconciler.sandbox import control
from tests.conftest import QUICKSTART
from tests.environments import mlflow_pythons
from tests.relay import relay
from tests.sandbox.calls import Cloud
from tests.scenarios.command import ROOT, Bench, Ended, plain_env, sandbox

PROJECT = "mlflow-sandbox"
BUCKET = f"{PROJECT}-mlflow-quickstart-artifacts"
LOG = """
import os, pathlib, sys, mlflow
mlflow.set_experiment(sys.argv[1])
pathlib.Path("note.bin").write_bytes(os.urandom(1 << 20))
with mlflow.start_run() as run:
    mlflow.log_artifact("note.bin", "deep")
back = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="deep/note.bin", dst_path="back")
assert pathlib.Path(back).read_bytes() == pathlib.Path("note.bin").read_bytes()
print("URI", run.info.run_id, run.info.artifact_uri)
"""


@dataclass(frozen=True)
class Place:
    """A sandbox with the quickstart in it, and its spec, which the tests change step by step."""

    bench: Bench
    cloud: Cloud
    spec: Path

    def apply(self, artifacts: str) -> Ended:
        """Apply with this `artifacts` section; afterwards a plan is empty, and nothing is written again."""
        plain = (ROOT / QUICKSTART).read_text().replace("../schema/", f"{ROOT}/schema/")
        self.spec.write_text(f"{plain}\nartifacts: {artifacts}\n")
        applied = self.bench.run("apply", "--sandbox", "--yes", str(self.spec), timeout=600)
        assert applied.code == 0, applied.said
        with relay(self.bench.endpoint) as through:
            env = {"MLFLOW_RECONCILE_ENDPOINT": through.url}
            again = self.bench.run("apply", "--yes", str(self.spec), env=env)
            assert (again.code, through.writes) == (0, []), again.said
        return applied

    def plan(self, artifacts: str) -> str:
        """What a plan says of this section."""
        other = self.spec.with_name("planned.yaml")
        other.write_text(self.spec.read_text().rpartition("\nartifacts:")[0] + f"\nartifacts: {artifacts}\n")
        return self.bench.run("plan", "--sandbox", str(other)).said

    def client(self, folder: Path, experiment: str, email: str = "") -> subprocess.CompletedProcess[str]:
        """Log a run and read it back, with the key of the account *email*, or without any of Google's credentials."""
        lines = self.bench.run("login", "--sandbox", str(self.spec)).out.splitlines()
        login = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        env = {**plain_env(), **login, "HOME": str(folder)}
        if email:
            key = self.cloud.ok("POST", f"/v1/projects/-/serviceAccounts/{email}/keys", {})
            (folder / "key.json").write_bytes(base64.b64decode(key["privateKeyData"]))
            env |= control.python_environment(control.needed(self.bench.home))
            env["GOOGLE_APPLICATION_CREDENTIALS"] = str(folder / "key.json")
        command = [str(mlflow_pythons()[0]), "-c", LOG, experiment]
        return subprocess.run(
            command, env=env, cwd=folder, capture_output=True, text=True, timeout=180, check=False
        )

    def objects(self) -> set[str]:
        """The names of all that lies in the bucket."""
        found = self.cloud.ok("GET", f"/storage/v1/b/{BUCKET}/o")
        return {item["name"] for item in found.get("items", ())}


@pytest.fixture(scope="module", name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    with sandbox() as bench:
        port = int(bench.endpoint.rpartition(":")[2])
        place = Place(bench, Cloud(port, PROJECT), tmp_path_factory.mktemp("specs") / "spec.yaml")
        place.apply("{}")
        yield place


def _run(ended: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """(run id, artifact URI) of what a client logged."""
    assert ended.returncode == 0, ended.stderr[-3000:]
    run_id, uri = ended.stdout.rpartition("URI ")[2].split()
    return run_id, uri


def _login(place: Place) -> tuple[str, tuple[str, str]]:
    lines = place.bench.run("login", "--sandbox", str(place.spec)).out.splitlines()
    login = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    return login["MLFLOW_TRACKING_URI"], (
        login["MLFLOW_TRACKING_USERNAME"],
        login["MLFLOW_TRACKING_PASSWORD"],
    )


def test_writers_write_for_themselves_and_everything_older_goes_on(place: Place, tmp_path: Path) -> None:
    """To direct and back: new experiments change their way, the others keep theirs; only writers may write."""
    folders = [tmp_path / name for name in ("before", "writer", "stranger", "old", "late")]
    for folder in folders:
        folder.mkdir()
    before, by_writer, by_stranger, old, late = folders
    assert _run(place.client(before, "before"))[1].startswith("mlflow-artifacts:/")
    writer, stranger = place.cloud.account("writer"), place.cloud.account("stranger")
    direct = f'{{access: direct, writers: ["serviceAccount:{writer}"]}}'
    said = place.plan(direct)
    assert "for new experiments only" in said
    assert "who reads and writes artifacts without the server's login" in said
    place.apply(direct)

    run_id, uri = _run(place.client(by_writer, "after", writer))
    assert uri.startswith(f"gs://{BUCKET}/")
    assert uri.removeprefix(f"gs://{BUCKET}/") + "/deep/note.bin" in place.objects()
    refused = place.client(by_stranger, "after", stranger)
    assert refused.returncode != 0
    assert "does not have storage.objects.create access" in refused.stderr
    address, login = _login(place)
    asked = {"path": "deep/note.bin", "run_uuid": run_id}
    shown = httpx.get(f"{address}/get-artifact", params=asked, auth=login, timeout=60)
    assert shown.content == (by_writer / "note.bin").read_bytes()
    assert "attachment" in shown.headers["Content-Disposition"]
    _run(place.client(old, "before"))

    place.apply(f'{{access: proxied, writers: ["serviceAccount:{writer}"]}}')
    assert "has no effect with access proxied" in place.bench.run("validate", str(place.spec)).said
    assert place.client(late, "after", writer).returncode != 0


def test_artifacts_lie_under_a_key_of_ones_own(place: Place, tmp_path: Path) -> None:
    """On a live deployment: the agent is made and granted, the bucket takes it; taken away, it is Google's again."""
    place.cloud.enable("cloudkms")
    ring = f"projects/{PROJECT}/locations/europe-west1/keyRings/ml"
    place.cloud.ok("POST", f"/v1/{ring.rpartition('/')[0]}?keyRingId=ml", {})
    place.cloud.ok("POST", f"/v1/{ring}/cryptoKeys?cryptoKeyId=artifacts", {"purpose": "ENCRYPT_DECRYPT"})
    key = f"{ring}/cryptoKeys/artifacts"
    place.apply(f"{{kms_key: {key}}}")
    policy = json.dumps(place.cloud.ok("GET", f"/v1/{key}:getIamPolicy"))
    assert "gs-project-accounts.iam.gserviceaccount.com" in policy
    before = place.objects()
    _run(place.client(tmp_path, "under a key"))
    (made,) = place.objects() - before
    path = f"/storage/v1/b/{BUCKET}/o/{made.replace('/', '%2F')}"
    assert place.cloud.ok("GET", path)["kmsKeyName"] == f"{key}/cryptoKeyVersions/1"
    place.apply("{storage_class: nearline}")
    bucket = place.cloud.ok("GET", f"/storage/v1/b/{BUCKET}")
    assert ("encryption" in bucket, bucket["storageClass"]) == (False, "NEARLINE")
