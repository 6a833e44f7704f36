"""Cron's five fields, as far as a spec needs them: whether they can be read, and whether that day ever comes."""

from __future__ import annotations

import re
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final[tuple[tuple[str, int, int, tuple[str, ...]], ...]] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART: Final = re.compile(r"(\*|[a-z]{3}|\d{1,2})(?:-([a-z]{3}|\d{1,2}))?(?:/(\d{1,3}))?")
_LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def objection(schedule: str) -> str:
    """Why *schedule* (`0 3 * * 0`) is no schedule, "" where it is one."""
    texts = schedule.split()
    if len(texts) != len(_FIELDS):
        return f"has {len(texts)} fields instead of five: minute, hour, day, month, day of the week"
    found: list[frozenset[int]] = []
    for text, (name, least, most, words) in zip(texts, _FIELDS, strict=True):
        values = _values(text.lower(), least, most, words)
        if not values:
            return f"has {text} for the {name}, which goes from {least} to {most}"
        found.append(values)
    _, _, days, months, _ = found
    if texts[4] == "*" and all(min(days) > _LONGEST[month - 1] for month in months):
        return "names a day that its months do not have"
    return ""


def _values(text: str, least: int, most: int, words: tuple[str, ...]) -> frozenset[int]:
    """The numbers that a field means; none where it cannot be read."""
    values: set[int] = set()
    for part in text.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            return frozenset()
        first, last, step = found[1], found[2], int(found[3] or 1)
        low = least if first == "*" else _number(first, least, words)
        high = most if first == "*" or (found[3] and not last) else _number(last or first, least, words)
        if step == 0 or (first == "*" and last) or not least <= low <= high <= most:
            return frozenset()
        values |= set(range(low, high + 1, step))
    return frozenset(values)


def _number(text: str, least: int, words: tuple[str, ...]) -> int:
    """A number or a name as a number; -1 for what is neither."""
    if text.isdigit():
        return int(text)
    return words.index(text) + least if text in words else -1
