"""What makes the things ours that have the deployment's names and are not. Pure: from one plan to another."""

from __future__ import annotations

from dataclasses import replace

from reconciler.change import Action, Change
from reconciler.diff import adopted
from reconciler.plan import Plan
from reconciler.server.naming import MANAGED_BY

LATER = "Nothing else of them is touched; what else the spec asks of them is in the plan afterwards."


def adoption(plan: Plan) -> Plan:
    """Of *plan*, the part that adopts: one update for each thing that is not ours, of nothing but what marks it.

    What can never become what the spec wants is blocked, and with it all of them.
    """
    changes = tuple(_adopted(change) for change in plan.changes if _foreign(change))
    return replace(plan, changes=changes, notes=(LATER,) if changes else ())


def closing(plan: Plan) -> str:
    """What adoption *plan* comes to, in one line."""
    if not plan.changes:
        return (
            f"Nothing to adopt: what has a name of {plan.deployment}'s carries its label, or does not exist."
        )
    refused = sum(bool(change.blocked) for change in plan.changes)
    told = f", {refused} of them refused" if refused else ""
    return f"Adoption: {plan.count(Action.UPDATE)} to adopt{told}."


def _foreign(change: Change) -> bool:
    desired, observed = change.desired, change.observed
    return desired is not None and desired.wanted and observed is not None and not desired.owns(observed)


def _adopted(change: Change) -> Change:
    desired, observed = change.desired, change.observed
    if desired is None or observed is None or desired.mark is None:
        return change
    section = desired.mark[0].rpartition(".")[0]
    return adopted(desired, observed, {desired.mark[0], f"{section}.{MANAGED_BY[0]}"})
