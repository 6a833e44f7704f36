"""A plan in a file: what was reviewed, bound to what it was computed from, and refused when that has moved.

The file holds the plan as JSON (no secret is ever in one), the spec's own bytes as a hash, where all of it was read,
and a hash over itself. That hash shows damage, not who made the file: anybody can make one that is whole. So apply
believes no file. It computes the plan anew, and goes on only where that is word for word what the file shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from reconciler import errors, strict_json
from reconciler.plan import Plan
from reconciler.render.json import document
from reconciler.render.reviewed import legible, plan_of
from reconciler.spec.finding import UnreadableError
from reconciler.spec.load import files_of, invalid
from reconciler.spec.source import read_bytes

KIND = "mlflow-reconcile/sealed-plan"
FORMAT = 3
"""Of the file. One of another format is refused, as one can be made anew at any time."""
TEXTS = ("spec", "beside", "spec_hash", "endpoint")
KEYS = {"kind", "format", *TEXTS, "plan", "seal"}
LIMIT = 8 * 1024 * 1024
"""Bytes; a plan of a hundred resources is some 200 KB."""
SAME, CHANGED, MISSING = "same", "changed", "missing"
AGAIN = "Plan again and have that reviewed."
WAY_OUT = "Make a new one: mlflow-reconcile plan SPEC --out FILE."
BEGINNING = re.compile(rb'\s*\{\s*"kind"\s*:\s*"mlflow-reconcile/')


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a plan file says.

    *spec* is where the spec is found from here, *spec_hash* of what it was; *shown* is the plan's JSON document with
    its *fingerprint*, and *plan* the same for reading; *endpoint* is what it was read from, "" for Google Cloud.
    """

    spec: str
    spec_hash: str
    fingerprint: str
    endpoint: str
    shown: dict[str, Any]
    plan: Plan


def save(plan: Plan, path: str) -> None:
    """Write *plan* to *path*, whole or not at all, readable by its owner only."""
    target = Path(os.path.realpath(path))
    body = {
        "kind": KIND,
        "format": FORMAT,
        "spec": plan.spec,
        "beside": os.path.relpath(os.path.realpath(plan.spec), target.parent),
        "spec_hash": _file_hash(plan.spec),
        "endpoint": plan.endpoint,
        "plan": document(plan),
    }
    text = json.dumps({**body, "seal": seal_of(body)}, indent=1)
    if len(text) > LIMIT:
        raise errors.ReconcileError(
            f"the plan is {len(text) >> 20} MiB long, which is more than can be sealed"
        )
    if target.exists() and not target.is_file():
        raise errors.ReconcileError(
            f"{path} is not a file that could be replaced", way_out="Name another: --out FILE."
        )
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with open(
            draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)
        ) as out:
            out.write(text)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def is_sealed(path: str) -> bool:
    """Whether *path* is a sealed plan rather than a spec: JSON whose first key says so."""
    try:
        if not Path(path).is_file():
            return False
        with Path(path).open("rb") as file:
            return BEGINNING.match(file.read(200)) is not None
    except (OSError, ValueError):
        return False


def read(path: str) -> Sealed:
    """The sealed plan in *path*. Raises `PlanStale` for a file that is damaged or no plan of ours."""
    try:
        return _read(path)
    except ValueError as error:
        raise errors.PlanStale(
            f"{_quoted(path)} is no sealed plan, or not all of one: {error}", way_out=WAY_OUT
        ) from error


def _read(path: str) -> Sealed:
    parsed: Any = strict_json.read(path, LIMIT)
    if not isinstance(parsed, dict) or cast("dict[str, Any]", parsed).get("kind") != KIND:
        raise ValueError("it does not say that it is one")
    body = cast("dict[str, Any]", parsed)
    seal = body.pop("seal", "")
    if seal != seal_of(body):
        raise ValueError("it was changed after it was sealed")
    if type(body.get("format")) is not int or body["format"] != FORMAT:
        raise ValueError("it is of another version of mlflow-reconcile")
    if body.keys() | {"seal"} != KEYS or not all(_is_line(body[key]) for key in TEXTS):
        raise ValueError("it is not in the shape of one")
    shown, wanted = body["plan"], str(body["spec_hash"])
    fingerprint: object = (
        cast("dict[str, Any]", shown).get("fingerprint") if isinstance(shown, dict) else None
    )
    if not _is_line(fingerprint):
        raise ValueError("it holds no plan")
    plan = plan_of(cast("dict[str, Any]", shown))
    spec = _found(
        (body["spec"], os.path.normpath(Path(os.path.realpath(path)).parent / body["beside"])), wanted
    )
    return Sealed(
        spec, wanted, str(fingerprint), body["endpoint"], cast("dict[str, Any]", shown), legible(plan)
    )


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _found(places: tuple[str, str], spec_hash: str) -> str:
    """Where the spec is: as it was called if it is there from here, else where it lies seen from the plan's file.

    So a plan is good in whatever folder one stands, and in another checkout too. The first that has *spec_hash* is the
    one; without such, the first that is there.
    """
    there = [place for place in places if _is_file(place)]
    return next((place for place in there if _state(place, spec_hash) == SAME), (there or [places[0]])[0])


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def state_of_spec(sealed: Sealed) -> str:
    """Whether the spec on disk is still the one of the plan: SAME, CHANGED or MISSING."""
    return _state(sealed.spec, sealed.spec_hash)


def _state(path: str, spec_hash: str) -> str:
    try:
        return SAME if _file_hash(path) == spec_hash else CHANGED
    except errors.SpecInvalid:
        return CHANGED if _is_file(path) else MISSING


def refuse_if_stale(sealed: Sealed, plan: Plan) -> None:
    """Raise `PlanStale` unless *plan*, computed just now, is the one that was sealed, word for word."""
    if sealed.spec_hash != _file_hash(sealed.spec):
        raise errors.PlanStale(f"{sealed.spec} has changed since the plan was made", way_out=AGAIN)
    if sealed.endpoint != plan.endpoint:
        raise errors.PlanStale(
            f"the plan was made against {place(sealed.endpoint)}, and this would go to {place(plan.endpoint)}; "
            "nothing was written",
            way_out="Apply it where it was made, or plan again here.",
        )
    if sealed.fingerprint != plan.fingerprint:
        raise errors.PlanStale(
            "something in Google Cloud has changed since the plan was made, and nothing was written",
            way_out=AGAIN,
        )
    if _said(sealed.shown) != _said(document(plan)):
        raise errors.PlanStale(
            "the file shows another plan than the one it stands for, or another version of mlflow-reconcile made it; "
            "nothing was written",
            way_out=AGAIN,
        )


def place(endpoint: str) -> str:
    """Google Cloud or what stands in for it, in words."""
    return endpoint or "Google Cloud"


def _said(value: Any) -> str:
    """What a document says, but for how the spec is called from here: that is held by its hash."""
    return json.dumps(_without_paths(value), sort_keys=True)


def _without_paths(value: Any) -> Any:
    shown = json.loads(json.dumps(value))
    shown["spec"] = ""
    shown["obstacles"] = []  # whoever applies it looks for them, with eyes of their own
    for change in shown["resource_changes"]:
        change["blocked"] = bool(change["blocked"])  # its sentence may name the spec
        for told in (change, *change["change"]["fields"]):
            if told["origin"]:
                told["origin"]["file"] = ""
    return shown


def _file_hash(path: str) -> str:
    """Of the spec and the bases that it extends. Raises SpecInvalid where one cannot be read."""
    try:
        each = [hashlib.sha256(read_bytes(Path(file), file)).digest() for file in files_of(path)]
    except UnreadableError as unreadable:
        raise invalid(unreadable.findings) from unreadable
    return hashlib.sha256(b"".join(each)).hexdigest()


def seal_of(body: dict[str, Any]) -> str:
    """The hash over everything else in a plan file."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _quoted(path: str) -> str:
    return path if path.isprintable() else json.dumps(path)
