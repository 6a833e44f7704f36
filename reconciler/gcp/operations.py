"""Long-running operations: asked with a growing interval until they end, with progress on the way.

Their shapes differ (facts from the APIs' own documents): Cloud SQL says `status: DONE` and carries errors under
`error.errors[]`; the others say `done: true`, leave it out before, and carry `error{code,message}`.
An operation that failed is answered with HTTP 200.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler import errors
from reconciler.gcp.cloud import Cloud


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two looks at an operation: from *first*, half as much again each time, to *longest*."""

    first: float
    longest: float
    budget: float


SQL = Pace(first=5, longest=20, budget=3600)
"""At least 5 s: the Admin API allows about 180 requests a minute, and creating takes 5 to 15 minutes."""
RUN = Pace(first=1, longest=10, budget=1200)
BUILD = Pace(first=2, longest=10, budget=2700)
MIGRATION = Pace(first=2, longest=10, budget=2400)
SHORT = Pace(first=1, longest=5, budget=600)

GRANTS_SPREAD = ("Permission denied on secret", "must have permission to read the image")
"""What Cloud Run says while it does not see a grant yet, and also where there is none."""

SANDBOX_SPEED = 100
"""How much faster operations are looked at where an endpoint stands in for Google Cloud: it has no quota to spare."""


def await_operation(
    cloud: Cloud,
    about: str,
    pace: Pace,
    first: Mapping[str, Any],
    look: Callable[[str], Any],
    phase: Callable[[Mapping[str, Any]], str],
    ended: Callable[[Mapping[str, Any]], bool] | None = None,
) -> Mapping[str, Any]:
    """The operation *first*, once it has ended; *look* reads it again by name, *phase* says what it is doing.

    Raises `OperationFailed` with the operation's own words, `OutOfTime` after the pace's budget.
    """
    operation, started = first, time.monotonic()
    faster = SANDBOX_SPEED if cloud.endpoint else 1
    interval = pace.first / faster
    while not (ended or _ended)(operation):
        cloud.note(phase(operation))
        if time.monotonic() - started > pace.budget:
            raise errors.OutOfTime(
                f"{about}: still running after {pace.budget / 60:.0f} minutes",
                way_out="It goes on without us; run this again to continue where it is then.",
            )
        cloud.pause(interval)
        interval = min(interval * 1.5, pace.longest / faster)
        name = str(operation["name"])
        operation = cloud.call(about, lambda name=name: look(name))
    _raise_failure(operation, about)
    return operation


def await_state(
    cloud: Cloud,
    about: str,
    pace: Pace,
    look: Callable[[], Mapping[str, Any]],
    going_on: Callable[[Mapping[str, Any]], str],
) -> Mapping[str, Any]:
    """What *look* reads, once *going_on* says "" of it: for work whose operation somebody else holds."""
    return await_operation(
        cloud,
        about,
        pace,
        {"name": "", "state": look()},
        lambda _name: {"name": "", "state": look()},
        lambda operation: going_on(operation["state"]),
        ended=lambda operation: not going_on(operation["state"]),
    )["state"]


def _ended(operation: Mapping[str, Any]) -> bool:
    return bool(operation.get("done")) or operation.get("status") == "DONE"


def _raise_failure(operation: Mapping[str, Any], about: str) -> None:
    error = operation.get("error")
    if not error:
        return
    entries = error.get("errors") or [error]
    text = "; ".join(str(entry.get("message") or entry.get("code")) for entry in entries)
    kind = errors.NotYetEffective if any(words in text for words in GRANTS_SPREAD) else errors.OperationFailed
    raise kind(f"{about}: {text}", reason=str(entries[0].get("code", "")))


def sql_done(cloud: Cloud, about: str, operation: Mapping[str, Any]) -> None:
    """Wait for a Cloud SQL operation."""
    operations = cloud.api("sqladmin", "v1").operations()

    def look(name: str) -> Any:
        return operations.get(project=cloud.project, operation=name).execute()

    def phase(running: Mapping[str, Any]) -> str:
        return f"{running.get('operationType', 'operation')} {running.get('status', '')}".lower().replace(
            "_", " "
        )

    await_operation(cloud, about, SQL, operation, look, phase)


def begun(operation: Any) -> dict[str, Any]:
    """What to wait for, of an operation that google-cloud-run's client holds."""
    return {"name": operation.operation.name}


def run_done(cloud: Cloud, about: str, operation: Mapping[str, Any], pace: Pace = RUN) -> Mapping[str, Any]:
    """Wait for an operation of Cloud Run's, given as JSON; the resource that it answers with.

    It is read as JSON, because google-api-core's own waiting refuses an operation whose resource has a field that the
    installed google-cloud-run does not know: a roll-out would fail on the day that Google adds one.
    """
    reader = cloud.api("run", "v2").projects().locations().operations()

    def look(name: str) -> Any:
        return reader.get(name=name).execute()

    ended = await_operation(cloud, about, pace, operation, look, lambda _running: "rolling out")
    return ended.get("response") or {}
