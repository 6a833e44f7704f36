"""One deployment that lives in a sandbox, and keys of its spec that change one after another.

For each key of the schema there is a case: what it is changed to, and exactly what the plan must then say. The cases of
a section share a deployment, because what they show is about a live one; what a case has changed stays changed.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.apply import apply
from reconciler.change import Action, Change
from reconciler.gcp.cloud import Cloud
from reconciler.pipeline import survey
from reconciler.plan import Plan
from reconciler.registry import BY_NAME
from reconciler.spec.load import load
from reconciler.spec.schema import load_schema, sections
from tests.builders import Diary
from tests.relay import Relay, relay
from tests.sandbox.calls import new_project
from tests.scenarios.command import Bench, sandbox
from tests.standin.deploy import standing_in

FIRST: dict[str, Any] = {
    "version": 1,
    "name": "mlflow-keys",
    "project": "every-key",
    "region": "europe-west1",
    "memory": "1Gi",
    "scaling": {"max_instances": 1},
    "database": {"tier": "db-g1-small", "deletion_protection": False},
}
"""Where every section begins."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a key is changed *to* (or how the live deployment tells it), and the lines that the plan then consists of.

    *given* are other keys that must be so for the change to be possible; they are applied before it. *along* are keys
    that can only change together with it. A change that is never made on a live resource is *refused* with these words.
    """

    to: Any
    expected: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])
    along: Mapping[str, Any] = field(default_factory=dict[str, Any])
    refused: str = ""


@dataclass(slots=True)
class Live:
    """The deployment: its spec as it is *said* now in *file*, and the sandbox behind *way*."""

    bench: Bench
    way: Relay
    file: Path
    said: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(FIRST))

    def say(self, key: str, value: Any) -> None:
        """Let the spec say *value* at the dotted *key*."""
        *steps, last = key.split(".")
        target = self.said
        for step in steps:
            target = target.setdefault(step, {})
        target[last] = value
        if value is None:
            del target[last]
        self.file.write_text(json.dumps(self.said, indent=1), encoding="utf-8")

    @property
    def port(self) -> int:
        """Where the sandbox listens."""
        return int(self.bench.endpoint.rpartition(":")[2])

    def keep_secret(self, name: str, value: str) -> None:
        """Somebody else puts a version into a secret of his own."""
        cloud = new_project(self.port, project=str(FIRST["project"]))
        cloud.call("POST", f"/v1/projects/{{P}}/secrets?secretId={name}", {"replication": {"automatic": {}}})
        payload = {"payload": {"data": base64.b64encode(value.encode()).decode()}}
        cloud.ok("POST", f"/v1/projects/{{P}}/secrets/{name}:addVersion", payload)

    def plan(self) -> Plan:
        """What is to be done."""
        deployment = load(self.file)
        return survey(Cloud(deployment.project, self.way.url), deployment)

    def apply(self) -> Plan:
        """Do it; the plan that was carried out."""
        deployment = load(self.file)
        cloud = Cloud(deployment.project, self.way.url)
        plan = survey(cloud, deployment)
        apply(cloud, plan, BY_NAME, Diary(), {})
        return plan


@contextmanager
def living(folder: Path, *, mlflow: bool = True) -> Generator[Live]:
    """A deployment that has been applied: of MLflow itself, or of what stands in for it where it meets no key."""
    with nullcontext() if mlflow else standing_in(), sandbox() as bench, relay(bench.endpoint) as way:
        new_project(int(bench.endpoint.rpartition(":")[2]), project=str(FIRST["project"]))
        live = Live(bench, way, folder / "mlflow.yaml")
        live.say("version", 1)
        live.apply()
        yield live


def keys_of(*names: str) -> list[str]:
    """Every key of the schema in the sections *names* that holds a value, in the schema's order."""
    schema = load_schema()
    return [
        ".".join(map(str, path))
        for path, inner in sections(schema)
        if str(path[0]) in names and "properties" not in inner
    ]


def prove(live: Live, key: str, cases: Mapping[str, Case]) -> None:
    """Change *key* on the live deployment: the plan says exactly that, then there is nothing left to say or write."""
    if key not in cases:
        pytest.fail(f"{key} is a key of the schema without a case here")
    case = cases[key]
    if any(_at(live.said, one) != value for one, value in case.given.items()):
        for one, value in case.given.items():
            live.say(one, value)
        live.apply()
    before = {one: _at(live.said, one) for one in (*case.along, key)}
    wanted = case.to(live) if callable(case.to) else case.to
    for one, value in {**case.along, key: wanted}.items():
        live.say(one, value)
    planned = live.plan()
    if case.refused:
        assert any(case.refused in change.blocked for change in planned.changes), lines(planned)
        for one, value in before.items():
            live.say(one, value)
        assert lines(live.plan()) == []
        return
    assert lines(planned) == sorted(case.expected)
    asked = {f.origin.key.partition(".")[0] for c in planned.wanted for f in c.fields if f.origin}
    assert not asked or key == "extends" or key.partition(".")[0] in asked
    live.apply()
    assert lines(live.plan()) == []
    already = len(live.way.writes)
    live.apply()
    assert live.way.writes[already:] == []


def lines(plan: Plan) -> list[str]:
    """What *plan* changes, a line for each resource that comes or goes and for each field that changes."""
    found = [line for change in plan.changes if change.action is not Action.KEEP for line in _of(change)]
    for told, name in _TOLD.items():
        found = [re.sub(told, name, line) for line in found]
    return sorted(found)


_TOLD = {
    r"[0-9a-f]{64}|(?<=-)[0-9a-f]{16}\b": "HASH",
    r"(?<=mlflow-keys-)\d+(?=\.)|(?<=:service-)\d+(?=@)": "NUMBER",
    r"(?<=notificationChannels/)\d+": "ID",
    r"http://127\.0\.0\.1:\d+/\.well-known/openid-configuration": "PROVIDER",
}
"""What nobody can write down beforehand: names of content, the project's number, names that Google gives."""
_SIGNS = {Action.CREATE: "+", Action.DELETE: "-", Action.REPLACE: "-/+", Action.UPDATE: "~"}


def _of(change: Change) -> list[str]:
    begin = f"{_SIGNS[change.action]} {change.ref.address}"
    if change.action is not Action.UPDATE:
        return [begin]
    return [f"{begin} {one.field}: {one.old} -> {one.new}" for one in change.fields] or [begin]


def _at(said: Mapping[str, Any], key: str) -> Any:
    value: Any = said
    for step in key.split("."):
        value = cast("dict[str, Any]", value).get(step) if isinstance(value, dict) else None
    return value
