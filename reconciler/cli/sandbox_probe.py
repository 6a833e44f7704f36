"""What uptime checks found and what alert policies see, for a person, a program or a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Seen = Mapping[str, Any]


def shown(found: Mapping[str, Any], style: str) -> str:
    """*found* ({checks, alerts}) as "text", "json" or "markdown"."""
    if style == "json":
        return json.dumps(found, indent=2)
    lines = [*(_check(one) for one in found["checks"]), *(_alert(one) for one in found["alerts"])]
    if not lines:
        return "Nothing is watched: there are no uptime checks and no alert policies."
    return "\n".join(f"- {line}" for line in lines) if style == "markdown" else "\n".join(lines)


def _check(one: Seen) -> str:
    said = f"passed in {one['seconds']:.1f} s" if one["passed"] else f"FAILED: {one['reason']}"
    return f"{one['displayName']}: {said}  ({one['url']})"


def _alert(one: Seen) -> str:
    value = "nothing measured" if one["value"] is None else f"{one['value']:g}"
    text = f"{one['displayName']}: {value}, threshold {one['threshold']:g}"
    if not one["above"]:
        return text
    people = ", ".join(one["tells"]) or "nobody"
    return f"{text}  ABOVE: after {one['lasting']} of that, {people} would be told"
