"""How commands end when something is wrong: one message, the exit code, never a traceback."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors, pipeline
from reconciler.errors import Exit, ReconcileError
from reconciler.resources.serviceusage_services import NEEDED, OPTIONAL
from tests.cli.conftest import Cli, World

ENDPOINT = "MLFLOW_RECONCILE_ENDPOINT"


@pytest.mark.parametrize("value", ["localhost:9470", "nonsense", "ftp://127.0.0.1", "127.0.0.1"])
def test_an_endpoint_that_is_no_url_is_named(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """The variable, the value, and how it is written."""
    monkeypatch.setenv(ENDPOINT, value)
    said = cli("plan", spec)
    assert said.code == 1
    assert said.err == f"error: {ENDPOINT} is '{value}', which is no URL\n  Write it as http://HOST:PORT.\n"


@pytest.mark.parametrize(
    "value", ["http://127.0.0.1:{port}", "http://127.0.0.1:99999", "http://no.invalid:1"]
)
def test_an_endpoint_where_nobody_listens_is_told_at_once(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """One message with the way to a sandbox; no retries for a minute, no traceback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv(ENDPOINT, value.format(port=port))
    monkeypatch.setattr(pipeline, "survey", pytest.fail)
    said = cli("plan", spec)
    assert said.code == 1
    assert said.err.startswith("error: nobody answers at http://")
    assert "sandbox start" in said.err
    assert len(said.err.splitlines()) == 2


class _HangingCloud(BaseHTTPRequestHandler):
    """Answers what the first round asks, and nothing after it."""

    reached = threading.Event()
    answered = threading.Event()
    over = threading.Event()

    def do_GET(self) -> None:
        """The APIs are enabled; everything else hangs."""
        if "services:batchGet" not in self.path:
            self.answered.wait(30)  # until then the program may still be loading Google's libraries
            self.reached.set()
            self.over.wait(30)
            return
        states = [
            {"name": f"projects/123/services/{name}", "state": "ENABLED"} for name in (*NEEDED, *OPTIONAL)
        ]
        body = json.dumps({"services": states}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.answered.set()

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Say nothing."""


@pytest.fixture(name="hanging")
def _hanging() -> Iterator[str]:
    """The address of a cloud that hangs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _HangingCloud)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    _HangingCloud.over.set()
    server.shutdown()
    server.server_close()


def test_ctrl_c_ends_a_plan_whose_reads_hang(
    hanging: str, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a request that hangs: exit 8, one message, long before the request's own end."""
    monkeypatch.setenv(ENDPOINT, hanging)
    command = [sys.executable, "-c", "from reconciler.cli.main import main; main()", "plan", str(spec)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert _HangingCloud.reached.wait(20)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 8
    assert err.strip().startswith("error: interrupted")
    assert "Traceback" not in err


def test_ctrl_c_during_an_apply_finishes_what_is_under_way(cli: Cli, world: World, spec: Path) -> None:
    """The change under way is done, the next is not begun, and the message says both; exit 8."""
    world.kind.during["create", "bucket"] = lambda: signal.raise_signal(signal.SIGINT)
    said = cli("apply", "--yes", spec)
    assert said.code == 8
    assert "interrupted: 1 changes done, 1 left" in said.err
    assert world.kind.writes() == [("create", "bucket")]


def test_a_bug_is_one_line(cli: Cli, world: World, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a bug shows a traceback, unless that is asked for."""
    world.wanted = [None]  # pyright: ignore[reportAttributeAccessIssue] -- what a bug may look like
    said = cli("plan", spec)
    assert said.code == 1
    assert said.err.startswith("error: this is a bug in mlflow-reconcile: AttributeError")
    assert "Traceback" not in said.err
    monkeypatch.setenv("MLFLOW_RECONCILE_DEBUG", "1")
    assert "Traceback" in cli("plan", spec).err


CODES = {
    errors.SpecInvalid: 3, errors.CredentialsMissing: 4, errors.PermissionMissing: 4, errors.ProjectMissing: 4,
    errors.ApiDisabled: 4, errors.Protected: 5, errors.VersionMoved: 6, errors.PlanStale: 6,
    errors.PartlyApplied: 7, errors.Interrupted: 8, errors.OutOfTime: 9, errors.NotThere: 1, errors.Refused: 1,
    errors.Unreachable: 1, errors.Unavailable: 1, errors.OperationFailed: 1, errors.Busy: 1, errors.AlreadyThere: 1,
    errors.NotYetEffective: 1, errors.LeaseHeld: 6,
}  # fmt: skip


@pytest.mark.parametrize(("error", "code"), CODES.items())
def test_every_error_has_its_exit_code(
    cli: Cli,
    world: World,
    spec: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[ReconcileError],
    code: int,
) -> None:
    """Message and way out on stderr, nothing on stdout, the code of the class."""
    del world

    def survey(_cloud: object, _deployment: object) -> None:
        raise error("what happened", way_out="what to do")

    monkeypatch.setattr(pipeline, "survey", survey)
    said = cli("plan", spec)
    assert (said.code, said.out, said.err) == (code, "", "error: what happened\n  what to do\n")


def test_no_error_was_forgotten() -> None:
    """The table above has every class, and every code but those that are no errors."""
    assert set(CODES) == set(ReconcileError.__subclasses__()) | {errors.ProjectMissing}
    assert set(CODES.values()) == set(Exit) - {Exit.OK, Exit.DIFFERENCES}
