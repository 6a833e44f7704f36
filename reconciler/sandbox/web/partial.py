"""Partial answers: the `fields` parameter, as in "items(name,size),nextPageToken" or "bindings,etag"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from reconciler.sandbox.errors import ApiError

Mask = dict[str, Any]
"""Field name (or "*") -> the mask below it; {} means everything below."""


def parse(text: str) -> Mask:
    """The mask that *text* writes; raises ApiError 400 where it is malformed."""
    mask, rest = _several(text.replace(" ", ""))
    if rest:
        raise ApiError(400, f"Invalid field selection {text}", reason="invalidParameter")
    return mask


def select(mask: Mask, value: Any) -> Any:
    """*value* cut down to what *mask* names."""
    if not mask:
        return value
    if isinstance(value, list):
        return [select(mask, item) for item in cast("list[Any]", value)]
    if not isinstance(value, Mapping):
        return value
    chosen: dict[str, Any] = {}
    for name, inner in cast("Mapping[str, Any]", value).items():
        below = mask.get(name, mask.get("*"))
        if below is not None:
            chosen[name] = select(below, inner)
    return chosen


def _several(text: str) -> tuple[Mask, str]:
    mask: Mask = {}
    while True:
        text = _one(text, mask)
        if not text.startswith(","):
            return mask, text
        text = text[1:]


def _one(text: str, mask: Mask) -> str:
    end = next((at for at, sign in enumerate(text) if sign in ",()/."), len(text))
    name, rest = text[:end], text[end:]
    if not name:
        raise ApiError(400, f"Invalid field selection {text}", reason="invalidParameter")
    fresh = name not in mask
    below: Mask = mask.setdefault(name, {})
    if rest.startswith("("):
        inner, rest = _several(rest[1:])
        if not rest.startswith(")"):
            raise ApiError(400, f"Invalid field selection {text}", reason="invalidParameter")
        _merge(below, inner, fresh=fresh)
        return rest[1:]
    if rest.startswith(("/", ".")):
        deeper: Mask = {}
        rest = _one(rest[1:], deeper)
        _merge(below, deeper, fresh=fresh)
        return rest
    below.clear()
    return rest


def _merge(into: Mask, new: Mask, *, fresh: bool) -> None:
    # A name that stood there alone already asks for everything below it.
    if into or fresh:
        for name, below in new.items():
            into.setdefault(name, {}).update(below)
