"""Our own answers, held against Google's documents: a sandbox that answers what Google would not is of no use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from reconciler.sandbox.errors import RPC_NUMBER
from reconciler.sandbox.web import validation
from reconciler.sandbox.web.discovery import Described
from reconciler.sandbox.world import Answer

_ENVELOPE: Final = frozenset({"code", "message", "status", "details", "errors"})
"""The fields of `error`: those of google.rpc.Status, with `errors` of the classic APIs."""
_ENTRY: Final = frozenset({"message", "domain", "reason"})


def misfit(method: Described | None, status: int, body: Mapping[str, Any]) -> list[str]:
    """What Google would not answer so; [] where all is well."""
    if status >= 400:
        return _error(status, body)
    return validation.check_answer(method, body) if method is not None and status < 300 else []


def fault(what: str) -> Answer:
    """The answer where the sandbox itself is wrong."""
    text = f"A fault of the sandbox, not of your request: {what}. Its log has the details."
    return Answer(500, {"error": {"code": 500, "message": text, "status": "INTERNAL"}})


def _error(status: int, body: Mapping[str, Any]) -> list[str]:
    if body.get("kind") == "Status":
        return []  # Cloud Run's Knative face answers as Kubernetes does
    error = cast("dict[str, Any] | None", body.get("error"))
    if error is None:
        return [f"an error without `error`: {sorted(body)}"] if body else []
    wrong = [f"error.{name} is none of Google's" for name in sorted(set(error) - _ENVELOPE)]
    if error.get("code") != status or not isinstance(error.get("message"), str):
        wrong.append(f"error.code and error.message do not fit a {status}")
    if "status" in error and error["status"] not in RPC_NUMBER:
        wrong.append(f"error.status is no status: {error['status']}")
    wrong += [f"error.details has no @type: {one}" for one in error.get("details", ()) if "@type" not in one]
    entries = cast("list[dict[str, Any]]", error.get("errors", []))
    return wrong + [f"error.errors lacks a field: {one}" for one in entries if not set(one) >= _ENTRY]
