"""Values, fields and counts in the words that text and markdown share."""

from __future__ import annotations

import json
from typing import Any

from reconciler.change import Action, Change, FieldChange
from reconciler.model import Origin, Pending
from reconciler.plan import Plan
from reconciler.reasons import purpose, why

SIGNS = {Action.KEEP: " ", Action.CREATE: "+", Action.UPDATE: "~", Action.REPLACE: "-/+", Action.DELETE: "-"}


def shown(value: Any) -> str:
    """*value* as a reader meets it: words for what is not set or not known yet, JSON for what has structure."""
    if value is None:
        return "(not set)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | Pending):
        text = str(value)
        return text if text.isprintable() and text else json.dumps(text)
    return json.dumps(value, separators=(", ", ": "), sort_keys=True)


def severity(grave: bool) -> str | None:
    """`high` where what was found opens the deployment to strangers, None of everything else."""
    return "high" if grave else None


def grave_fields(plan: Plan) -> int:
    """How many differences are of high severity."""
    return sum(field.grave for change in plan.changes for field in change.fields)


def arrow(field: FieldChange) -> str:
    """`old -> new`; a grant, which is either there or not, in one word."""
    if field.new == "granted" or field.old == "granted":
        return "granted" if field.new == "granted" else "taken away"
    return f"{shown(field.old)} -> {shown(field.new)}"


def worth_showing(change: Change) -> tuple[tuple[FieldChange, ...], int]:
    """The fields to print and how many are left out.

    Of a creation: what a line of the spec asks for by itself, who is granted what, and what is not known yet.
    Of everything else: all.
    """
    if change.action is not Action.CREATE:
        return change.fields, 0
    chosen = tuple(
        f for f in change.fields if f.new == "granted" or own_origin(change, f) or isinstance(f.new, Pending)
    )
    return chosen, len(change.fields) - len(chosen)


def own_origin(change: Change, field: FieldChange) -> Origin | None:
    """The spec line that asks for this very field; None where only the whole resource is asked for, or by default."""
    origin = change.desired.origins.get(field.field) if change.desired else None
    return origin if origin and origin.line else None


def told_of(change: Change, field: FieldChange) -> str:
    """The spec line that asks for this very field, in brackets; of what is changed without one, the reason why."""
    if asked := own_origin(change, field):
        return f"  [{asked}]"
    reason = why(change.ref, field.field) if change.action is not Action.CREATE else ""
    return f"  # {reason}" if reason else ""


def told_of_all(change: Change) -> str:
    """The spec line that asks for the resource, in brackets; of what is made without one, what it is for."""
    if asked := whole_origin(change):
        return f"  [{asked}]"
    reason = purpose(change.ref) if change.action is Action.CREATE else ""
    return f"  # {reason}" if reason else ""


def whole_origin(change: Change) -> Origin | None:
    """The spec line that asks for the resource."""
    origin = change.desired.origins.get("") if change.desired else None
    return origin if origin and origin.line else None


def summary_of_drift(plan: Plan) -> str:
    """The one line of a drift report."""
    if not plan.wanted:
        return f"No drift: all {plan.count(Action.KEEP)} resources are as the spec wants them."
    fields = sum(len(change.fields) for change in plan.wanted if change.action is not Action.CREATE)
    missing = plan.count(Action.CREATE)
    parts = [
        *([f"{len(plan.wanted) - missing} changed ({fields} fields)"] if len(plan.wanted) > missing else []),
        *([f"{missing} missing"] if missing else []),
    ]
    urgent = f" {grave_fields(plan)} of HIGH severity." if grave_fields(plan) else ""
    blocked = any(change.blocked for change in plan.changes)
    way = "`apply` will be refused." if blocked else "`apply` puts them back."
    return f"Drift: {', '.join(parts)}, {plan.count(Action.KEEP)} as they should be.{urgent} {way}"


def summary(plan: Plan) -> str:
    """The one line that says it all."""
    if not plan.wanted:
        return f"No changes. Google Cloud matches the spec: {plan.count(Action.KEEP)} unchanged."
    replaced = plan.count(Action.REPLACE)
    extra = f"{replaced} to replace, " if replaced else ""
    return (
        f"Plan: {plan.count(Action.CREATE)} to create, {plan.count(Action.UPDATE)} to update, {extra}"
        f"{plan.count(Action.DELETE)} to delete, {plan.count(Action.KEEP)} unchanged."
    )
