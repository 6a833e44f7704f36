"""A JSON file that somebody else may have written: read in bounded time and memory, and in one meaning only."""

from __future__ import annotations

import json
import math
import os
import stat
from typing import Any, NoReturn, cast

DEEPEST = 40
"""Levels of nesting; a plan has some eight."""
MOST_VALUES = 500_000
"""Commas and brackets, which bound the number of values and with it the memory they take."""
DIGITS = 40
"""Of a whole number; Google's largest have twenty."""


def read(path: str, largest: int) -> Any:
    """What the file at *path* holds. Raises ValueError, with the reason, for what is no file or no proper JSON."""
    data = _bytes(path, largest)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start}") from error
    if sum(text.count(sign) for sign in ",[{") > MOST_VALUES:
        raise ValueError(f"it holds more than {MOST_VALUES} values")
    try:
        value: Any = json.loads(
            text, object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float, parse_int=_int
        )
    except RecursionError as error:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from error
    _hold_to_depth(value)
    return value


def _bytes(path: str, largest: int) -> bytes:
    try:
        # A pipe that nobody writes to would be waited for without end.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise ValueError("it is not a file")
    with os.fdopen(number, "rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(f"it is too large: more than {largest >> 20} MiB")
    return data


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it holds one key twice")
    return found


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("it holds a number without end")
    return number


def _int(text: str) -> int:
    if len(text) > DIGITS:
        raise ValueError(f"it holds a number of {len(text)} digits")
    return int(text)


def _hold_to_depth(value: Any) -> None:
    """Raise ValueError below DEEPEST, level by level: what recursed would fail where it should judge."""
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
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")
