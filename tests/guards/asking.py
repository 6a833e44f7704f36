"""Google's discovery clients, answering from a table; and changes to ask about."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reconciler.change import Change
from reconciler.expand import expand
from reconciler.gcp.cloud import Cloud
from reconciler.plan import Plan, make_plan
from reconciler.registry import KINDS
from reconciler.resources import serviceusage_services
from reconciler.server.naming import names_of
from reconciler.spec.deployment import Deployment
from reconciler.spec.load import load
from tests.builders import quick_cloud

SPEC = """\
version: 1
name: mlflow-test
project: acme-ml
region: europe-west1
"""


@dataclass
class Google:
    """What each method answers, by its last word: a value, an error, or a function of the call's arguments."""

    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])

    def cloud(self) -> Cloud:
        """A cloud whose clients are these."""
        cloud = quick_cloud()
        cloud.api = lambda name, version: _Client(self, f"{name}.{version}")
        return cloud


@dataclass(frozen=True)
class _Client:
    google: Google
    path: str

    def __getattr__(self, word: str) -> Any:
        def call(**arguments: Any) -> Any:
            if not arguments:
                return _Client(self.google, f"{self.path}.{word}")
            return _Request(self.google, word, arguments)

        return call


@dataclass(frozen=True)
class _Request:
    google: Google
    method: str
    arguments: dict[str, Any]

    def execute(self) -> Any:
        """The answer of the table."""
        self.google.asked.append((self.method, self.arguments))
        answer = self.google.answers[self.method]
        if callable(answer):
            answer = answer(self.arguments)
        if isinstance(answer, Exception):
            raise answer
        return answer


def deployed(folder: Path, text: str = "", region: str = "europe-west1") -> Deployment:
    """The deployment of a small spec with *text* added."""
    path = folder / "mlflow.yaml"
    path.write_text(SPEC.replace("europe-west1", region) + text, encoding="utf-8")
    return load(path)


def from_nothing(deployment: Deployment) -> Plan:
    """The plan of *deployment* in an empty project."""
    names = names_of(deployment, "123456789012")
    wanted = expand(deployment, names, KINDS, serviceusage_services.ref(deployment.project))
    return make_plan(deployment.name, deployment.project, deployment.file, names.url, wanted, {})


def of(plan: Plan, kind: str) -> Change:
    """The first change of *kind*."""
    return next(change for change in plan.wanted if change.ref.kind == kind)


def at_action(change: Change, action: Any, *fields: str) -> Change:
    """*change* as another action, on those of its fields alone."""
    return replace(change, action=action, fields=tuple(f for f in change.fields if f.field in fields))
