"""Schedules as Cloud Scheduler reads them: the five fields of unix-cron, in a time zone.

"Cron job format and time zone": fields with lists, ranges and steps, names of months and days; a day is meant when
either its number or its weekday fits where both are given. The older English-like format is not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_BOUNDS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NAMES: Final[dict[str, int]] = {
    **{name: at for at, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))},
    **{
        name: at + 1
        for at, name in enumerate(
            ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
        )
    },
}
_PART: Final = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?")
_YEARS: Final = 9
"""The longest wait for a day that comes: 29 February, across a century's end."""


@dataclass(frozen=True)
class Schedule:
    """A schedule that can be read. Raises ValueError where it cannot."""

    text: str
    zone: str

    def __post_init__(self) -> None:
        """Read it once, to see whether it can be."""
        self.after(datetime.now(UTC))

    def after(self, moment: datetime) -> datetime:
        """The first time after *moment*, in UTC."""
        minutes, hours, days, months, weekdays = self._fields()
        zone = _zone(self.zone)
        local = moment.astimezone(zone).replace(second=0, microsecond=0, tzinfo=None)
        date, last = local.date(), local.date() + timedelta(days=366 * _YEARS)
        while date <= last:
            if date.month in months and self._meant(date.day, date.isoweekday() % 7, days, weekdays):
                for hour in sorted(hours):
                    for minute in sorted(minutes):
                        found = datetime(
                            date.year, date.month, date.day, hour, minute, tzinfo=zone
                        ).astimezone(UTC)
                        if found > moment:
                            return found
            date += timedelta(days=1)
        raise ValueError(f"{self.text} never comes")

    def _meant(self, day: int, weekday: int, days: frozenset[int], weekdays: frozenset[int]) -> bool:
        given = self.text.split()
        if given[2] != "*" and given[4] != "*":
            return day in days or weekday in weekdays
        return day in days and weekday in weekdays

    def _fields(self) -> list[frozenset[int]]:
        texts = self.text.lower().split()
        if len(texts) != len(_BOUNDS):
            raise ValueError(f"{self.text} has {len(texts)} fields")
        found = [_field(text, *bounds) for text, bounds in zip(texts, _BOUNDS, strict=True)]
        return [*found[:4], frozenset(day % 7 for day in found[4])]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo("Etc/UTC" if name.lower() == "utc" else name)
    except (OSError, LookupError) as error:
        raise ValueError(f"{name} is not a time zone") from error


def _field(text: str, least: int, most: int) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            raise ValueError(part)
        everything, first, last, step = found.groups()
        low = least if everything else _number(first)
        high = most if everything or (step and not last) else _number(last or first)
        chosen = range(low, high + 1, int(step or 1))  # a step of 0 is a ValueError of range's own
        if not least <= low <= high <= most:
            raise ValueError(part)
        values |= set(chosen)
    return frozenset(values)


def _number(text: str) -> int:
    return _NAMES[text] if text in _NAMES else int(text)
