"""What the tests of the core are made of: values with defaults, and a kind of resource that lives in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from reconciler import errors
from reconciler.apply import Outcome
from reconciler.change import Action, Change
from reconciler.gcp.cloud import Cloud
from reconciler.kind import Kind
from reconciler.model import Body, Desired, Json, Observed, Ref
from reconciler.observe import Project
from reconciler.plan import Plan, make_plan

THING = "fake.thing"
API = "fake.googleapis.com"
PROJECT = Project("123456789012", frozenset({API}))


def ref(name: str, kind: str = THING) -> Ref:
    """The resource called *name*."""
    return Ref(kind, f"projects/p/things/{name}")


def want(name: str, body: Body | None, *needs: str, kind: str = THING, **facts: Any) -> Desired:
    """What a spec wants of the thing *name*, which needs the things *needs*."""
    return Desired(ref(name, kind), body, needs=tuple(ref(needed, kind) for needed in needs), **facts)


def seen(
    name: str, body: Mapping[str, Json], version: str = "1", kind: str = THING, **facts: Any
) -> Observed:
    """What Google Cloud reports of the thing *name*."""
    return Observed(ref(name, kind), body, version, **facts)


def planned(wanted: Iterable[Desired], *observed: Observed, **facts: Any) -> Plan:
    """The plan of the deployment `mlflow-test` that takes *observed* to *wanted*."""
    found = {one.ref: one for one in observed}
    return make_plan("mlflow-test", "acme-ml", "mlflow.yaml", "https://x.run.app", wanted, found, **facts)


def quick_cloud() -> Cloud:
    """A cloud that nobody calls and whose pauses take no time; interrupted, they end as always."""
    cloud = Cloud("acme-ml", "http://127.0.0.1:1")

    def pause(seconds: float) -> None:
        del seconds
        if cloud.stopped.is_set():
            raise errors.Interrupted("interrupted while waiting")

    cloud.pause = pause
    return cloud


@dataclass
class FakeKind:
    """Things in memory, with versions that a write must match, failures to come, and something to do during a verb.

    *failing* and *during* are keyed by verb and short name, like ("create", "a"); each failure happens once.
    """

    name: str = THING
    api: str = API
    tells: bool = False
    told: Mapping[str, Json] = field(default_factory=dict[str, Json])
    failing: dict[tuple[str, str], list[Exception]] = field(
        default_factory=dict[tuple[str, str], list[Exception]]
    )
    during: dict[tuple[str, str], Callable[[], object]] = field(
        default_factory=dict[tuple[str, str], Callable[[], object]]
    )
    live: dict[Ref, Observed] = field(default_factory=dict[Ref, Observed])
    calls: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, name: str, **body: Json) -> Observed:
        """Somebody else writes: the thing is there with these fields, in a new version."""
        return self._store(ref(name, self.name), body)

    def desired(self, deployment: Any, names: Any) -> Iterable[Desired]:
        """Nothing; the tests say what is wanted."""
        del deployment, names
        return ()

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """What is there."""
        del cloud
        self._reached("observe", ref)
        return self.live.get(ref)

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Make it, with what only the server knows."""
        del cloud
        self._reached("create", desired.ref)
        self._store(desired.ref, {**cast("Mapping[str, Json]", desired.body or {}), **self.told})

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Write *fields*, unless somebody was faster."""
        del cloud
        self._reached("update", desired.ref, *fields)
        if self.live[desired.ref].version != observed.version:
            raise errors.VersionMoved(f"{desired.ref.short} has changed")
        body = cast("Mapping[str, Json]", desired.body or {})
        self._store(desired.ref, {**self.live[desired.ref].body, **{f: body[f] for f in fields}})

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Take it away."""
        del cloud
        self._reached("delete", ref)
        self.live.pop(ref, None)

    def writes(self) -> list[tuple[str, ...]]:
        """Every call that changed something or tried to, in order."""
        return [call for call in self.calls if call[0] != "observe"]

    def _store(self, ref: Ref, body: Mapping[str, Json]) -> Observed:
        with self.lock:
            before = self.live.get(ref)
            version = str(int(before.version) + 1 if before else 1)
            self.live[ref] = Observed(ref, dict(body), version)
            return self.live[ref]

    def _reached(self, verb: str, ref: Ref, *fields: str) -> None:
        with self.lock:
            self.calls.append((verb, ref.short, *fields))
        self.during.get((verb, ref.short), lambda: None)()
        failures = self.failing.get((verb, ref.short))
        if failures:
            raise failures.pop(0)


def kinds(*fakes: FakeKind) -> dict[str, Kind]:
    """A registry of *fakes*."""
    return {fake.name: cast("Kind", fake) for fake in fakes}


@dataclass
class Diary:
    """A watcher that writes everything down."""

    events: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def started(self, change: Change) -> None:
        """Note the beginning."""
        self.events.append(("started", change.ref.short))

    def noted(self, change: Change, text: str) -> None:
        """Note what it says."""
        self.events.append((text, change.ref.short))

    def ended(self, outcome: Outcome) -> None:
        """Note the end."""
        self.events.append((outcome.status.value, outcome.change.ref.short))


def actions(plan: Plan) -> dict[str, Action]:
    """What *plan* does to each resource, by short name, in the plan's order."""
    return {change.ref.short: change.action for change in plan.changes}
