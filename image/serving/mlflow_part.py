"""MLflow itself, started as `mlflow server` starts it in the end, but without the two processes in between."""

import hashlib
import hmac
import importlib
import os
import secrets
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

from . import oidc, schema, users
from .environment import Users, read_database, read_provided, read_users

_UPLOAD_CHUNK_BYTES = 8 * 1024 * 1024
"""Of an upload to gs://; without chunks Google's library reads the whole artifact into memory."""
_KEEP_ALIVE_SECONDS = 75
"""Longer than nginx keeps an idle connection, so that it is never MLflow that closes one under a request."""


def serve() -> int:
    """Run MLflow on its socket until told to stop."""
    run_dir = Path(os.environ["SERVING_RUN_DIR"])
    guard = int(os.environ["SERVING_GUARD"])
    threading.Thread(target=_end_with_the_supervisor, args=(guard, run_dir), daemon=True).start()
    known = read_users(os.environ)
    if known:
        code = users.check(known.database, schema.USERS, _say)  # before MLflow starts, which would upgrade it
        if code:
            return code
        os.environ.update(users.settings(known, run_dir))
    provided = read_provided(os.environ)
    if provided:
        code = users.check(provided, schema.PROVIDED, _say)
        if code:
            return code
        os.environ.update(oidc.settings(provided, os.environ))
    os.environ.update(_settings(run_dir))
    # From here on it is in the URI only.
    del os.environ["MLFLOW_DB_PASSWORD"]
    uvicorn: Any = importlib.import_module("uvicorn")
    uvicorn.run(
        "serving.mlflow_app:app",
        uds=str(run_dir / "mlflow.sock"),
        workers=int(os.environ.get("MLFLOW_WORKERS") or 1),
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        # MLflow lets "local" callers use more of it (its assistant runs commands), so no header may make one local.
        proxy_headers=False,
    )
    return 0


def _settings(run_dir: Path) -> dict[str, str]:
    """The variables that `mlflow server` 3.17 hands to its workers (mlflow/server/__init__.py, _run_server)."""
    uri = schema.uri(read_database(os.environ))
    temporary = run_dir / "tmp"
    temporary.mkdir(mode=0o700, exist_ok=True)
    jobs = os.environ.get("MLFLOW_SERVER_ENABLE_JOB_EXECUTION") == "true"
    settings = {
        "_MLFLOW_SERVER_FILE_STORE": uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": uri,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": _artifact_root(),
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": os.environ["MLFLOW_ARTIFACTS_DESTINATION"],
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_BOOT_ID": secrets.token_hex(16),
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true" if jobs else "false",
        "MLFLOW_GCS_UPLOAD_CHUNK_SIZE": os.environ.get("MLFLOW_GCS_UPLOAD_CHUNK_SIZE")
        or str(_UPLOAD_CHUNK_BYTES),
        # Artifacts on their way lie in files; these go when the run folder goes, however MLflow ended.
        "TMPDIR": str(temporary),
    }
    known = read_users(os.environ)
    if jobs and known:
        settings["_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN"] = _pass(known, run_dir)
    if jobs:
        (run_dir / "jobs").mkdir(mode=0o700, exist_ok=True)
        settings["_MLFLOW_HUEY_STORAGE_PATH"] = str(run_dir / "jobs")
        if hosts := os.environ.get("MLFLOW_SERVER_ALLOWED_HOSTS"):
            # Jobs use the server through nginx, from inside; no browser can be led astray by a name that is an address.
            settings["MLFLOW_SERVER_ALLOWED_HOSTS"] = f"{hosts},{_own_host()}"
    return settings


def _artifact_root() -> str:
    """Where new experiments keep their artifacts. Those that were made for the other way go on as they are.

    Both ways lead to the same objects: mlflow-artifacts:/1/RUN is DESTINATION/1/RUN.
    """
    direct = os.environ.get("MLFLOW_ARTIFACTS_ACCESS") == "direct"
    return os.environ["MLFLOW_ARTIFACTS_DESTINATION"] if direct else "mlflow-artifacts:/"


def run_jobs() -> NoReturn:
    """Become MLflow's job runner, with the variables that `mlflow server` gives it."""
    run_dir = Path(os.environ["SERVING_RUN_DIR"])
    url = f"http://{_own_host()}"
    environ = {
        **os.environ,
        **_settings(run_dir),
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_GATEWAY_URI": os.environ.get("MLFLOW_GATEWAY_URI") or url,
        "MLFLOW_BACKEND_STORE_URI": schema.uri(read_database(os.environ)),
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": _artifact_root(),
        "MLFLOW_SERVER_PID": str(os.getppid()),
        "_MLFLOW_SERVER_UP_TIME": str(int(time.time() * 1000)),
    }
    if os.environ.get("FRONT_AUTH") == "basic":
        environ["MLFLOW_TRACKING_USERNAME"] = os.environ["FRONT_USERNAME"]
        environ["MLFLOW_TRACKING_PASSWORD"] = os.environ["FRONT_PASSWORD"]
    for name in ("MLFLOW_DB_PASSWORD", "FRONT_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY"):
        environ.pop(name, None)
    engine = "_executor_runner" if os.environ.get("MLFLOW_SERVER_JOB_EXECUTION_ENGINE") else "_job_runner"
    command = [sys.executable, "-m", f"mlflow.server.jobs.{engine}"]
    os.execve(sys.executable, command, environ)  # noqa: S606 -- no shell is wanted


def _pass(known: Users, run_dir: Path) -> str:
    """What jobs show to the gateway instead of a user's password; the server's parts make it each for itself."""
    return hmac.new(known.key.encode(), str(run_dir).encode(), hashlib.sha256).hexdigest()


def _own_host() -> str:
    return f"127.0.0.1:{os.environ.get('PORT') or 8080}"


def _end_with_the_supervisor(guard: int, run_dir: Path) -> None:
    """Wait for the supervisor's end of the pipe to close; then nobody else is left to end the parts."""
    os.read(guard, 1)
    try:
        groups = [int(line) for line in (run_dir / "groups").read_text().split()]
    except FileNotFoundError:
        groups = []  # the supervisor has put all away and is about to end this process
    shutil.rmtree(run_dir, ignore_errors=True)
    for group in sorted(groups, key=lambda group: group == os.getpgrp()):  # its own last
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def _say(text: str) -> None:
    sys.stderr.write(f"entrypoint: {text}\n")
    sys.stderr.flush()
