"""The command line in this process, on a cloud that lives in memory."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler import lease, pipeline
from reconciler.cli import carry_out, main, session
from reconciler.expand import nothing
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired
from reconciler.plan import Plan, make_plan
from reconciler.spec.deployment import Deployment
from tests.builders import FakeKind, kinds, quick_cloud, want

SPEC = """\
version: 1
name: mlflow-test
project: acme-ml
region: europe-west1
auth: {mode: basic}
"""


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


Cli = Callable[..., Said]


@pytest.fixture(name="cli")
def _cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Run the command line with these arguments, without a terminal."""

    def run(*args: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["mlflow-reconcile", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            main.main()
        said = capsys.readouterr()
        return Said(int(end.value.code or 0), said.out, said.err)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(os, "_exit", sys.exit)
    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(name="spec")
def _spec(tmp_path: Path) -> Path:
    """A spec that is valid."""
    path = tmp_path / "mlflow.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


@dataclass
class World:
    """What every spec wants, and the memory in which it may come true."""

    kind: FakeKind = field(default_factory=FakeKind)
    wanted: list[Desired] = field(
        default_factory=lambda: [
            want("bucket", {"size": 1}, holds_data=True),
            want("service", {"size": 1}, "bucket"),
        ]
    )

    def survey(self, _cloud: Cloud, deployment: Deployment) -> Plan:
        """The plan that makes it so."""
        return self._plan(deployment, self.wanted)

    def survey_removal(
        self, _cloud: Cloud, deployment: Deployment, *, delete_data: bool, **_options: object
    ) -> Plan:
        """The plan that takes it away."""
        return self._plan(deployment, nothing(self.wanted), delete_data=delete_data)

    def _plan(self, deployment: Deployment, wanted: Any, **facts: Any) -> Plan:
        spec, url = deployment.file, "https://mlflow-test.run.app"
        return make_plan(deployment.name, deployment.project, spec, url, wanted, self.kind.live, **facts)


class _Alone(lease.Lease):
    """The lease of a cloud in memory, which nobody else works on."""

    def take(self) -> None:
        """It is ours."""


def _look(cloud: Cloud, deployment: Deployment) -> lease.Lease:
    return _Alone(cloud, deployment, None)


@pytest.fixture(name="world")
def _world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Put the memory in Google Cloud's place."""
    world = World()

    def connect(deployment: Deployment, *, sandbox: bool) -> Cloud:
        del deployment, sandbox
        return quick_cloud()

    monkeypatch.setattr(session, "connect", connect)
    monkeypatch.setattr(pipeline, "survey", world.survey)
    monkeypatch.setattr(pipeline, "survey_removal", world.survey_removal)
    monkeypatch.setattr(lease, "look", _look)
    monkeypatch.setattr(carry_out, "BY_NAME", kinds(world.kind))
    return world
