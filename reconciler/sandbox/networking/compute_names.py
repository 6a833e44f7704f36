"""How Compute Engine writes things: links, numbers, times, fingerprints."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

ROOT: Final = "https://www.googleapis.com/compute"
_LINK: Final = re.compile(r"^https?://[^/]+/(?:compute/)?(?:v1|beta|alpha)/")
_HOST: Final = re.compile(r"^https?://")
STANDARD, SUMMER = timezone(timedelta(hours=-8)), timezone(timedelta(hours=-7))


def link(name: str, version: str = "v1") -> str:
    """The full URL of "projects/p/global/networks/n"."""
    return f"{ROOT}/{version}/{name}"


def relative(text: str) -> str:
    """What is below the version in a full or partial URL: "projects/…", "global/networks/n", or a bare name.

    "" for a URL of something else.
    """
    name = _LINK.sub("", text)
    return "" if _HOST.match(name) else name.removeprefix("/")


def number() -> str:
    """A new identifier of a resource or an operation: up to 19 digits, drawn at random, as uint64 in a string."""
    return str(10**17 + secrets.randbelow(9 * 10**18))


def fingerprint(*parts: Any) -> str:
    """The version of what *parts* hold, as Compute writes it: 8 bytes in base64 for URLs ("42WmSpB8rSM=")."""
    text = json.dumps(parts, sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def local_time(moment: datetime) -> str:
    """Compute Engine's clock stands in California: "2026-01-31T02:00:00.123-08:00"."""
    moment = moment.astimezone(UTC)
    zone = SUMMER if _begin_of_summer(moment.year) <= moment < _end_of_summer(moment.year) else STANDARD
    return moment.astimezone(zone).isoformat(timespec="milliseconds")


def _begin_of_summer(year: int) -> datetime:
    return _sunday(year, 3, 8).replace(hour=10)


def _end_of_summer(year: int) -> datetime:
    return _sunday(year, 11, 1).replace(hour=9)


def _sunday(year: int, month: int, day: int) -> datetime:
    """The first Sunday from that day on: the United States' rule since 2007, without asking for a time zone file."""
    start = datetime(year, month, day, tzinfo=UTC)
    return start + timedelta(days=(6 - start.weekday()) % 7)


def in_version(answer: Mapping[str, Any], version: str) -> dict[str, Any]:
    """*answer*, whose links are of v1, with the links of *version*."""
    text = json.dumps(answer)
    return json.loads(text if version == "v1" else text.replace(f"{ROOT}/v1/", f"{ROOT}/{version}/"))
