"""The one thing that is meant, or the question which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler import errors


def only(found: list[Any], noun: str, option: Callable[[Any], str], way_out: str) -> Any:
    """The one that there is; raises `NotThere` where there is none, and where there are several."""
    if len(found) == 1:
        return found[0]
    if not found:
        raise errors.NotThere(f"there is no {noun}", way_out=way_out)
    listed = "\n".join(f"- {option(one)}" for one in found)
    raise errors.NotThere(f"there is more than one {noun}; say which:\n{listed}", way_out=way_out)
