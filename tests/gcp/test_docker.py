"""Building with the Docker of this machine: what it is asked, and what it is never told.

No Docker engine is at hand where these tests run, so a program named docker that writes down how it was called stands
in for it; what the real one makes of a Dockerfile is Docker's business.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.gcp import docker
from reconciler.gcp.cloud import Cloud

IMAGE = "europe-west1-docker.pkg.dev/acme-ml/mlflow/server:3.17.2-abc"
TOKEN = "ya29.only-for-docker"
STAND_IN = """\
#!/bin/sh
echo "$*" >> "$CALLS/arguments"
env | grep -c "$SECRET" >> "$CALLS/environment"
case "$1 $2" in
  "context inspect") echo "unix:///home/ada/.docker/desktop.sock";;
  --config*) cp "$2/config.json" "$CALLS/config"; stat -c %a "$2/config.json" "$2" > "$CALLS/modes"
             echo "$DOCKER_HOST" > "$CALLS/host";;
  build*) test -z "$BROKEN" || { echo "Step 3: no space left on device"; exit 7; };;
esac
"""


@pytest.fixture(name="calls")
def _calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the stand-in writes down what it sees."""
    programs, calls = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    calls.mkdir()
    (programs / "docker").write_text(STAND_IN)
    (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(calls))
    monkeypatch.setenv("SECRET", TOKEN)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return calls


@pytest.fixture(name="cloud")
def _cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Google Cloud, as one who has a token."""
    cloud = Cloud("acme-ml")
    monkeypatch.setattr(cloud, "access_token", lambda: TOKEN)
    return cloud


def test_it_builds_for_cloud_run_and_pushes(cloud: Cloud, calls: Path, tmp_path: Path) -> None:
    """For Cloud Run's processor, wherever it is built; the push goes to the engine that the user chose."""
    docker.build_and_push(cloud, "building", IMAGE, tmp_path)
    build, asked, push = (calls / "arguments").read_text().splitlines()
    assert build == f"build --platform linux/amd64 --tag {IMAGE} {tmp_path}"
    assert asked.startswith("context inspect")
    assert push.startswith("--config ")
    assert push.endswith(f" push {IMAGE}")
    assert (calls / "host").read_text().strip() == "unix:///home/ada/.docker/desktop.sock"


def test_the_token_is_in_a_private_file_only_and_gone_afterwards(
    cloud: Cloud, calls: Path, tmp_path: Path
) -> None:
    """Never an argument, which every user of the machine can see; the folder does not outlive the push."""
    docker.build_and_push(cloud, "building", IMAGE, tmp_path)
    assert TOKEN not in (calls / "arguments").read_text()
    login = json.loads((calls / "config").read_text())["auths"]["europe-west1-docker.pkg.dev"]["auth"]
    assert base64.b64decode(login).decode() == f"oauth2accesstoken:{TOKEN}"
    assert (calls / "modes").read_text().split() == ["600", "700"]
    folder = (calls / "arguments").read_text().splitlines()[-1].split()[1]
    assert not Path(folder).exists()


def test_a_build_that_fails_says_why(
    cloud: Cloud, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker's last words and code, and the other way to build; nothing is pushed."""
    monkeypatch.setenv("BROKEN", "1")
    with pytest.raises(errors.OperationFailed, match="no space left on device") as failed:
        docker.build_and_push(cloud, "building", IMAGE, tmp_path)
    assert "ended with 7" in failed.value.message
    assert "cloud-build" in failed.value.way_out
    assert "push" not in (calls / "arguments").read_text()


def test_without_docker_the_way_out_is_named(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, not a traceback."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.Refused, match="no docker command") as refused:
        docker.build_and_push(cloud, "building", IMAGE, tmp_path)
    assert "cloud-build" in refused.value.way_out


@pytest.mark.usefixtures("calls")
def test_an_endpoint_that_is_not_google_gets_nothing_pushed(tmp_path: Path) -> None:
    """Docker would go to Google's real registry."""
    with pytest.raises(errors.Refused, match="is not Google"):
        docker.build_and_push(Cloud("acme-ml", "http://127.0.0.1:1"), "building", IMAGE, tmp_path)
