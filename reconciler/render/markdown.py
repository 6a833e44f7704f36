"""A plan as one pull request comment: what matters first, at most 100 columns, nothing that matters hidden."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from reconciler.change import Action, Change, FieldChange
from reconciler.plan import Plan
from reconciler.reasons import why
from reconciler.render.values import SIGNS, arrow, own_origin, shown, summary, worth_showing

MARKER = "<!-- mlflow-reconcile plan -->"
"""A workflow finds the comment to update by this line."""
WIDTH = 96
HEADINGS = (
    (Action.REPLACE, "Replaced"),
    (Action.DELETE, "Deleted"),
    (Action.UPDATE, "Updated"),
    (Action.CREATE, "Created"),
)


def render(plan: Plan, headline: str = "") -> str:
    """The summary (or *headline*), what deserves attention, then every change grouped by what is done."""
    lines = [
        MARKER,
        f"### `{plan.deployment}` in `{plan.project}`",
        "",
        f"**{headline or summary(plan)}**",
        "",
    ]
    lines += _attention(plan)
    for action, heading in HEADINGS:
        chosen = [change for change in plan.changes if change.action is action]
        if chosen:
            lines += [f"#### {heading}", "", "```diff"]
            for change in chosen:
                lines += _change(change)
            lines += ["```", ""]
    kept = [c for c in plan.changes if c.action is Action.KEEP and c.reason]
    for change in kept:
        lines += _prose(f"- `{change.ref.address}`: {change.reason}")
    for note in plan.notes:
        lines += _prose(f"> {note}", below="> ")
    return "\n".join(lines).rstrip() + "\n"


def _attention(plan: Plan) -> Iterator[str]:
    """Guards and effects, each once, with the resources they concern, above everything that may be skimmed."""
    for obstacle in plan.obstacles:
        yield from _prose(f"- :no_entry: **refused**: {obstacle}")
    for change in plan.changes:
        if change.blocked:
            yield from _prose(f"- :no_entry: **refused**: {change.blocked}")
        for field in change.fields:
            if field.grave:
                found = f"`{change.ref.address}` {field.field}: {shown(field.old)}"
                yield from _prose(
                    f"- :rotating_light: **high severity**, open to strangers or losing data: {found}"
                )
    effects: dict[str, list[str]] = {}
    for change in plan.wanted:
        for effect in change.effects:
            effects.setdefault(effect, []).append(change.ref.address)
    for effect, addresses in effects.items():
        yield from _prose(f"- :warning: {effect} ({', '.join(f'`{address}`' for address in addresses)})")
    if effects or plan.obstacles or any(change.blocked or change.grave for change in plan.changes):
        yield ""


def _change(change: Change) -> Iterator[str]:
    """Lines that GitHub colours as a diff: the sign must stand in the first column."""
    sign = {"~": "!", "-/+": "-"}.get(SIGNS[change.action], SIGNS[change.action])
    origin = change.desired.origins.get("") if change.desired else None
    where = (
        f"   # {origin.file}:{origin.line}"
        if origin and origin.line and change.action is Action.CREATE
        else ""
    )
    yield from _wrapped(f"{sign} {change.ref.address}{where}")
    fields, hidden = worth_showing(change)
    for field in fields:
        yield from _wrapped(f"    {_field(change, field)}")
    if hidden:
        yield f"    and {hidden} more, derived or by default"


def _field(change: Change, field: FieldChange) -> str:
    value = shown(field.new) if change.action is Action.CREATE and field.new != "granted" else arrow(field)
    origin = own_origin(change, field)
    reason = why(change.ref, field.field) if change.action is not Action.CREATE else ""
    where = f"   # {origin.file}:{origin.line}" if origin else f"   # {reason}" if reason else ""
    forces = "   (forces replacement)" if field.forces_replacement else ""
    return f"{field.field}: {value}{forces}{where}"


def _prose(line: str, *, below: str = "  ") -> list[str]:
    """Long sentences go on below, as part of the same list item or quotation."""
    return textwrap.wrap(line, WIDTH, subsequent_indent=below, break_long_words=False, break_on_hyphens=False)


def _wrapped(line: str) -> Iterator[str]:
    """Long lines go on below, indented: a comment in a diff block is not wrapped by the page."""
    while len(line) > WIDTH:
        cut = line.rfind(" ", 8, WIDTH)
        cut = cut if cut > 8 else WIDTH
        yield line[:cut]
        line = "        " + line[cut:].lstrip()
    yield line
