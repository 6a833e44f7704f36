"""Every change of a deployment, in an order that can be carried out, with the guards judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from reconciler import errors
from reconciler.change import Action, Change
from reconciler.diff import diff, resolve
from reconciler.model import Desired, Observed, Pending, Ref

CHANGING = frozenset({Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE})


TAKE_BACK = (
    "Take the change back. What database.deletion_protection guards is free once it is applied as false; "
    "what cannot change in place moves to a new deployment with another name."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes in a possible order: what is needed first comes first, deletions last and in reverse.

    *notes* are sentences about the deployment as a whole: its cost, its capacity. *endpoint* is what was read in
    Google Cloud's place, "" for Google Cloud itself. *obstacles* are known to stand in the way of all of it
    (`guards.together`); they are no part of what it does, and who carries it out looks for them anew.
    """

    deployment: str
    project: str
    spec: str
    url: str
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    endpoint: str = ""
    obstacles: tuple[str, ...] = ()

    @property
    def wanted(self) -> tuple[Change, ...]:
        """The changes that do something."""
        return tuple(change for change in self.changes if change.action in CHANGING)

    def count(self, action: Action) -> int:
        """How many resources have *action*."""
        return sum(change.action is action for change in self.changes)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that the plan says and was computed from: equal plans do equal things."""
        about = [self.deployment, self.project, self.endpoint, self.url]
        return _hash([about, [fingerprint(change) for change in self.changes]])

    def refuse_if_blocked(self) -> None:
        """Raise `Protected` with every guard that stands in the way; called before the first write."""
        blocked = [change for change in self.changes if change.blocked]
        if blocked:
            listed = "\n".join(f"- {change.blocked}" for change in blocked)
            guarded = [
                c
                for c in blocked
                if c.action is not Action.CREATE and not c.foreign and not (c.desired and c.desired.given)
            ]
            raise errors.Protected(
                f"refused, and nothing was changed:\n{listed}", way_out=TAKE_BACK if guarded else ""
            )


def make_plan(
    deployment: str, project: str, spec: str, url: str, wanted: Iterable[Desired], observed: Mapping[Ref, Observed],
    *, delete_data: bool = False, notes: tuple[str, ...] = (), endpoint: str = "",
) -> Plan:  # fmt: skip
    """The plan that takes *observed* to *wanted*."""
    changes = {
        d.ref: diff(resolve(d, observed), observed.get(d.ref), delete_data=delete_data, spec=spec)
        for d in wanted
    }
    return Plan(deployment, project, spec, url, _ordered(changes), notes, endpoint)


def order_of_work(changes: Iterable[Change]) -> dict[Ref, frozenset[Ref]]:
    """What each change waits for: creations for what they need, deletions for what needs them.

    Access closes early, opens late and is missed late: a policy that takes callers away from what it is part of goes
    before that changes, unless it lets everybody in as well; one that only takes roles away goes after whatever needed
    them.
    """
    by_ref = {change.ref: change for change in changes}
    waits: dict[Ref, set[Ref]] = {ref: set() for ref in by_ref}
    for ref, change in by_ref.items():
        for needed in change.desired.needs if change.desired else ():
            if needed not in by_ref:
                continue
            if (
                by_ref[needed].action is Action.DELETE
                or _closes(change, needed)
                or _only_revokes(by_ref[needed])
            ):
                waits[needed].add(ref)
            elif change.action is not Action.DELETE:
                waits[ref].add(needed)
    return {ref: frozenset(needed) for ref, needed in waits.items()}


def _closes(change: Change, needed: Ref) -> bool:
    if change.desired is None or change.desired.part_of != needed or not _revoked(change):
        return False
    opens = change.desired.opens
    return not any(field.field in opens and field.new is not None for field in change.fields)


def _revoked(change: Change) -> bool:
    policy = change.desired is not None and change.desired.empties and change.action is Action.UPDATE
    return policy and any(field.new is None for field in change.fields)


def _only_revokes(change: Change) -> bool:
    return _revoked(change) and all(field.new is None for field in change.fields)


def _ordered(changes: Mapping[Ref, Change]) -> tuple[Change, ...]:
    # Sorted, because a set's order differs from one process to the next, and a sealed plan is held against another's.
    graph = {ref: sorted(needed) for ref, needed in order_of_work(changes.values()).items()}
    order = [changes[ref] for ref in TopologicalSorter(graph).static_order()]
    return tuple(sorted(order, key=lambda change: change.action is Action.DELETE))


def fingerprint(change: Change) -> str:
    """A hash of one change: what is wanted, what was read and in which version."""
    observed = change.observed
    wanted = change.desired.body if change.desired else None
    return _hash(
        [
            change.ref.kind,
            change.ref.name,
            change.action,
            None if wanted is None else {key: plain(value) for key, value in wanted.items()},
            None
            if observed is None
            else [observed.version, observed.busy, observed.note, observed.leaves, dict(observed.body)],
            [change.reason, bool(change.blocked), change.foreign],
            [[field.field, plain(field.old), plain(field.new)] for field in change.fields],
        ]
    )


def plain(value: Any) -> Any:
    """*value* as JSON can hold it; a pending one as the words that stand for it."""
    return str(value) if isinstance(value, Pending) else value


def _hash(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
