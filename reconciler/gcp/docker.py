"""Building an image with the Docker of this machine, and pushing it to Artifact Registry.

The push logs in with a configuration of its own in a private folder: the user's logins and credential helpers stay as
they are, and the token is in no argument and in no file that outlives the push.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler import errors
from reconciler.gcp.cloud import Cloud

SECONDS = 1800
"""What Cloud Build gets, too."""
LAST_LINES = 15
IN_THE_CLOUD = "Or build it in the cloud: image.build: cloud-build."


def build_and_push(cloud: Cloud, about: str, image: str, context: Path) -> None:
    """Build the Dockerfile in *context* as *image* (HOST/PATH:TAG) and push it.

    Raises `Refused` where there is no Docker to ask, `OperationFailed` with Docker's last words where it fails.
    """
    program = shutil.which("docker")
    if program is None:
        raise errors.Refused(
            f"{about}: there is no docker command on this machine", way_out=f"Install Docker. {IN_THE_CLOUD}"
        )
    if cloud.endpoint:
        raise errors.Refused(
            f"{about}: Docker pushes to Google's own registry, and {cloud.endpoint} is not Google",
            way_out=IN_THE_CLOUD,
        )
    host = image.partition("/")[0]
    cloud.note("building with the Docker of this machine")
    _run(about, [program, "build", "--platform", "linux/amd64", "--tag", image, str(context)])
    with tempfile.TemporaryDirectory(prefix="mlflow-reconcile-") as folder:  # its mode is 0700
        _log_in(Path(folder), host, cloud.access_token())
        cloud.note("pushing")
        _run(about, [program, "--config", folder, "push", image], _engine(program))


def _log_in(folder: Path, host: str, token: str) -> None:
    """Write Docker's own form of a login: https://cloud.google.com/artifact-registry/docs/docker/authentication."""
    login = base64.b64encode(f"oauth2accesstoken:{token}".encode()).decode()
    file = folder / "config.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"auths": {host: {"auth": login}}}))


def _engine(program: str) -> dict[str, str]:
    """Where the engine is that the user's configuration chose; another configuration would not know."""
    if os.environ.get("DOCKER_HOST"):
        return {}
    command = [program, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    host = asked.stdout.strip()
    return {"DOCKER_HOST": host} if asked.returncode == 0 and host else {}


def _run(about: str, command: Sequence[str], more: Mapping[str, str] | None = None) -> None:
    environment = {**os.environ, **(more or {})}
    try:
        ended = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False, timeout=SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise errors.OperationFailed(f"{about}: docker took longer than {SECONDS} s") from error
    if ended.returncode != 0:
        said = "\n".join(ended.stdout.strip().splitlines()[-LAST_LINES:])
        raise errors.OperationFailed(
            f"{about}: docker {command[-2]} ended with {ended.returncode}:\n{said}", way_out=IN_THE_CLOUD
        )
