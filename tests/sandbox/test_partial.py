"""The `fields` parameter."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.web.partial import parse, select

ANSWER = {
    "items": [{"name": "a", "size": "1", "owner": {"id": 1, "mail": "m"}}],
    "prefixes": ["p/"],
    "etag": "e",
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("etag", {"etag": "e"}),
        ("prefixes,items/name,items/size", {"prefixes": ["p/"], "items": [{"name": "a", "size": "1"}]}),
        ("items(name,owner/id)", {"items": [{"name": "a", "owner": {"id": 1}}]}),
        ("items(owner)", {"items": [{"owner": {"id": 1, "mail": "m"}}]}),
        ("items,items/name", {"items": ANSWER["items"]}),
        ("*", ANSWER),
        ("nothing", {}),
    ],
)
def test_only_what_was_asked_for_is_answered(fields: str, expected: dict[str, Any]) -> None:
    """Each form that gcloud and the Python clients use."""
    assert select(parse(fields), ANSWER) == expected


@pytest.mark.parametrize("fields", ["", "items(", "items)", "a,,b", "/a"])
def test_a_malformed_selection_is_a_400(fields: str) -> None:
    """It is refused, not ignored."""
    with pytest.raises(ApiError, match="Invalid field selection"):
        parse(fields)
