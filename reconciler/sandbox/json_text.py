"""JSON that came in from outside, as strictly as Google's servers take it: what cannot be stored or sent is refused."""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn, cast

DEEPEST: Final = 100
"""Levels of nesting, as in Google's own JSON parsers."""


def parsed(raw: bytes | str) -> Any:
    """The value of *raw*. Raises ValueError, with the reason, for what is no JSON or too much of it."""
    try:
        value: Any = json.loads(raw, parse_constant=_constant, parse_float=_float)
    except RecursionError as error:
        raise ValueError(f"It is nested more than {DEEPEST} levels deep.") from error
    _hold_to_depth(value)
    # Half a surrogate pair is a character to JSON and none to UTF-8; encoding it raises a ValueError.
    json.dumps(value, ensure_ascii=False).encode()
    return value


def _constant(word: str) -> NoReturn:
    raise ValueError(f"Unexpected token: {word}.")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"Number too large: {text[:40]}.")
    return number


def _hold_to_depth(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += cast("dict[str, Any]", one).values()
            elif isinstance(one, list):
                inner += cast("list[Any]", one)
        if not inner:
            return
        level = inner
    raise ValueError(f"It is nested more than {DEEPEST} levels deep.")
