"""Pages of a list: opaque tokens that carry on after the last name, whatever changes in between."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.sandbox.errors import ApiError


def page(
    items: Sequence[tuple[str, Any]],
    params: Mapping[str, Any],
    *,
    default: int,
    most: int,
    size: str = "pageSize",
) -> tuple[list[Any], str]:
    """(this page's values, next page's token or "") of *items*, which are (name, value) in order of name.

    *size* is the parameter that holds the wished number; 0 means *default*; more than *most* is cut. Raises ApiError
    400 for a negative size or a token that is not ours.
    """
    wished = int(params.get(size, 0))
    if wished < 0:
        raise ApiError(400, "The page size must not be negative.")
    count = min(wished or default, most)
    after = _after(str(params.get("pageToken", "")))
    rest = [item for item in items if item[0] > after] if after else list(items)
    token = ""
    if len(rest) > count:
        token = base64.urlsafe_b64encode(rest[count - 1][0].encode()).decode()
    return [value for _, value in rest[:count]], token


def listed(
    key: str,
    items: Sequence[tuple[str, Any]],
    params: Mapping[str, Any],
    *,
    default: int,
    most: int,
    size: str = "pageSize",
) -> dict[str, Any]:
    """The answer of a list method: {key: values, nextPageToken}; both left out where empty, as Google does."""
    values, token = page(items, params, default=default, most=most, size=size)
    return {**({key: values} if values else {}), **({"nextPageToken": token} if token else {})}


def _after(token: str) -> str:
    if not token:
        return ""
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError as error:
        raise ApiError(400, "The page token is invalid.") from error
