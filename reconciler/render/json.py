"""A plan as JSON, under Terraform's key names, so that tools which read the one can read the other."""

from __future__ import annotations

import json
from typing import Any

from reconciler.change import Action, Change, FieldChange
from reconciler.model import Json, Origin, Pending
from reconciler.plan import Plan, fingerprint, plain
from reconciler.reasons import purpose, why
from reconciler.render.values import own_origin, severity, summary

FORMAT_VERSION = "1.2"
ACTIONS = {
    Action.KEEP: ["no-op"],
    Action.CREATE: ["create"],
    Action.UPDATE: ["update"],
    Action.REPLACE: ["delete", "create"],
    Action.DELETE: ["delete"],
}


def render(plan: Plan) -> str:
    """The whole plan, unchanged resources included."""
    return json.dumps(document(plan), indent=2) + "\n"


def document(plan: Plan) -> dict[str, Any]:
    """The plan as a JSON object; holds no secret, as bodies never do."""
    return {
        "format_version": FORMAT_VERSION,
        "deployment": plan.deployment,
        "project": plan.project,
        "spec": plan.spec,
        "url": plan.url,
        "fingerprint": plan.fingerprint,
        "summary": summary(plan),
        "counts": {action.value: plan.count(action) for action in Action},
        "severity": severity(any(change.grave for change in plan.changes)),
        "notes": list(plan.notes),
        "obstacles": list(plan.obstacles),
        "resource_changes": [_change(change) for change in plan.changes],
    }


def _change(change: Change) -> dict[str, Any]:
    before = dict(change.observed.body) if change.observed else None
    wanted = change.desired.body if change.desired else None
    unknown = {} if wanted is None else {k: True for k, v in wanted.items() if isinstance(v, Pending)}
    return {
        "address": change.ref.address,
        "type": change.ref.kind,
        "name": change.ref.name,
        "change": {
            "actions": ACTIONS[change.action],
            "before": None if before is None else _seen(before, change),
            "after": _after(before, change),
            "after_unknown": unknown,
            "replace_paths": [[f.field] for f in change.fields if f.forces_replacement],
            "fields": [_field(change, field) for field in change.fields],
        },
        "purpose": purpose(change.ref) or None,
        "action_reason": change.reason or None,
        "blocked": change.blocked or None,
        "origin": _origin(change.desired.origins.get("") if change.desired else None),
        "effects": list(change.effects),
        "severity": severity(change.grave),
        "fingerprint": fingerprint(change),
    }


def _after(before: dict[str, Json] | None, change: Change) -> dict[str, Json] | None:
    """What will be there: what is, with every change made; what is not known yet stands in `after_unknown` alone."""
    if change.action is Action.DELETE or (change.action is Action.KEEP and before is None):
        return None
    after = _seen(before, change)
    for field in change.fields:
        after.pop(field.field, None)
        if not isinstance(field.new, Pending):
            after[field.field] = field.new
    return after


def _seen(body: dict[str, Json] | None, change: Change) -> dict[str, Json]:
    """Of what was read, the part that the spec has an opinion on: a policy holds other people's members too."""
    opinions = set(change.desired.body or {}) if change.desired else set[str]()
    opinions.update(field.field for field in change.fields)
    return {key: value for key, value in (body or {}).items() if key in opinions}


def _field(change: Change, field: FieldChange) -> dict[str, Any]:
    return {
        "path": field.field,
        "old": plain(field.old),
        "new": plain(field.new),
        "origin": _origin(field.origin),
        "asked_by_itself": own_origin(change, field) is not None,
        "why": why(change.ref, field.field) or None,
        "effect": field.effect or None,
        "severity": severity(field.grave),
    }


def _origin(origin: Origin | None) -> dict[str, Any] | None:
    return {"file": origin.file, "line": origin.line, "key": origin.key} if origin else None
