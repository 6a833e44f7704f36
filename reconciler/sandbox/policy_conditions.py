"""Conditions of IAM bindings: asked about a resource and the moment of the request.

    resource.name.startsWith("projects/_/buckets/b/objects/x") && request.time < timestamp("2030-01-01T00:00:00Z")

An expression that cannot be evaluated grants nothing, as one that fails grants nothing at Google.
Source: "Attribute reference for IAM Conditions" of Google's IAM documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.sandbox import cel


@dataclass(frozen=True)
class Asked:
    """What an expression may ask about: a resource, and the moment of the request."""

    name: str
    """In the form that conditions know: "projects/_/buckets/b"."""
    type: str
    service: str
    time: datetime


def holds(expression: str, asked: Asked) -> bool:
    """Whether the condition lets the request through; False for what cannot be evaluated."""
    resource = {"name": asked.name, "type": asked.type, "service": asked.service}
    try:
        return cel.evaluate(expression, {"resource": resource, "request": {"time": asked.time}}) is True
    except cel.Unreadable:
        return False
