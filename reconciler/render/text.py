"""A plan for a terminal: signs, `old -> new`, the spec line that asks for it, effects, one summary line."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.change import Action, Change, FieldChange
from reconciler.plan import Plan
from reconciler.render.values import SIGNS, arrow, shown, summary, told_of, told_of_all, worth_showing

COLOURS = {Action.CREATE: "32", Action.UPDATE: "33", Action.REPLACE: "31", Action.DELETE: "31"}

GRAVE = "!! HIGH severity: what was found opens this to strangers, or loses data"


def render(plan: Plan, closing: str = "", *, colour: bool = False) -> str:
    """The whole plan, with *closing* as its last line in place of the summary.

    ANSI colours only where the caller knows that it goes to a terminal.
    """
    lines = [f"{plan.deployment} in project {plan.project}", ""]
    for change in plan.changes:
        lines += _change(change, colour=colour)
    lines += [f"  {note}" for note in plan.notes]
    lines += [f"  x refused: {obstacle}" for obstacle in plan.obstacles]
    if lines[-1]:
        lines.append("")
    lines.append(closing or summary(plan))
    return "\n".join(lines) + "\n"


def _change(change: Change, *, colour: bool) -> Iterator[str]:
    if change.action is Action.KEEP:
        if change.reason:
            yield f"    {change.ref.address}: {change.reason}"
            yield ""
        return
    head = f"  {SIGNS[change.action]} {change.ref.address}"
    yield (_coloured(head, change.action) if colour else head) + told_of_all(change)
    fields, hidden = worth_showing(change)
    for field in fields:
        yield f"      {_field(change, field)}"
        if field.grave:
            yield f"      {_coloured(GRAVE, Action.REPLACE) if colour else GRAVE}"
    if hidden:
        yield f"      and {hidden} more, derived or by default (--format json shows them)"
    for sentence in (
        *change.effects,
        *filter(None, (change.reason,)),
    ):
        yield f"      ! {sentence}"
    if change.blocked:
        yield f"      x refused: {change.blocked}"
    yield ""


def _field(change: Change, field: FieldChange) -> str:
    value = shown(field.new) if change.action is Action.CREATE and field.new != "granted" else arrow(field)
    forces = "  (forces replacement)" if field.forces_replacement else ""
    return f"{field.field}: {value}{forces}{told_of(change, field)}"


def _coloured(text: str, action: Action) -> str:
    return f"\033[{COLOURS[action]}m{text}\033[0m"
