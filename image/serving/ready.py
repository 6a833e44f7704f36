"""Ends with 0 when the server may be opened to the world: its database is right, and MLflow has really answered."""

import http.client
import json
import os
import socket
import sys
import time
from pathlib import Path

from . import front, probe, schema
from .environment import BAD_SCHEMA, NO_DATABASE, PART_DIED, Settings
from .front import NoNginx
from .schema import NoDatabase

_DATABASE_SECONDS = 10
_MLFLOW_SECONDS = 300
_POLL_SECONDS = 0.01


def run(settings: Settings, template: Path) -> int:
    """Prepare nginx, check the database, wait for MLflow; the exit code says which of them failed."""
    run_dir = Path(os.environ["SERVING_RUN_DIR"])
    try:
        (run_dir / "nginx").symlink_to(front.write(settings, template, run_dir))
        connection = schema.connect(settings.database, _DATABASE_SECONDS, _say)
        revision = schema.found(connection)
        connection.close()
    except NoNginx as error:
        return _failed(str(error), PART_DIED)
    except NoDatabase as error:
        return _failed(str(error), NO_DATABASE)
    if complaint := schema.complaint(revision, schema.wanted()):
        return _failed(complaint, BAD_SCHEMA)
    if trouble := _wait_for_mlflow(run_dir / "mlflow.sock", login=bool(settings.users or settings.provided)):
        return _failed(trouble, PART_DIED)
    return 0


def _wait_for_mlflow(path: Path, *, login: bool) -> str:
    """Ask MLflow for an experiment until it answers; "" when it did. The supervisor watches that it lives.

    Its /health does not look at the database. This request does, and so makes the connections and finishes the imports
    that the first user would wait for. Where MLflow asks for a *login*, it is the open path that looks there, too.
    """
    end = time.monotonic() + _MLFLOW_SECONDS
    while time.monotonic() < end:
        try:
            status, body = _ask(path, login=login)
        except (FileNotFoundError, ConnectionError):
            time.sleep(_POLL_SECONDS)
            continue
        except TimeoutError:
            break
        return "" if status == http.client.OK else f"MLflow answers {status} at first: {body[:500]}"
    return f"MLflow did not answer within {_MLFLOW_SECONDS} s"


def _ask(path: Path, *, login: bool) -> tuple[int, str]:
    method, target = ("GET", probe.PATH) if login else ("POST", "/api/2.0/mlflow/runs/search")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(_MLFLOW_SECONDS)
        channel.connect(str(path))
        connection = http.client.HTTPConnection("mlflow")
        connection.sock = channel
        connection.request(
            method,
            target,
            body=json.dumps({"experiment_ids": ["0"], "max_results": 1}),
            headers={"Host": _allowed_host(), "Content-Type": "application/json", "Connection": "close"},
        )
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")


def _allowed_host() -> str:
    """A host that MLflow's check lets pass: the first that is allowed, each * in it standing for something."""
    hosts = os.environ.get("MLFLOW_SERVER_ALLOWED_HOSTS", "").split(",")
    return hosts[0].strip().replace("*", "x") or "localhost"


def _failed(reason: str, code: int) -> int:
    _say(reason)
    return code


def _say(text: str) -> None:
    sys.stderr.write(f"entrypoint: {text}\n")
    sys.stderr.flush()
