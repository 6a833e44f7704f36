"""What `server` adds to the image and the environment, in a server that really runs with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.scenarios.command import Bench, Ended, sandbox

PROJECT = "server-options"
BEGIN = f"""\
version: 1
name: mlflow-options
project: {PROJECT}
region: europe-west1
memory: 512Mi
scaling: {{max_instances: 1, min_instances: 1}}
database: {{deletion_protection: false}}
"""
ALL = """\
server:
  webhooks: true
  gateway: true
  pip: [humanize==4.9.0]
  env: {REPORTS: /secrets/company/words.txt}
  secrets: {COMPANY_WORDS: "company-words:1"}
  secret_files: {/secrets/company/words.txt: "company-words:2"}
"""
LINUX_ONLY = "looks into the server's process through /proc"


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    """A sandbox of this module's own."""
    with sandbox() as bench:
        yield bench


def _spec(tmp_path: Path, more: str) -> str:
    path = tmp_path / "mlflow.yaml"
    path.write_text(BEGIN + more)
    return str(path)


def _apply(bench: Bench, spec: str) -> Ended:
    ended = bench.run("apply", "--sandbox", "--yes", spec, timeout=600)
    assert ended.code == 0, ended.said
    return ended


def _settled(bench: Bench, spec: str) -> None:
    again = bench.run("apply", "--sandbox", "--yes", spec)
    assert "No changes." in again.out, again.said


def _make(bench: Bench, value: bytes, *words: str) -> None:
    file = bench.home.parent / "value"
    file.write_bytes(value)
    made = bench.gcloud("secrets", *words, f"--data-file={file}", project=PROJECT)
    assert made.code == 0, made.said


def _mlflow_process(bench: Bench) -> Path:
    """The folder in /proc of the process that is MLflow in this sandbox."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            environ = (process / "environ").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if b".mlflow" in words and os.fsencode(str(bench.home)) in environ:
            return process
    raise AssertionError("no MLflow runs in this sandbox")


def _environment(process: Path) -> dict[str, str]:
    entries = os.fsdecode((process / "environ").read_bytes()).split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def _client(bench: Bench, spec: str) -> httpx.Client:
    printed = bench.run("login", "--sandbox", spec).out.splitlines()
    login = dict(line.removeprefix("export ").split("=", 1) for line in printed)
    auth = (login["MLFLOW_TRACKING_USERNAME"], login["MLFLOW_TRACKING_PASSWORD"])
    return httpx.Client(base_url=login["MLFLOW_TRACKING_URI"], auth=auth, timeout=60)


def test_a_secret_that_is_not_there_stops_the_apply_before_the_first_write(
    bench: Bench, tmp_path: Path
) -> None:
    """One sentence says which, and how it is made; nothing was begun."""
    ended = bench.run("apply", "--sandbox", "--yes", _spec(tmp_path, ALL))
    assert ended.code == 5
    assert "secret company-words does not exist in project server-options" in ended.err
    assert "gcloud secrets create company-words" in ended.err
    assert "artifactregistry" not in bench.run("sandbox", "log", "--format", "json").out.replace(
        "artifactregistry.googleapis.com", ""
    )


@pytest.mark.skipif(sys.platform != "linux", reason=LINUX_ONLY)
def test_packages_secrets_and_keys_reach_the_server(bench: Bench, tmp_path: Path) -> None:
    """A package is installed, a secret is in the environment and in a file, each in the version that was named."""
    enabled = bench.gcloud("services", "enable", "secretmanager.googleapis.com", project=PROJECT)
    assert enabled.code == 0, enabled.said
    _make(bench, b"first words", "create", "company-words")
    _make(bench, b"second words", "versions", "add", "company-words")
    spec = _spec(tmp_path, ALL)
    applied = _apply(bench, spec)
    assert "first words" not in applied.said
    _settled(bench, spec)
    process = _mlflow_process(bench)
    found = _environment(process)
    assert found["COMPANY_WORDS"] == "first words"
    assert Path(found["REPORTS"]).read_text() == "second words"
    assert len(found["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"]) == 44  # a Fernet key
    assert found["MLFLOW_CRYPTO_KEK_PASSPHRASE"] != found["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"]
    python = (process / "cmdline").read_bytes().split(b"\0")[0]
    shown = subprocess.run(
        [python, "-c", "import humanize; print(humanize.__version__)"], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert shown.stdout.strip() == "4.9.0", shown.stderr


def test_a_webhooks_secret_can_be_read_after_a_new_start(bench: Bench, tmp_path: Path) -> None:
    """The key comes from Secret Manager, so that a new revision reads what an older one has written."""
    spec = _spec(tmp_path, ALL)
    with _client(bench, spec) as client:
        body = {
            "name": "told",
            "url": "https://8.8.8.8/mlflow",  # MLflow wants a public address; nothing is ever sent there
            "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}],
            "secret": "between us",
        }
        made = client.post("/api/2.0/mlflow/webhooks", json=body)
        assert made.status_code == 200, made.text
        spec = _spec(tmp_path, ALL.replace("REPORTS", "RAPPORTS"))
        _apply(bench, spec)
        seen = client.get("/api/2.0/mlflow/webhooks")
        assert seen.status_code == 200, seen.text
        assert [one["name"] for one in seen.json()["webhooks"]] == ["told"]


def test_what_is_taken_out_of_the_spec_leaves_the_server(bench: Bench, tmp_path: Path) -> None:
    """The environment is the spec's alone; the keys' secrets stay, because what they encrypted is still there."""
    spec = _spec(tmp_path, "")
    applied = _apply(bench, spec)
    assert "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY" in applied.out
    _settled(bench, spec)
    found = _environment(_mlflow_process(bench))
    gone = {
        "COMPANY_WORDS",
        "REPORTS",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY",
        "MLFLOW_CRYPTO_KEK_PASSPHRASE",
    }
    assert not gone & found.keys()
    with _client(bench, spec) as client:  # what the key is good for: without it the webhook is beyond reading
        assert client.get("/api/2.0/mlflow/webhooks").status_code == 500
    listed = bench.gcloud("secrets", "list", "--format=value(name)", project=PROJECT).out.split()
    assert {"mlflow-options-webhook-key", "mlflow-options-gateway-passphrase", "company-words"} <= set(listed)
