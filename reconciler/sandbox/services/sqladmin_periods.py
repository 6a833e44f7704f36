"""Deny maintenance periods: days in which Cloud SQL leaves an instance alone, once or every year."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from reconciler.sandbox.errors import ApiError

_LONGEST: Final = 90
_DAY: Final = re.compile(r"(?:(\d{4})-)?(\d{2})-(\d{2})")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d")
_LEAP: Final = 2024
"""A year in which every day of every year exists."""


def check(period: Mapping[str, Any]) -> None:
    """Raise ApiError 400 where the days are none, or the period is longer than Cloud SQL allows."""
    first, last = str(period.get("startDate", "")), str(period.get("endDate", ""))
    start, end = _day(first), _day(last)
    if start is None or end is None or len(first) != len(last):
        text = f"Invalid deny maintenance period ({first} to {last}): dates are yyyy-mm-dd, or both mm-dd."
        raise _invalid(text)
    if not _TIME.fullmatch(str(period.get("time", ""))):
        raise _invalid(
            f"Invalid deny maintenance period time ({period.get('time', '')}): HH:mm:SS is expected."
        )
    if end < start and len(first) == len("mm-dd"):
        end = end.replace(year=end.year + 1, day=min(end.day, 28) if end.month == 2 else end.day)
    if not 0 < (end - start).days <= _LONGEST:
        raise _invalid(f"The deny maintenance period must be between 1 and {_LONGEST} days long.")


def _day(text: str) -> date | None:
    match = _DAY.fullmatch(text)
    if match is None:
        return None
    year, month, day = match.groups()
    try:
        return date(int(year or _LEAP), int(month), int(day))
    except ValueError:
        return None


def _invalid(text: str) -> ApiError:
    return ApiError(400, f"Invalid request: {text}", reason="invalid")
