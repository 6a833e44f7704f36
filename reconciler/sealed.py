"""A plan in a file: what was reviewed, bound to what it was computed from, and refused when that has moved.

The file holds the plan as JSON (no secret is ever in one), the spec's own bytes as a hash, and a hash over itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from reconciler import errors
from reconciler.plan import Plan
from reconciler.render.json import document
from reconciler.spec.load import files_of

KIND = "mlflow-reconcile/sealed-plan"
LIMIT = 32 * 1024 * 1024
"""Bytes; a plan of a hundred resources is some 200 KB."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a plan file says: the *spec* that it was made from, that spec's hash, and the plan's *fingerprint*."""

    spec: str
    spec_hash: str
    fingerprint: str


def save(plan: Plan, path: str) -> None:
    """Write *plan* to *path*, whole or not at all, readable by its owner only."""
    body = {"kind": KIND, "spec": plan.spec, "spec_hash": _file_hash(plan.spec), "plan": document(plan)}
    text = json.dumps({**body, "seal": _seal(body)}, indent=1)
    target = Path(path).resolve()
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
            return KIND.encode() in file.read(200)
    except OSError:
        return False


def read(path: str) -> Sealed:
    """The sealed plan in *path*. Raises `PlanStale` for a file that is damaged or no plan of ours."""
    way_out = "Make a new one: mlflow-reconcile plan SPEC --out FILE."
    try:
        if Path(path).stat().st_size > LIMIT:
            raise errors.PlanStale(f"{path} is too large for a sealed plan", way_out=way_out)
        parsed: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise errors.PlanStale(
            f"{path} is no sealed plan, or not all of one: {error}", way_out=way_out
        ) from error
    if not isinstance(parsed, dict) or cast("dict[str, Any]", parsed).get("kind") != KIND:
        raise errors.PlanStale(f"{path} is no sealed plan of mlflow-reconcile", way_out=way_out)
    body = cast("dict[str, Any]", parsed)
    seal = body.pop("seal", "")
    if seal != _seal(body):
        raise errors.PlanStale(f"{path} was changed after it was sealed", way_out=way_out)
    return Sealed(str(body["spec"]), str(body["spec_hash"]), str(body["plan"]["fingerprint"]))


def refuse_if_stale(sealed: Sealed, plan: Plan) -> None:
    """Raise `PlanStale` unless *plan*, computed just now, is the one that was sealed."""
    if sealed.spec_hash != _file_hash(sealed.spec):
        raise errors.PlanStale(
            f"{sealed.spec} has changed since the plan was made", way_out="Plan again and have that reviewed."
        )
    if sealed.fingerprint != plan.fingerprint:
        raise errors.PlanStale(
            "something in Google Cloud has changed since the plan was made, and nothing was written",
            way_out="Plan again and have that reviewed.",
        )


def _file_hash(path: str) -> str:
    """Of the spec and the bases that it extends."""
    return hashlib.sha256(b"\0".join(Path(file).read_bytes() for file in files_of(path))).hexdigest()


def _seal(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
