"""Cloud Storage's preconditions: what must hold of a bucket, an object or a folder before it is touched.

What was measured of the real service: a condition comes before every other check of what a write does, and
if…NotMatch with the current value is a 304 without a body, for writes as for reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.sandbox.errors import ApiError


class Unchanged(Exception):
    """The resource is still what the caller knows: the answer is a 304."""


def hold(body: Mapping[str, Any], params: Mapping[str, Any], what: str = "metageneration") -> None:
    """Raise ApiError 412 where if…Match does not hold, and Unchanged where if…NotMatch does not.

    *what* is "metageneration" or "generation"; a resource that is not there has neither, which counts as 0.
    """
    name = what[:1].upper() + what[1:]
    actual = str(body.get(what, "0"))
    if f"if{name}Match" in params and params[f"if{name}Match"] != actual:
        raise failed()
    if params.get(f"if{name}NotMatch") == actual:
        raise Unchanged if body else failed()


def hold_of_object(body: Mapping[str, Any] | None, params: Mapping[str, Any]) -> None:
    """The same for both numbers of an object; None has generation 0, so that 0 means "only if there is none"."""
    hold(body or {}, params, "generation")
    hold(body or {}, params)


def of_source(params: Mapping[str, Any]) -> dict[str, Any]:
    """The ifSource… parameters under the names of the plain ones."""
    return {
        f"if{key.removeprefix('ifSource')}": value
        for key, value in params.items()
        if key.startswith("ifSource")
    }


def failed() -> ApiError:
    """Google's 412."""
    text = "At least one of the pre-conditions you specified did not hold."
    return ApiError(412, text, reason="conditionNotMet", location=("If-Match", "header"))
