"""Ctrl-C while Google Cloud is at work: once, twice, and the run that comes after."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.laws.beginnings import operations
from tests.relay import Reply, relay
from tests.sandbox.calls import Cloud
from tests.scenarios.command import RECONCILE, ROOT, Bench

QUICKSTART = ROOT / "specs" / "quickstart.yaml"
NAME = "mlflow-quickstart"
SLOW = {"sqladmin.instances.patch": 3.0, "run.projects.locations.services.patch": 3.0}
AT_ONCE = 3.0
"""Seconds within which an interrupted run ends, on a machine with much else to do."""


@pytest.fixture(name="slow")
def _slow(settled: Bench) -> Generator[Bench]:
    """The deployment, where a change of its database or its service takes seconds; put back afterwards."""
    _behave(settled, {"operations": SLOW})
    yield settled
    _behave(settled, {})
    assert settled.run("apply", "--sandbox", "--yes", str(QUICKSTART)).code == 0


def _behave(bench: Bench, document: Mapping[str, Any]) -> None:
    Cloud(int(bench.endpoint.rpartition(":")[2])).ok("PUT", "/sandbox/v1/conditions", document)


class _Interrupter:
    """Sends Ctrl-C to the client when a change of what *path* names was carried out; *twice* while its answer hangs."""

    def __init__(self, path: str, *, twice: bool) -> None:
        self.path, self.twice = path, twice
        self.client: subprocess.Popen[str] | None = None
        self.begun, self.gone = threading.Event(), threading.Event()
        self.when = 0.0

    def __call__(self, method: str, path: str, forward: Callable[[], Reply]) -> Reply | None:
        answer = forward()
        if method == "PATCH" and self.path in path and not self.when and self.begun.wait(10) and self.client:
            self.when = time.monotonic()
            self.client.send_signal(signal.SIGINT)
            if self.twice:
                time.sleep(0.3)  # two of the same signal at once are one
                self.client.send_signal(signal.SIGINT)
                self.gone.wait(20)
        return answer


def _interrupted(bench: Bench, spec: Path, path: str, *, twice: bool) -> tuple[str, list[str], float]:
    """An apply that is interrupted: what it says, its writes after that, and how long it took to end."""
    interrupter = _Interrupter(path, twice=twice)
    with relay(bench.endpoint, hinder=interrupter) as through:
        env = {**bench.env, "MLFLOW_RECONCILE_ENDPOINT": through.url}
        command = [RECONCILE, "apply", "--yes", str(spec)]
        with subprocess.Popen(command, env=env, cwd=ROOT, text=True, stderr=subprocess.PIPE) as client:
            interrupter.client = client
            interrupter.begun.set()
            err = client.communicate(timeout=60)[1]
        took = time.monotonic() - interrupter.when
        interrupter.gone.set()
    assert client.returncode == 8, err
    after = [f"{one.method} {one.path}" for one in through.writes if one.began > interrupter.when + 0.2]
    return err, after, took


def test_ctrl_c_once_then_twice_and_the_next_run_converges(slow: Bench, tmp_path: Path) -> None:
    """It says what goes on, sends nothing more, ends at once; all in all each operation is begun once."""
    spec = tmp_path / "changed.yaml"
    spec.write_text(f"{QUICKSTART.read_text()}\nnetworking: {{ingress: internal}}\n")
    before = operations(slow.home)
    err, after, took = _interrupted(slow, spec, f"/services/{NAME}", twice=False)
    assert f"in flight, and going on in Google Cloud: run.service/{NAME} (for " in err
    assert "Run the same command again: it waits for what is in flight, and does what is left." in err
    assert after == []
    assert took < AT_ONCE
    assert slow.run("apply", "--sandbox", "--yes", str(spec)).code == 0

    spec.write_text(spec.read_text().replace("database:\n", "database:\n  query_insights: true\n"))
    err, after, took = _interrupted(slow, spec, f"/instances/{NAME}", twice=True)
    assert "Ctrl-C again: at once." in err
    assert after == []
    assert took < AT_ONCE
    assert slow.run("apply", "--sandbox", "--yes", str(spec)).code == 0
    assert slow.run("plan", "--sandbox", str(spec)).code == 0
    begun = [kind for name, kind in operations(slow.home).items() if name not in before]
    assert begun == ["run.deploy", "sqladmin.update"]
