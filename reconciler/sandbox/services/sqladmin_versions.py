"""Database versions: which engine each belongs to, what Cloud SQL installs for it, and where it can be upgraded to.

Cloud SQL installs the newest minor version it has, so these facts have dates: a sandbox answers as Cloud SQL did on the
day that its clock shows. PostgreSQL's and MySQL's minor versions are those of Google's page "Database versions and
version policies" at that time; maintenance versions are recorded ones, and where none was recorded the other versions'.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError

POSTGRES: Final = "POSTGRES"
MYSQL: Final = "MYSQL"
SQLSERVER: Final = "SQLSERVER"
_VERSION: Final = re.compile(r"(POSTGRES|MYSQL|SQLSERVER)_(\d+(?:_\d+)*)(?:_([A-Z]+))?")

# (from this day on, what new instances get), the newest first; "" is any other version.
_Dated = Sequence[tuple[str, dict[str, str]]]
_MINORS: Final[_Dated] = (
    ("2026-01-01", {
        "POSTGRES_18": "1", "POSTGRES_17": "7", "POSTGRES_16": "11", "POSTGRES_15": "15", "POSTGRES_14": "20",
        "POSTGRES_13": "23", "POSTGRES_12": "22", "MYSQL_8_4": "7", "MYSQL_8_0": "41",
        "SQLSERVER_2022": "CU19_GDR",
    }),
    ("2025-08-15", {"SQLSERVER_2022": "CU19"}),
    ("2025-01-01", {
        "POSTGRES_17": "5", "POSTGRES_16": "9", "POSTGRES_15": "13", "POSTGRES_14": "18", "POSTGRES_13": "21",
        "POSTGRES_12": "22", "MYSQL_8_4": "4", "MYSQL_8_0": "40", "SQLSERVER_2022": "CU12_GDR",
    }),
    ("", {
        "POSTGRES_17": "0", "POSTGRES_16": "3", "POSTGRES_15": "7", "POSTGRES_14": "12", "POSTGRES_13": "15",
        "POSTGRES_12": "19", "POSTGRES_11": "22", "POSTGRES_10": "23", "POSTGRES_9_6": "24", "MYSQL_8_4": "0",
        "MYSQL_8_0": "31", "MYSQL_5_7": "44", "MYSQL_5_6": "51", "SQLSERVER_2017": "CU31_GDR",
        "SQLSERVER_2019": "CU26", "SQLSERVER_2022": "CU12_GDR",
    }),
)  # fmt: skip
_MAINTENANCE: Final[_Dated] = (
    ("2026-01-01", {
        "POSTGRES": "R20260108.01_01", "MYSQL": "R20251004.01_07", "MYSQL_8_4": "R20251004.01_24",
        "MYSQL_5_7": "R20250531.01_15", "SQLSERVER": "R20251019.02_03",
    }),
    ("2025-08-15", {"POSTGRES": "R20250727.00_23", "SQLSERVER": "R20250727.00_07"}),
    ("2025-01-01", {
        "POSTGRES": "R20250302.00_31", "MYSQL": "R20250304.00_03", "MYSQL_5_7": "R20250531.01_15",
        "SQLSERVER": "R20240501.00_08",
    }),
    ("", {
        "POSTGRES": "R20240514.00_12", "POSTGRES_16": "R20240527.01_12", "MYSQL": "R20240527.01_12",
        "SQLSERVER": "R20240501.00_08",
    }),
)  # fmt: skip
_NEWEST: Final = (("2026-01-01", 18), ("2025-01-01", 17), ("", 16))
"""The newest PostgreSQL that an instance can be upgraded to."""
_MYSQL_8_0: Final = (18, *range(26, 38), *range(39, 43))
"""The minor versions of MySQL 8.0 that Cloud SQL has; 8.0.39 and newer since 2025."""
_EDITIONS: Final = {"STANDARD": 2, "ENTERPRISE": 3, "EXPRESS": 0, "WEB": 1}
"""SQL Server's editions in Google's order, each with its rank: an upgrade never goes down."""
_SQL_SERVERS: Final = ("2017", "2019", "2022")


def engine(version: str) -> str:
    """POSTGRES, MYSQL or SQLSERVER; raises ApiError 400 for a version that is none of these."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ApiError(400, f"Invalid request: Invalid database version ({version}).", reason="invalid")
    return match.group(1)


def postgres_major(version: str) -> int:
    """POSTGRES_16 is 16, POSTGRES_9_6 is 9."""
    return int(version.split("_")[1])


def rank(version: str) -> tuple[str, tuple[int, ...], int]:
    """An order of the versions of one engine, in which upgrades go up; a minor version is newer than its major."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return ("", (), 0)
    numbers = tuple(int(part) for part in match.group(2).split("_"))
    return match.group(1), numbers, _EDITIONS.get(match.group(3) or "", 0)


def installed(version: str, on: str) -> str:
    """What Cloud SQL installs for a new instance: POSTGRES_16_11 for POSTGRES_16. *on* is a day, "2026-01-31"."""
    major = "_".join(version.split("_")[:2]) if version.startswith(SQLSERVER) else version
    minor = _dated(_MINORS, (major,), on)
    return f"{version}_{minor}" if minor else version


def maintenance(version: str, on: str) -> str:
    """The maintenance version of an instance that gets its *version* on that day."""
    return f"{installed(version, on)}.{_dated(_MAINTENANCE, (version, engine(version)), on)}"


def upgradable(version: str, now_installed: str, on: str) -> list[dict[str, Any]]:
    """Where an instance can be upgraded to, as `upgradableDatabaseVersions` shows it."""
    names = {POSTGRES: _postgres_upgrades, MYSQL: _mysql_upgrades, SQLSERVER: _sqlserver_upgrades}
    return [
        {"displayName": display, "majorVersion": major, "name": name}
        for major, name, display in names[engine(version)](version, now_installed, on)
    ]


_Upgrade = tuple[str, str, str]
"""majorVersion, name, displayName."""


def _postgres_upgrades(version: str, _installed: str, on: str) -> Iterator[_Upgrade]:
    newest = next(major for since, major in _NEWEST if since <= on)
    for major in range(postgres_major(version) + 1, newest + 1):
        yield f"POSTGRES_{major}", f"POSTGRES_{major}", f"PostgreSQL {major}"


def _mysql_upgrades(_version: str, now_installed: str, on: str) -> Iterator[_Upgrade]:
    numbers = rank(now_installed)[1]
    recent = on >= "2025-01-01"
    if numbers[:2] == (5, 6):
        yield "MYSQL_5_7", "MYSQL_5_7", "MySQL 5.7"
    if numbers[:2] == (5, 7):
        yield "MYSQL_8_0", "MYSQL_8_0", "MySQL 8.0"
    if numbers[:2] in ((5, 7), (8, 0)):
        # Recorded: 8.0.31 of 2024 can only go up; 8.0.40 of 2025 is offered every other minor version from 35 on.
        offered = [minor for minor in _MYSQL_8_0 if recent or minor <= 37]
        if numbers[:2] == (8, 0):
            now = numbers[2] if len(numbers) > 2 else 0
            offered = [minor for minor in offered if minor != now and minor > (34 if recent else now)]
        for minor in offered:
            yield "MYSQL_8_0", f"MYSQL_8_0_{minor}", f"MySQL 8.0.{minor}"
    if numbers[:2] == (8, 0) and recent:
        yield "MYSQL_8_4", "MYSQL_8_4", "MySQL 8.4"


def _sqlserver_upgrades(version: str, _installed: str, _on: str) -> Iterator[_Upgrade]:
    _, own_year, own_edition = version.split("_")[:3]
    for year in (year for year in _SQL_SERVERS if year >= own_year):
        for edition, place in _EDITIONS.items():
            if place > _EDITIONS[own_edition] or (year > own_year and place == _EDITIONS[own_edition]):
                name = f"SQLSERVER_{year}_{edition}"
                yield name, name, f"SQL Server {year} {edition.title()}"


def _dated(table: _Dated, names: Sequence[str], on: str) -> str:
    for since, known in table:
        for name in names:
            if since <= on and name in known:
                return known[name]
    return ""
