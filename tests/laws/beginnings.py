"""Which long-running operations each kind begins, and a life of a deployment in which whoever begins one is ended.

Each run ends at the first operation that it begins: killed when the request was carried out and before the answer is
read, or interrupted once it is. The next run has to find what goes on, wait for it, and begin no second one.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from reconciler import errors
from reconciler.apply import apply
from reconciler.change import Action, Change
from reconciler.diff import diff, resolve
from reconciler.gcp.cloud import Cloud
from reconciler.model import Observed, Ref
from reconciler.plan import CHANGING, Plan
from reconciler.registry import BY_NAME
from tests.builders import Diary
from tests.image.machine import until
from tests.relay import Relay, Reply, relay

Verbs = Mapping[str, tuple[str, ...]]
_UPDATED: Final = ("sqladmin.update",)
BEGINS: Final[Mapping[str, Verbs]] = {
    "serviceusage.services": {"update": ("serviceusage.enable",)},
    "artifactregistry.repository": {
        "create": ("artifactregistry.create",), "delete": ("artifactregistry.delete",),
    },
    "artifactregistry.image": {"create": ("cloudbuild.run",)},
    "compute.address": {
        "create": ("compute.globalAddresses.insert", "compute.globalAddresses.setLabels"),
        "update": ("compute.globalAddresses.setLabels",),
        "delete": ("compute.globalAddresses.delete",),
    },
    "servicenetworking.connection": {
        "create": ("servicenetworking.create",), "delete": ("servicenetworking.delete",),
    },
    "vpcaccess.connector": {
        "create": ("vpcaccess.create",), "update": ("vpcaccess.update",), "delete": ("vpcaccess.delete",),
    },
    "sqladmin.instance": {"create": ("sqladmin.create",), "update": _UPDATED, "delete": ("sqladmin.delete",)},
    "sqladmin.public_address": {"update": _UPDATED},
    "sqladmin.database": {"create": ("sqladmin.createDatabase",)},
    "sqladmin.user": {"create": ("sqladmin.createUser",), "update": ("sqladmin.updateUser",)},
    "run.job": {"create": ("run.settleJob",), "update": ("run.settleJob",), "delete": ("run.deleteJob",)},
    "run.migration": {"create": ("run.run",), "update": ("sqladmin.backup", "run.run")},
    "run.service": {"create": ("run.deploy",), "update": ("run.deploy",), "delete": ("run.deleteService",)},
}  # fmt: skip
"""By kind and verb, in the sandbox's words for what an operation does."""
AT_ONCE: Final = frozenset(
    {
        "iam.service_account", "cloudresourcemanager.project_iam", "cloudkms.key_iam", "storage.bucket",
        "storage.bucket_iam", "artifactregistry.repository_iam", "secretmanager.secret", "secretmanager.version",
        "secretmanager.secret_iam", "run.service_iam", "run.job_iam", "cloudscheduler.job", "iap.web_iam",
        "monitoring.uptime_check", "monitoring.notification_channel", "monitoring.alert_policy",
        "billingbudgets.budget",
        "iap.service_agent",  # what makes the agent's account is done in its answer, as recorded
        "compute.network", "compute.subnetwork",  # never made, never changed
    }
)  # fmt: skip
"""The kinds whose requests are over when they are answered."""
IN_PROGRESS: Final = b"operation in progress"
"""What is answered about a peering while an operation on it runs."""
PATIENCE = 60
"""Seconds within which whatever runs in a sandbox is over."""
MOST = 6
"""Runs after which a change that does not come to an end is given up."""
LEAST = 0.03
"""Seconds that a pause lasts at most: whoever gives up after some has to do so within an operation of ours."""


@dataclass(frozen=True, slots=True)
class Lived:
    """What became of one change: the operations *begun*, in order, how often it was *ended* early, what is *wrong*."""

    begun: tuple[str, ...]
    ended: int
    wrong: tuple[str, ...] = ()


@dataclass
class Life:
    """The state of a sandbox at *home*, seen through *through*, as runs that come one after another see it."""

    home: Path
    through: Relay
    cloud: Cloud
    ender: Ender
    observed: dict[Ref, Observed] = field(default_factory=dict[Ref, Observed])

    def live(self, plan: Plan, kinds: Collection[str], *, kill: bool) -> dict[tuple[str, str], Lived]:
        """Carry *plan* out for *kinds*, change by change; a run that begins an operation is killed, or interrupted."""
        self.observed |= {change.ref: change.observed for change in plan.changes if change.observed}
        lived: dict[tuple[str, str], Lived] = {}
        for change in plan.changes:
            if change.action in CHANGING and change.ref.kind in kinds:
                found = self.change(lambda change=change: self._run(plan, change), change.ref, kill=kill)
                if found.begun or found.wrong:
                    lived.setdefault((change.ref.kind, change.action.value), found)
                seen = BY_NAME[change.ref.kind].observe(self.cloud, change.ref)
                if seen is not None:
                    self.observed[change.ref] = seen
        return lived

    def change(self, run: Callable[[], object], ref: Ref, *, kill: bool) -> Lived:
        """*run* again and again, until one begins nothing."""
        before, wrong = set(operations(self.home)), list[str]()
        for number in range(MOST):
            self.cloud.stopped = threading.Event()
            self.cloud.forget()
            with self.ender.armed(self.cloud, kill=kill) as met:
                try:
                    run()
                except errors.ReconcileError as error:
                    wrong += _amiss(error, ref, met, kill=kill)
            if not met.begun or wrong:
                self.cloud.stopped = threading.Event()
                begun = {key: kind for key, kind in operations(self.home).items() if key not in before}
                return Lived(tuple(begun.values()), number, tuple(wrong))
        return Lived((), MOST, ("it never came to an end",))

    def _run(self, plan: Plan, change: Change) -> None:
        """What a run does about one resource, from the reading on."""
        if change.desired is None:
            return
        found = BY_NAME[change.ref.kind].observe(self.cloud, change.ref)
        now = diff(resolve(change.desired, self.observed), found, delete_data=True)
        if now.action in CHANGING:
            apply(self.cloud, replace(plan, changes=(now,)), BY_NAME, Diary(), {})
        elif now.action is not Action.KEEP or now.blocked:
            raise errors.ReconcileError(f"{now.action} {now.blocked}")


@dataclass
class Met:
    """What an ended run had *begun*, "" for nothing, and which writes came *after*."""

    begun: str = ""
    after: list[str] = field(default_factory=list[str])


@dataclass
class Ender:
    """Ends whoever begins an operation, by what it sees go by."""

    home: Path
    cloud: Cloud | None = None
    kill: bool = True
    met: Met = field(default_factory=Met)

    @contextmanager
    def armed(self, cloud: Cloud, *, kill: bool) -> Generator[Met]:
        """For one run of *cloud*."""
        self.cloud, self.kill, self.met = cloud, kill, Met()
        yield self.met
        self.cloud = None

    def __call__(self, method: str, path: str, forward: Callable[[], Reply]) -> Reply | None:
        """The hinder of a relay."""
        if self.met.begun and self.kill and self.cloud is not None:
            return None  # the dead ask nothing
        if method == "GET" or ":getIamPolicy" in path or self.cloud is None:
            return forward()
        if self.met.begun:
            self.met.after.append(f"{method} {path}")
        before = len(operations(self.home))
        answer = forward()
        if answer.status >= 400 and IN_PROGRESS in answer.content:
            # Nothing lists what goes on with a peering: it must not end between a look at it and the next write.
            until(lambda: not running(self.home), PATIENCE)
        if len(operations(self.home)) > before and not self.met.begun:
            self.met.begun = f"{method} {path}"
            self.cloud.stopped.set()
            return None if self.kill else answer
        return answer


def operations(home: Path) -> dict[str, str]:
    """What every operation of the sandbox of *home* does, by name, the first to begin first."""
    long = [(name, body) for name, body in _told(home) if body["kind"]]
    return {name: body["kind"] for name, body in sorted(long, key=lambda one: float(one[1]["due"]))}


def running(home: Path) -> bool:
    """Whether any operation of the sandbox of *home* is not done."""
    return not all(body["done"] for _, body in _told(home))


def _told(home: Path) -> list[tuple[str, dict[str, Any]]]:
    with closing(sqlite3.connect(f"file:{home / 'state.db'}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT name, body FROM resources WHERE kind = 'operation'").fetchall()
    return [(name, json.loads(body)) for name, body in rows]


@contextmanager
def life(endpoint: str, home: Path, project: str) -> Generator[Life]:
    """A life in *project* of the sandbox at *endpoint*."""
    ender = Ender(home)
    with relay(endpoint, hinder=ender) as through:
        cloud = Cloud(project, through.url)
        wait = cloud.pause
        cloud.pause = lambda seconds: wait(min(seconds, LEAST))
        yield Life(home, through, cloud, ender)


def _amiss(error: errors.ReconcileError, ref: Ref, met: Met, *, kill: bool) -> list[str]:
    """What is wrong with how a run ended; whoever was killed says nothing that counts."""
    if not met.begun:
        return [f"{type(error).__name__}: {error.message}"]
    if kill:
        return []
    wrong = [f"written after the interruption: {write}" for write in met.after]
    if not isinstance(error, errors.Interrupted) or f"{ref.address} (for" not in error.message:
        wrong.append(f"interrupted, it says: {error.message}")
    return wrong
