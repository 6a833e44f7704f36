"""The one stage that writes Google Cloud: carries a plan out, as far side by side as `needs` and lanes allow.

Every verb is idempotent and every name is known beforehand, so whatever stops this half-way, running it again
continues. A write that lost its precondition is planned anew for that one resource, never forced.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from reconciler import errors
from reconciler.change import Action, Change
from reconciler.diff import diff, resolve
from reconciler.gcp import retries
from reconciler.gcp.cloud import Cloud
from reconciler.kind import Kind, delete_ours
from reconciler.model import Observed, Pending, Ref
from reconciler.plan import CHANGING, Plan, order_of_work

AT_ONCE = 8
"""Writes in flight; Google's write quotas are in the hundreds a minute."""
REPLAN_PAUSE = 0.5
"""Seconds before that, so that whoever is writing can finish."""
REPLANS = 3
"""How often one resource is planned anew because somebody else was faster."""


class Status(StrEnum):
    """How a change ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One change's end: its *status*, how long it took in *seconds*, and the *error* if there was one."""

    change: Change
    status: Status
    seconds: float = 0.0
    error: errors.ReconcileError | None = None

    @property
    def in_flight(self) -> bool:
        """Whether an operation goes on without us."""
        return self.status is Status.INTERRUPTED and not isinstance(self.error, errors.StoppedBefore)


class Watcher(Protocol):
    """Who is told what happens while it happens. Called from several threads."""

    def started(self, change: Change) -> None:
        """Work on *change* begins."""
        ...

    def noted(self, change: Change, text: str) -> None:
        """Something long says what it is doing."""
        ...

    def ended(self, outcome: Outcome) -> None:
        """Work on a change has ended."""
        ...


@dataclass
class _Run:
    """The state of one apply: what is known by now, and what is done. Written by every thread, under *lock*."""

    cloud: Cloud
    kinds: Mapping[str, Kind]
    watcher: Watcher
    observed: dict[Ref, Observed]
    outcomes: dict[Ref, Outcome]
    may: Callable[[Collection[Change]], None]
    lock: threading.Lock = field(default_factory=threading.Lock)


def apply(
    cloud: Cloud,
    plan: Plan,
    kinds: Mapping[str, Kind],
    watcher: Watcher,
    outcomes: dict[Ref, Outcome],
    may: Callable[[Collection[Change]], None] = lambda _changes: None,
) -> None:
    """Carry *plan* out, noting each end in *outcomes*, which the caller has even when this raises.

    *may* raises where we are not allowed to make the changes that it is given: asked once, before the first write, or,
    where it raises `ApiDisabled` then, as soon as the APIs are enabled and before anything else.

    Once the cloud is `stopped` nothing new is started and every wait ends; an exception thrown in from a signal
    instead could hit between a thread's start and the note that it runs.

    Raises `Protected` before the first write where a guard stands in the way; afterwards `PartlyApplied`,
    `Interrupted`, or the one error where nothing was changed at all.
    """
    plan.refuse_if_blocked()
    observed = {c.ref: c.observed for c in plan.changes if c.observed is not None}
    run = _Run(cloud, kinds, watcher, observed, outcomes, may)
    waiting = {change.ref: change for change in plan.changes if change.action in CHANGING}
    needs = order_of_work(plan.changes)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="write") as pool:
        _carry_out(run, pool, waiting, needs)
    _raise_failure(run, len(plan.wanted))


def _carry_out(
    run: _Run, pool: ThreadPoolExecutor, waiting: dict[Ref, Change], needs: Mapping[Ref, frozenset[Ref]]
) -> None:
    running: dict[Future[None], Change] = {}
    allowed = False
    while running or (waiting and not run.cloud.stopped.is_set()):
        allowed = allowed or _allowed(run, waiting.values())
        for change in _ready(run, waiting, running.values(), needs):
            del waiting[change.ref]
            running[pool.submit(_one, run, change)] = change
        for future in wait(running, return_when=FIRST_COMPLETED, timeout=1).done:
            del running[future]
            future.result()


def _allowed(run: _Run, changes: Collection[Change]) -> bool:
    """Whether it was asked if we may make *changes*; False where it cannot be told before the APIs are enabled."""
    begun = bool(run.outcomes)
    policy = retries.JUST_ENABLED if begun else retries.NEVER
    try:
        retries.persist(policy, lambda: run.may(list(changes)), run.cloud.pause)
    except errors.ApiDisabled:
        return begun
    return True


def _ready(
    run: _Run, waiting: dict[Ref, Change], running: Collection[Change], needs: Mapping[Ref, frozenset[Ref]]
) -> list[Change]:
    """The changes that can start now; those that never can are ended as skipped."""
    lanes = {change.desired.lane for change in running if change.desired}
    unfinished = set(waiting) | {change.ref for change in running}
    chosen: list[Change] = []
    for ref, change in list(waiting.items()):
        lane = change.desired.lane if change.desired else ""
        failed = [
            run.outcomes[n]
            for n in needs[ref]
            if n in run.outcomes and run.outcomes[n].status is not Status.DONE
        ]
        if failed:
            del waiting[ref]
            blocker = failed[0].change
            state = "is still there" if change.action is Action.DELETE else "is not in place"
            reason = errors.ReconcileError(f"not tried, because {blocker.ref.address} {state}")
            _end(run, Outcome(change, Status.SKIPPED, error=reason))
        elif needs[ref].isdisjoint(unfinished) and not (lane and lane in lanes):
            chosen.append(change)
            lanes.add(lane)
    return chosen


def _end(run: _Run, outcome: Outcome) -> None:
    with run.lock:
        run.outcomes[outcome.change.ref] = outcome
    run.watcher.ended(outcome)


def _one(run: _Run, change: Change) -> None:
    if run.cloud.stopped.is_set():
        return  # it was queued when the interruption came
    started = time.monotonic()
    run.cloud.report_to(lambda text: run.watcher.noted(change, text))
    run.watcher.started(change)
    try:
        retries.persist(retries.AFTER_ENABLING, lambda: _patiently(run, change), run.cloud.pause)
        outcome = Outcome(change, Status.DONE, time.monotonic() - started)
    except errors.Interrupted as error:
        outcome = Outcome(change, Status.INTERRUPTED, time.monotonic() - started, error)
    except errors.ReconcileError as error:
        outcome = Outcome(change, Status.FAILED, time.monotonic() - started, error)
    except Exception as error:  # a bug in one kind must not hide what the others have done
        bug = errors.ReconcileError(f"{change.ref.address}: this is a bug: {type(error).__name__}: {error}")
        bug.__cause__ = error
        outcome = Outcome(change, Status.FAILED, time.monotonic() - started, bug)
    _end(run, outcome)


def _write(run: _Run, change: Change) -> None:
    for _ in range(REPLANS):
        try:
            _verb(run, change)
            break
        except errors.VersionMoved:
            run.cloud.note("it changed in the meantime; reading it again")
            run.cloud.pause(REPLAN_PAUSE)
            change = _replanned(run, change)
    else:
        _verb(run, change)
    _learn(run, change)


def _patiently(run: _Run, change: Change) -> None:
    """`_write`, again while a grant of this run is not seen everywhere: each time from what is there then."""
    current = [change]

    def attempt() -> None:
        try:
            _write(run, current[0])
        except errors.NotYetEffective:
            run.cloud.note("waiting for grants to take effect")
            current[0] = _replanned(run, change)
            raise

    retries.persist(retries.SPREADING, attempt, run.cloud.pause)


def _verb(run: _Run, change: Change) -> None:
    kind, ref = run.kinds[change.ref.kind], change.ref
    if change.action in {Action.DELETE, Action.REPLACE}:
        delete_ours(kind, run.cloud, ref, change.desired)
    if change.action is Action.DELETE or change.desired is None:
        return
    desired = resolve(change.desired, _snapshot(run))
    missing = [str(value) for value in (desired.body or {}).values() if isinstance(value, Pending)]
    if missing:
        raise errors.ReconcileError(f"{ref.address}: a value it needs is still missing: {missing[0]}")
    if change.action in {Action.CREATE, Action.REPLACE}:
        kind.create(run.cloud, desired)
    elif change.observed is not None:
        fields = [f.field for f in diff(desired, change.observed).fields]
        if fields or change.observed.busy:
            kind.update(run.cloud, desired, change.observed, fields)


def _replanned(run: _Run, change: Change) -> Change:
    """The same resource's change, from what is there now."""
    run.cloud.forget()
    found = run.kinds[change.ref.kind].observe(run.cloud, change.ref)
    desired = change.desired
    if desired is None or change.action is Action.DELETE:
        return change
    after = diff(resolve(desired, _snapshot(run)), found)
    if after.blocked and not change.blocked:
        raise errors.Protected(f"{change.ref.address} changed while it was being updated: {after.blocked}")
    if after.action is Action.REPLACE and change.action is not Action.REPLACE:
        raise errors.Protected(
            f"{change.ref.address} changed while it was being updated, and would now be replaced: {after.reason}"
        )
    return after


def _learn(run: _Run, change: Change) -> None:
    """Read back what others wait for: a digest, a version number."""
    if change.action is Action.DELETE:
        return
    run.cloud.forget()
    if not run.kinds[change.ref.kind].tells or run.cloud.stopped.is_set():
        return
    found = run.kinds[change.ref.kind].observe(run.cloud, change.ref)
    if found is not None:
        with run.lock:
            run.observed[change.ref] = found


def _snapshot(run: _Run) -> dict[Ref, Observed]:
    with run.lock:
        return dict(run.observed)


def _raise_failure(run: _Run, wanted: int) -> None:
    """Say what did not happen of the *wanted* changes; nothing where all are done."""
    bad = [o for o in run.outcomes.values() if o.status is not Status.DONE]
    if (done := len(run.outcomes) - len(bad)) == wanted:
        return
    failed = [o.error for o in bad if o.status is Status.FAILED and o.error is not None]
    left = wanted - done - len(failed)
    if run.cloud.stopped.is_set():
        flight = {o.change.ref.address: o.seconds for o in bad if o.in_flight}
        broken = f", {len(failed)} failed" if failed else ""
        raise errors.interrupted(f"{done} changes done{broken}, {left} left", flight)
    if done == 0 and len(failed) == 1:
        raise failed[0]
    listed = "\n".join(
        f"- {error.message}" + (f"\n  {error.way_out}" if error.way_out else "") for error in failed
    )
    if done == 0:
        first = failed[0]
        raise type(first)(
            f"nothing was changed; {len(failed)} changes failed:\n{listed}", way_out=first.way_out
        )
    raise errors.PartlyApplied(
        f"{done} changes done, {len(failed)} failed, {left} not tried:\n{listed}",
        way_out="Mend the cause and run the same command again; it continues from here.",
    )
