"""Values, fields and counts in the words that text and markdown share."""

from __future__ import annotations

import json
from typing import Any

from reconciler.change import Action, Change, FieldChange
from reconciler.model import Pending
from reconciler.plan import Plan

SIGNS = {Action.KEEP: " ", Action.CREATE: "+", Action.UPDATE: "~", Action.REPLACE: "-/+", Action.DELETE: "-"}


def shown(value: Any) -> str:
    """*value* as a reader meets it: words for what is not set or not known yet, JSON for what has structure."""
    if value is None:
        return "(not set)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | Pending):
        return str(value) or '""'
    return json.dumps(value, separators=(", ", ": "), sort_keys=True)


def arrow(field: FieldChange) -> str:
    """`old -> new`; a grant, which is either there or not, in one word."""
    if field.new == "granted" or field.old == "granted":
        return "granted" if field.new == "granted" else "taken away"
    return f"{shown(field.old)} -> {shown(field.new)}"


def worth_showing(change: Change) -> tuple[tuple[FieldChange, ...], int]:
    """The fields to print and how many are left out: of a creation, what a spec line asks for; of the rest, all."""
    if change.action is not Action.CREATE:
        return change.fields, 0
    asked = (
        tuple(f for f in change.fields if f.origin and f.origin.line and f.new != "granted")
        or change.fields[:2]
    )
    grants = tuple(f for f in change.fields if f.new == "granted")
    chosen = grants or asked
    return chosen, len(change.fields) - len(chosen)


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
