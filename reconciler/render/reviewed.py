"""The way back from `render.json`: the plan that a JSON document shows, for text and markdown to show again.

Such a plan is for reading. Who can carry one out has computed it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.change import Action, Change, FieldChange
from reconciler.model import Desired, Observed, Origin, Pending, Ref, Value
from reconciler.plan import Plan
from reconciler.render.json import ACTIONS, document

ACTION_OF = {tuple(words): action for action, words in ACTIONS.items()}
NOWHERE = Ref("", "")
FINGERPRINT = "fingerprint"


def plan_of(shown: Mapping[str, Any]) -> Plan:
    """The plan that *shown*, a document of `render.json`, was made of. Raises ValueError where there is none.

    What is asked for and read beyond what the document shows is not in it, so its fingerprints differ.
    """
    try:
        plan = _plan(shown)
        again = document(plan)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError("it is not in the shape of a plan") from error
    # Whatever is missing, too much, of another type or at odds with the rest makes a difference here.
    if _comparable(again) != _comparable(shown):
        raise ValueError("it contradicts itself")
    return plan


def legible(plan: Plan) -> Plan:
    """*plan* with every sentence and name on one line, and nothing in it that a terminal would obey."""
    return Plan(
        _line(plan.deployment),
        _line(plan.project),
        _line(plan.spec),
        _line(plan.url),
        tuple(_legible(change) for change in plan.changes),
        tuple(_line(note) for note in plan.notes),
        _line(plan.endpoint),
        tuple(_line(obstacle) for obstacle in plan.obstacles),
    )


def _plan(shown: Mapping[str, Any]) -> Plan:
    words = [_word(shown[key]) for key in ("deployment", "project", "spec", "url")]
    notes = tuple(_word(note) for note in shown["notes"])
    obstacles = tuple(_word(obstacle) for obstacle in shown["obstacles"])
    changes = tuple(_change(change) for change in shown["resource_changes"])
    return Plan(*words, changes=changes, notes=notes, obstacles=obstacles)


def _change(shown: Mapping[str, Any]) -> Change:
    ref = Ref(_word(shown["type"]), _word(shown["name"]))
    what = shown["change"]
    action = ACTION_OF[tuple(what["actions"])]
    fields = tuple(_field(field, what) for field in what["fields"])
    own = {
        f.field: f.origin for f, told in zip(fields, what["fields"], strict=True) if told["asked_by_itself"]
    }
    origins = {"": _origin(shown["origin"]), **own}
    before: Any = what["before"]
    wanted: dict[str, Value] = {**dict(before or {}), **{field.field: field.new for field in fields}}
    body = None if action is Action.DELETE or (action is Action.KEEP and not wanted) else wanted
    return Change(
        ref,
        action,
        fields,
        Desired(ref, body, origins={key: origin for key, origin in origins.items() if origin}),
        None if before is None else Observed(ref, dict(before)),
        _word(shown["action_reason"] or ""),
        _word(shown["blocked"] or ""),
    )


def _field(shown: Mapping[str, Any], what: Mapping[str, Any]) -> FieldChange:
    path, new = _word(shown["path"]), shown["new"]
    pending = path in what["after_unknown"]
    return FieldChange(
        path,
        shown["old"],
        Pending(NOWHERE, "", reason=_word(new)[1:-1]) if pending else new,
        _origin(shown["origin"]),
        _word(shown["effect"] or ""),
        [path] in what["replace_paths"],
        grave=shown["severity"] is not None,
    )


def _origin(shown: Mapping[str, Any] | None) -> Origin | None:
    if shown is None:
        return None
    line: Any = shown["line"]
    if type(line) is not int:
        raise TypeError
    return Origin(_word(shown["file"]), line, _word(shown["key"]))


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _comparable(shown: Mapping[str, Any]) -> str:
    changes = [
        {key: value for key, value in change.items() if key != FINGERPRINT}
        for change in shown["resource_changes"]
    ]
    whole = {key: value for key, value in shown.items() if key != FINGERPRINT}
    return json.dumps({**whole, "resource_changes": changes}, sort_keys=True)


def _legible(change: Change) -> Change:
    ref = Ref(_line(change.ref.kind), _line(change.ref.name))
    wanted = change.desired or Desired(ref, None)
    origins = {_line(key): _readable(origin) for key, origin in wanted.origins.items()}
    return Change(
        ref,
        change.action,
        tuple(
            FieldChange(
                _line(f.field),
                f.old,
                f.new,
                _readable(f.origin) if f.origin else None,
                _line(f.effect),
                f.forces_replacement,
                f.grave,
            )
            for f in change.fields
        ),
        Desired(ref, wanted.body, origins=origins),
        change.observed,
        _line(change.reason),
        _line(change.blocked),
    )


def _readable(origin: Origin) -> Origin:
    return Origin(_line(origin.file), origin.line, _line(origin.key))


def _line(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]
