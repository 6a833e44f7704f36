"""The difference between desired and observed, one change per resource. Pure; knows nothing of Google Cloud."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TypeVar

from reconciler.change import Action, Change, FieldChange
from reconciler.masking import FOREIGN, hidden, is_reference, masked
from reconciler.model import ANYTHING_ELSE, Desired, Json, Observed, Origin, Pending, Ref, Value

KEPT_DATA = "left in place: it holds data"
TAKEN_OVER = "exists already and does not carry our label: this takes it over"
LOST = "deleted for good, with all the data in it"
KEPT_SHARED = "left in place: others may use it"
Told = TypeVar("Told")


def resolve(desired: Desired, observed: Mapping[Ref, Observed]) -> Desired:
    """*desired* with every pending value filled in that can be known by now."""
    if desired.body is None or not any(isinstance(value, Pending) for value in desired.body.values()):
        return desired
    return replace(desired, body={field: _known(value, observed) for field, value in desired.body.items()})


def _known(value: Value, observed: Mapping[Ref, Observed]) -> Value:
    if not isinstance(value, Pending):
        return value
    source = observed.get(value.ref)
    found = source.body.get(value.field) if source else None
    return value if found is None else value.template.format(found)


def diff(
    desired: Desired, observed: Observed | None, *, delete_data: bool = False, spec: str = "SPEC"
) -> Change:
    """What is to be done about one resource. *desired* is resolved as far as it can be.

    *spec* is how the user calls the spec: a refusal names the command that leads on. What others set where a secret
    may be is nowhere in it.
    """
    change = _diff(desired, observed, delete_data=delete_data, spec=spec)
    if observed is None:
        return change
    return replace(change, observed=masked(observed, hidden(desired, observed)))


def _diff(desired: Desired, observed: Observed | None, *, delete_data: bool, spec: str) -> Change:
    if desired.body is None:
        return _absent(desired, observed, delete_data=delete_data)
    if observed is None:
        return _create(desired)
    fields = _differences(desired, observed)
    foreign = not desired.owns(observed)
    if foreign and not desired.permanent:
        blocked = _not_ours(desired, observed, fields, spec)
        return Change(desired.ref, Action.UPDATE, fields, desired, observed, blocked=blocked, foreign=True)
    if not fields and observed.busy:
        return Change(
            desired.ref, Action.UPDATE, (), desired, observed, f"waits for what is going on: {observed.busy}"
        )
    beyond = _beyond(desired, observed)
    if not fields:
        reason = observed.note or beyond
        return Change(desired.ref, Action.KEEP, desired=desired, observed=observed, reason=reason)
    if desired.given:
        return Change(
            desired.ref, Action.UPDATE, fields, desired, observed, blocked=_not_given(desired, observed)
        )
    if not any(field.forces_replacement for field in fields):
        reason = TAKEN_OVER if foreign else beyond
        blocked = "; ".join(filter(None, (_fall(desired, fields), _moved(desired, fields))))
        return Change(desired.ref, Action.UPDATE, fields, desired, observed, reason, blocked)
    return _replace(desired, observed, fields)


def _absent(desired: Desired, observed: Observed | None, *, delete_data: bool) -> Change:
    if observed is None:
        return Change(desired.ref, Action.KEEP, desired=desired)
    if desired.permanent or not desired.owns(observed):
        kept = desired.stays_because if desired.permanent else ""
        return Change(
            desired.ref, Action.KEEP, desired=desired, observed=observed, reason=kept or KEPT_SHARED
        )
    if desired.holds_data and not delete_data:
        return Change(desired.ref, Action.KEEP, desired=desired, observed=observed, reason=KEPT_DATA)
    blocked = (
        f"{desired.ref.address} is protected: its {desired.guard} is on"
        if observed.body.get(desired.guard)
        else ""
    )
    reason = "; ".join(filter(None, (LOST if desired.holds_data else "no longer wanted", observed.leaves)))
    return Change(desired.ref, Action.DELETE, (), desired, observed, reason, blocked)


def _not_ours(desired: Desired, observed: Observed, fields: tuple[FieldChange, ...], spec: str) -> str:
    """The guard's sentence about a thing that has a name of ours and does not carry our mark."""
    told = f"{desired.ref.address} exists and is not ours: {_whose(desired, observed)}"
    if unfit := _unfit(desired, fields):
        return f"{told}; it cannot be adopted as it is: {unfit}"
    return f"{told}; to take it over: mlflow-reconcile adopt {shlex.quote(spec)}"


def _whose(desired: Desired, observed: Observed) -> str:
    field, value = desired.mark or ("", "")
    found = observed.body.get(field)
    if not found:
        return f"it does not carry {field} = {value}, or somebody has taken that off it"
    if "." in field:
        return f"its {field} says that it is {found}'s, and adopting takes it from there"
    return f"its {field} is {found!r}, not {value!r}"


def _unfit(desired: Desired, fields: tuple[FieldChange, ...]) -> str:
    """Why what is there can never become what is wanted, and what to do; "" where it can."""
    falling = [f for f in fields if f.field in desired.only_up and not f.forces_replacement and not _rises(f)]
    stiff = [f for f in fields if f.forces_replacement or _moves(desired, f)]
    unfit = [f for f in fields if f in stiff or f in falling]
    told = [_falls(f) if f in falling else f"{f.field} cannot change, {f.old} -> {f.new}" for f in unfit]
    lines = sorted({str(f.origin) for f in unfit if f.origin and f.origin.line})
    where = f" ({', '.join(lines)})" if lines else ""
    return f"{'; '.join(told)}. Let the spec say what it is{where}, or choose another name" if told else ""


def adopted(desired: Desired, observed: Observed, keys: Collection[str]) -> Change:
    """What makes a thing ours that is not: the fields in *keys* and no others; blocked where it can never be fit."""
    fields = _differences(desired, observed)
    unfit = _unfit(desired, fields)
    chosen = {field: value for field, value in (desired.body or {}).items() if field in keys}
    return Change(
        desired.ref,
        Action.UPDATE,
        tuple(field for field in fields if field.field in keys),
        replace(desired, body=chosen, needs=(), complete=(), watched=(), mark=None),
        observed,
        _whose(desired, observed),
        f"{desired.ref.address} cannot be adopted as it is: {unfit}" if unfit else "",
        foreign=True,
    )


def _beyond(desired: Desired, observed: Observed) -> str:
    """What others have granted, where the spec does not say that nobody else may: for the reader to know."""
    fields = sorted(f for f in observed.body if f.startswith(desired.watched or ("\0",)))
    others = [field for field in fields if field not in (desired.body or {})]
    return f"granted by others, and left to them: {', '.join(others)}" if others else ""


def _fall(desired: Desired, fields: tuple[FieldChange, ...]) -> str:
    """The guard's sentence where a number would go down that can only go up."""
    falling = [f for f in fields if f.field in desired.only_up and not _rises(f)]
    return "; ".join(f"{desired.ref.address}: {_falls(f)}{_stuck(desired, f)}" for f in falling)


def _moved(desired: Desired, fields: tuple[FieldChange, ...]) -> str:
    """The guard's sentence where what is there would lose sight of its data."""
    return "; ".join(
        f"{desired.ref.address}: {f.field} cannot become another, {f.old} -> {f.new}; {desired.anchors[f.field]}"
        for f in fields
        if _moves(desired, f)
    )


def _moves(desired: Desired, field: FieldChange) -> bool:
    if field.field not in desired.anchors or not (field.old and field.new):
        return False
    if isinstance(field.old, list) and isinstance(field.new, list):
        return not set(_words(field.new)) <= set(_words(field.old))  # others beside it are no other place
    return not is_reference(field.old)


def _falls(field: FieldChange) -> str:
    verb = "go down" if _rank(field.old)[0] == _rank(field.new)[0] else "become something else"
    return f"{field.field} cannot {verb}, {field.old} -> {field.new}"


def _stuck(desired: Desired, field: FieldChange) -> str:
    sentence = desired.stuck.get(field.field)
    return f"; {sentence}" if sentence else ""


def _rises(field: FieldChange) -> bool:
    (kind, old), (wanted, new) = _rank(field.old), _rank(field.new)
    return field.old is None or (kind == wanted and new >= old)


def _rank(value: Value) -> tuple[str, tuple[int, ...]]:
    """The word and the numbers of a version: `POSTGRES_9_6` is older than `POSTGRES_16`."""
    text = str(value)
    return re.split(r"\d", text, maxsplit=1)[0], tuple(int(number) for number in re.findall(r"\d+", text))


def _create(desired: Desired) -> Change:
    body = desired.body or {}
    if desired.empties and all(value is None for value in body.values()):
        return Change(desired.ref, Action.KEEP, desired=desired)
    fields = tuple(
        FieldChange(field, None, value, _origin(desired, field))
        for field, value in body.items()
        if value is not None
    )
    blocked = desired.somebody_elses or _not_given(desired, None)
    return Change(desired.ref, Action.CREATE, fields, desired, blocked=blocked)


def _not_given(desired: Desired, observed: Observed | None) -> str:
    """The sentence of what must exist and does not, or is not as it must be; "" while nobody can tell yet."""
    if not desired.given or (observed is not None and observed.busy):
        return ""
    state = "does not exist" if observed is None else "is not as it must be"
    return f"{desired.ref.name} {state}: {desired.given}"


def _replace(desired: Desired, observed: Observed, fields: tuple[FieldChange, ...]) -> Change:
    forced = ", ".join(field.field for field in fields if field.forces_replacement)
    reason = f"{forced} cannot change on a live resource"
    blocked = ""
    if desired.holds_data or desired.permanent or desired.empties:
        why = "holds data" if desired.holds_data else "may be in use"
        blocked = f"{desired.ref.address} {why} and would have to be replaced, because {reason}"
    elif stuck := next((f for f in fields if f.field in desired.stuck and f.old is not None), None):
        blocked = f"{desired.ref.address} would have to be replaced, because {reason}{_stuck(desired, stuck)}"
    return Change(desired.ref, Action.REPLACE, fields, desired, observed, reason, blocked)


def _differences(desired: Desired, observed: Observed) -> tuple[FieldChange, ...]:
    wanted = dict(desired.body or {})
    foreign = {f for f in observed.body if f not in wanted and f.startswith(desired.complete or ("\0",))}
    unshown = hidden(desired, observed)
    wanted |= dict.fromkeys(sorted(foreign))
    return tuple(
        FieldChange(
            field,
            FOREIGN if field in unshown else observed.body.get(field),
            value,
            _origin(desired, field),
            _effect(desired, observed, field),
            field in desired.fixed,
            _grave(desired, field, observed.body.get(field)),
        )
        for field, value in wanted.items()
        if not _same(value, observed.body.get(field), floor=field in desired.floors)
    )


def _effect(desired: Desired, observed: Observed, field: str) -> str:
    unset = field in desired.leaving and observed.body.get(field) is None
    return _of_section(desired.effects, field.rpartition(".")[0] if unset else field) or ""


def _grave(desired: Desired, field: str, found: Json) -> bool:
    bad = desired.grave.get(field, frozenset())
    alive = _words(found)
    if bad is ANYTHING_ELSE:
        return not alive <= _words((desired.body or {}).get(field))
    return not bad.isdisjoint(alive)


def _words(value: Value) -> set[str]:
    """The values of a list, or the one there is, each as a word."""
    values = value if isinstance(value, list | tuple) else [value]
    return {one if isinstance(one, str) else json.dumps(one, sort_keys=True, default=str) for one in values}


def _same(wanted: Value, found: Value, *, floor: bool) -> bool:
    if floor and isinstance(wanted, int) and isinstance(found, int):
        return found >= wanted
    return wanted == found


def _origin(desired: Desired, field: str) -> Origin | None:
    return _of_section(desired.origins, field) or desired.origins.get("")


def _of_section(told: Mapping[str, Told], field: str) -> Told | None:
    """What is told of *field*, or of the innermost section around it."""
    while field and field not in told:
        field = field.rpartition(".")[0]
    return told.get(field) if field else None
