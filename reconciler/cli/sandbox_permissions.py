"""What the sandbox asked of IAM, for a person, a program or a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

Asked = Mapping[str, Any]


def shown(asked: Sequence[Asked], style: str) -> str:
    """*asked* as "text", "json" or "markdown": by member, each permission with what it was asked on."""
    if style == "json":
        return json.dumps(list(asked), indent=2)
    if not asked:
        return "Nothing was asked yet."
    ordered = sorted(asked, key=lambda one: (one["member"], one["permission"], one["resource"]))
    lines: list[str] = []
    for member, questions in groupby(ordered, key=lambda one: str(one["member"])):
        lines += ["", f"### {member}", ""] if style == "markdown" else [member]
        lines += [_line(one, style) for one in questions]
    return "\n".join(lines).strip()


def _line(one: Asked, style: str) -> str:
    refused = "" if one["granted"] else "  (refused)"
    if style == "markdown":
        return f"- `{one['permission']}` on `{one['resource']}`{refused}"
    return f"  {one['permission']}  on {one['resource']}{refused}"
