"""What others set where a secret may be: it is compared, and shown nowhere. Pure.

A plan, its JSON, its sealed file and every log are made of what `diff` returns, so that is where values are left out.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from reconciler.model import Desired, Json, Observed, Pending, Value

FOREIGN = "(somebody else's, not shown: it may be a secret)"
_REFERENCE = re.compile(r"projects/[^/]+/secrets/[^/]+/versions/[^/]+")
_LOGIN = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
"""A password in a URL."""


def hidden(desired: Desired, observed: Observed) -> frozenset[str]:
    """The fields whose values are not shown, because somebody else put them where a secret may be.

    That is what we do not know under a section that is all ours; what is private, or ought to come from Secret Manager,
    and is not as wanted; and whatever has a login in it. A reference to a secret is none.
    """
    wanted = desired.body or {}
    return frozenset(
        field
        for field, value in observed.body.items()
        if value and not _told_anyway(value) and _is_private(desired, field, value, wanted.get(field))
    )


def masked(observed: Observed, fields: frozenset[str]) -> Observed:
    """*observed* with a sentence in place of the values of *fields*."""
    if not fields:
        return observed
    body = {field: FOREIGN if field in fields else value for field, value in observed.body.items()}
    return replace(observed, body=body)


def _told_anyway(value: Json) -> bool:
    return isinstance(value, str) and bool(_REFERENCE.fullmatch(value))


def _is_private(desired: Desired, field: str, value: Json, wanted: Value) -> bool:
    if value == wanted or field.startswith(desired.plain or ("\0",)):
        return False
    if wanted is None and field.startswith(desired.complete or ("\0",)):
        return True
    kept = (isinstance(wanted, Pending) and wanted.ref.kind == "secretmanager.version") or (
        isinstance(wanted, str) and bool(_REFERENCE.fullmatch(wanted))
    )
    return kept or field.startswith(desired.private or ("\0",)) or bool(_LOGIN.search(json.dumps(value)))
