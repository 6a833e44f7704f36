"""Conditions of IAM bindings: asked about a resource and the moment of the request.

    resource.name.startsWith("projects/_/buckets/b/objects/x") && request.time < timestamp("2030-01-01T00:00:00Z")

An expression that cannot be evaluated grants nothing, as one that fails grants nothing at Google.
Source: "Attribute reference for IAM Conditions" of Google's IAM documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from reconciler.sandbox.iam import cel

MODIFIED: Final = "iam.googleapis.com/modifiedGrantsByRole"
"""The attribute of a setIamPolicy request: the roles of which it changes who has them."""


@dataclass(frozen=True)
class Asked:
    """What an expression may ask about: a resource, and the moment of the request."""

    name: str
    """In the form that conditions know: "projects/_/buckets/b"."""
    type: str
    service: str
    time: datetime
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the request says of itself: "iam.googleapis.com/modifiedGrantsByRole"."""


def holds(expression: str, asked: Asked) -> bool:
    """Whether the condition lets the request through; False for what cannot be evaluated."""
    names = {
        "resource": {"name": asked.name, "type": asked.type, "service": asked.service},
        "request": {"time": asked.time},
        "api": cel.Attributes(asked.attributes),
    }
    try:
        return cel.evaluate(expression, names) is True
    except cel.Unreadable:
        return False
