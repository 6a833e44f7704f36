"""Carrying a plan out in front of somebody: progress while it runs, a recap line at the end."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Generator
from contextlib import contextmanager
from types import FrameType

import click

from reconciler import errors
from reconciler.apply import Outcome, Status, apply
from reconciler.change import Action, Change
from reconciler.cli.progress import watching
from reconciler.errors import Exit
from reconciler.gcp.cloud import Cloud
from reconciler.guards import together
from reconciler.lease import Lease
from reconciler.model import Ref
from reconciler.plan import Plan
from reconciler.registry import BY_NAME
from reconciler.resources.serviceusage_services import EnabledServices


def carry_out(cloud: Cloud, plan: Plan, lease: Lease, *, checked: bool) -> None:
    """Apply *plan* with live progress, *checked* for what we may do first; the recap is the one Ansible users know.

    The *lease* is taken right before the first write: after APIs are enabled where there was none to take it with.
    """
    outcomes: dict[Ref, Outcome] = {}

    def may(changes: Collection[Change]) -> None:
        together.refuse(cloud, lease.deployment, changes, checked=checked)
        try:
            lease.take()
        except errors.ApiDisabled:
            if any(change.ref.kind == EnabledServices.name for change in plan.wanted):
                raise  # it can be taken as soon as this very run has enabled it

    try:
        with _stoppable(cloud), watching() as watcher, lease:
            apply(cloud, plan, BY_NAME, watcher, outcomes, may)
    except errors.ReconcileError as error:
        if not lease.lost:
            raise
        raise errors.LeaseHeld(
            f"the lease on {plan.deployment} was lost, and nothing new was begun: {lease.lost}; {error.message}",
            way_out="Run the same command again when the other one has ended; it continues from here.",
        ) from error
    finally:
        done = sum(outcome.status is Status.DONE for outcome in outcomes.values())
        failed = sum(outcome.status is Status.FAILED for outcome in outcomes.values())
        ok = plan.count(Action.KEEP) + done
        left = len(plan.wanted) - done - failed
        click.echo(f"{plan.deployment} : ok={ok} changed={done} failed={failed} skipped={left}", err=True)


@contextmanager
def _stoppable(cloud: Cloud) -> Generator[None]:
    """Ctrl-C, and SIGTERM as CI runners send it, end the run between two steps instead of in the midst of one."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if cloud.stopped.is_set():
            os._exit(Exit.INTERRUPTED)  # asked twice: the request in flight is not waited for
        cloud.stopped.set()
        message = "\nStopping after the requests in flight; what runs in Google Cloud goes on. Ctrl-C again: at once.\n"
        os.write(2, message.encode())

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
