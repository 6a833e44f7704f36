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
_LOGIN = re.compile(
    r"(://[^\s\"]*|:[^\s/@\"]+)@(?!sha256:)|\b(basic|bearer)\s"
    r"|(pass|passwd|password|passphrase|pwd|secret|token|sig|signature|key)[\"']?\s*[=:]",
    re.IGNORECASE,
)
"""A password in a URL, in a connection string, in a header."""


def hidden(desired: Desired, observed: Observed) -> frozenset[str]:
    """The fields whose values are not shown, because somebody else put them where a secret may be.

    That is what we do not know under a section that is all ours; what is private, or ought to come from Secret Manager,
    and is not as wanted; and whatever has a login in it. A reference to a secret is none.
    """
    wanted = desired.body or {}
    return frozenset(
        field
        for field, value in observed.body.items()
        if value and not is_reference(value) and _is_private(desired, field, value, wanted.get(field))
    )


def masked(observed: Observed, fields: frozenset[str]) -> Observed:
    """*observed* with a sentence in place of the values of *fields*."""
    if not fields:
        return observed
    body = {field: FOREIGN if field in fields else value for field, value in observed.body.items()}
    return replace(observed, body=body)


def is_reference(value: Value) -> bool:
    """Whether *value* names a version of a secret: that is shown, and is none."""
    return isinstance(value, str) and bool(_REFERENCE.fullmatch(value))


def has_login(text: str) -> bool:
    """Whether a password may stand in *text*, by how passwords are written into settings."""
    return bool(_LOGIN.search(text))


def _is_private(desired: Desired, field: str, value: Json, wanted: Value) -> bool:
    if value == wanted or field.startswith(desired.plain or ("\0",)):
        return False
    if wanted is None and field.startswith(desired.complete or ("\0",)):
        return True
    pending = isinstance(wanted, Pending) and wanted.ref.kind == "secretmanager.version"
    private = pending or is_reference(wanted) or field.startswith(desired.private or ("\0",))
    return private or has_login(json.dumps(value))
