"""Carrying a plan out in front of somebody: progress while it runs, a recap line at the end."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Generator
from contextlib import contextmanager
from functools import partial
from types import FrameType

import click

from reconciler import lacking
from reconciler.apply import Outcome, Status, apply
from reconciler.change import Action, Change
from reconciler.cli.progress import watching
from reconciler.errors import Exit
from reconciler.gcp.cloud import Cloud
from reconciler.model import Ref
from reconciler.plan import Plan
from reconciler.registry import BY_NAME


def carry_out(cloud: Cloud, plan: Plan, *, checked: bool) -> None:
    """Apply *plan* with live progress, *checked* for permissions first; the recap is the one Ansible users know."""
    outcomes: dict[Ref, Outcome] = {}
    try:
        with _stoppable(cloud), watching() as watcher:
            may = partial(lacking.refuse_if_lacking, cloud) if checked else _whatever
            apply(cloud, plan, BY_NAME, watcher, outcomes, may)
    finally:
        done = sum(outcome.status is Status.DONE for outcome in outcomes.values())
        failed = sum(outcome.status is Status.FAILED for outcome in outcomes.values())
        ok = plan.count(Action.KEEP) + done
        left = len(plan.wanted) - done - failed
        click.echo(f"{plan.deployment} : ok={ok} changed={done} failed={failed} skipped={left}", err=True)


def _whatever(changes: Collection[Change]) -> None:
    """Google decides, call by call."""


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
