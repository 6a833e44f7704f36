"""The globs of Cloud Storage's matchGlob: `*` within a folder, `**` across folders, `?`, `[a-z]`, `{one,other}`.

Written from "List objects: using matchGlob" of its documentation.
"""

from __future__ import annotations

import re

from reconciler.sandbox.storage.bucket_settings import invalid


def compiled(glob: str) -> re.Pattern[str]:
    """The names that *glob* matches; raises ApiError 400 where it is malformed."""
    parts: list[str] = []
    depth, at = 0, 0
    while at < len(glob):
        sign = glob[at]
        if glob.startswith("**/", at):
            parts.append("(?:.*/)?")
            at += 2
        elif glob.startswith("**", at):
            parts.append(".*")
            at += 1
        elif sign == "[":
            end = _end_of_class(glob, at)
            parts.append(_class(glob[at + 1 : end]))
            at = end
        elif sign == "\\" and at + 1 < len(glob):
            parts.append(re.escape(glob[at + 1]))
            at += 1
        else:
            depth += {"{": 1, "}": -1}.get(sign, 0)
            parts.append(_plain(sign, inside=depth > 0))
        if depth < 0:
            break
        at += 1
    if depth:
        raise invalid(f"Invalid glob: {glob}")
    return re.compile("".join(parts), re.DOTALL)


def _plain(sign: str, *, inside: bool) -> str:
    if sign == "," and inside:
        return "|"
    return {"*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")"}.get(sign, re.escape(sign))


def _end_of_class(glob: str, start: int) -> int:
    end = glob.find("]", start + 2)
    if end < 0:
        raise invalid(f"Invalid glob: {glob}")
    return end


def _class(inner: str) -> str:
    negated = inner[:1] in ("!", "^")
    body = inner[1:] if negated else inner
    escaped = re.sub(r"([\\\]\[^])", r"\\\1", body)
    return f"(?!/)[{'^' if negated else ''}{escaped}]"
