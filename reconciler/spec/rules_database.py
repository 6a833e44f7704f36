"""Rules about Cloud SQL: what its tiers, editions, backups and flags allow, and the socket's path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

from reconciler.server.naming import USER_DATABASES, names_of
from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Problem
from reconciler.spec.ways import Way, cheapest, with_database

SHARED_CORE = ("db-f1-micro", "db-g1-small")
PERF_OPTIMIZED_CPUS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 128)

MEGABYTES_STEP = 256
LEAST_MEGABYTES = 3840
MEGABYTES_PER_CPU = (922, 6656)
"""0.9 to 6.5 GB for each vCPU."""
MOST_CPUS = 96

LEAST_WHOLE = "db-custom-2-7680"
LEAST_PLUS = "db-perf-optimized-N-2"
"""The smallest tier to propose in place of one of the other edition."""
MOST_LOG_DAYS = 7
"""Of edition enterprise."""
MOST_DENIED_DAYS = 90
LEAST_CONNECTIONS = 14
MOST_CONNECTIONS = 262143

OTHERS_DATABASES = ("template0", "template1", "cloudsqladmin")
OTHERS_USERS = ("cloudsql", "pg_")

LONGEST_SOCKET = 107
"""Bytes of a Unix socket's path on Linux, without its closing zero."""


def tier_fits_edition(deployment: Deployment) -> Iterator[Problem]:
    """Each edition has its own tiers."""
    tier, edition = deployment.database.tier, deployment.database.edition
    keys = ("database.tier", "database.edition")
    perf = tier.startswith("db-perf-optimized-")
    if edition == "enterprise-plus" and not perf:
        ways = (
            Way("database.edition: enterprise", with_database(deployment, edition="enterprise")),
            Way(f"database.tier: {LEAST_PLUS}", with_database(deployment, tier=LEAST_PLUS)),
        )
        yield Problem(keys, f"{tier} is not a tier of edition enterprise-plus", cheapest(deployment, ways))
    if edition == "enterprise" and perf:
        ways = (
            Way(f"database.tier: {LEAST_WHOLE}", with_database(deployment, tier=LEAST_WHOLE)),
            Way("database.edition: enterprise-plus", with_database(deployment, edition="enterprise-plus")),
        )
        yield Problem(keys, f"{tier} is not a tier of edition enterprise", cheapest(deployment, ways))
    if perf and (cpus := int(tier.rpartition("-")[2])) not in PERF_OPTIMIZED_CPUS:
        near = min(PERF_OPTIMIZED_CPUS, key=lambda known: abs(known - cpus))
        message = (
            f"{tier} does not exist: {', '.join(map(str, PERF_OPTIMIZED_CPUS))} are the numbers of vCPUs"
        )
        yield Problem(("database.tier",), message, (f"did you mean db-perf-optimized-N-{near}?",))


def custom_tier_adds_up(deployment: Deployment) -> Iterator[Problem]:
    """A custom tier has 1 or an even number of vCPUs, and memory in steps and within bounds."""
    tier = deployment.database.tier
    if not tier.startswith("db-custom-"):
        return
    cpus, megabytes = (int(part) for part in tier.split("-")[2:])
    valid_cpus = min(MOST_CPUS, cpus if cpus == 1 else cpus + cpus % 2)
    low, high = (bound * valid_cpus for bound in MEGABYTES_PER_CPU)
    least = max(LEAST_MEGABYTES, -(-low // MEGABYTES_STEP) * MEGABYTES_STEP)
    most = high // MEGABYTES_STEP * MEGABYTES_STEP
    rounded = -(-megabytes // MEGABYTES_STEP) * MEGABYTES_STEP
    valid = f"db-custom-{valid_cpus}-{min(max(rounded, least), most)}"
    if valid == tier:
        return
    reasons: list[str] = []
    if valid_cpus != cpus:
        reasons.append(f"vCPUs are 1 or an even number up to {MOST_CPUS}")
    if rounded != megabytes:
        reasons.append(f"memory is a multiple of {MEGABYTES_STEP} MB")
    if not least <= megabytes <= most:
        reasons.append(f"{valid_cpus} vCPU take {least} to {most} MB")
    yield Problem(
        ("database.tier",), f"{tier} does not exist: {'; '.join(reasons)}", (f"did you mean {valid}?",)
    )


def second_machine_has_a_log(deployment: Deployment) -> Iterator[Problem]:
    """A second machine is made from backups and the log of changes."""
    database, backups = deployment.database, deployment.database.backups
    if database.availability == "regional" and not (backups.enabled and backups.point_in_time_recovery):
        recoverable = replace(backups, enabled=True, point_in_time_recovery=True)
        ways = (
            Way("database.availability: zonal", with_database(deployment, availability="zonal")),
            Way(
                "database.backups: {enabled: true, point_in_time_recovery: true}",
                with_database(deployment, backups=recoverable),
            ),
        )
        message = "regional needs backups with point-in-time recovery: the second machine is made from them"
        keys = (
            "database.availability",
            "database.backups.enabled",
            "database.backups.point_in_time_recovery",
        )
        yield Problem(keys, message, cheapest(deployment, ways))


def log_has_a_backup(deployment: Deployment) -> Iterator[Problem]:
    """The log of changes is played on top of a backup."""
    database, backups = deployment.database, deployment.database.backups
    if backups.point_in_time_recovery and not backups.enabled and database.availability == "zonal":
        ways = (
            Way(
                "database.backups.point_in_time_recovery: false",
                with_database(deployment, backups=replace(backups, point_in_time_recovery=False)),
            ),
            Way(
                "database.backups.enabled: true",
                with_database(deployment, backups=replace(backups, enabled=True)),
            ),
        )
        message = "true needs daily backups: the log of changes is played on top of one"
        keys = ("database.backups.point_in_time_recovery", "database.backups.enabled")
        yield Problem(keys, message, cheapest(deployment, ways))


def log_is_kept_as_long_as_allowed(deployment: Deployment) -> Iterator[Problem]:
    """Each edition keeps the log for so many days at most."""
    database, backups = deployment.database, deployment.database.backups
    if database.edition == "enterprise" and backups.log_days > MOST_LOG_DAYS:
        fewer = replace(backups, log_days=MOST_LOG_DAYS)
        plus = with_database(deployment, edition="enterprise-plus", tier=LEAST_PLUS)
        ways = (
            Way(f"database.backups.log_days: {MOST_LOG_DAYS}", with_database(deployment, backups=fewer)),
            Way(f"database: {{edition: enterprise-plus, tier: {LEAST_PLUS}}}", plus),
        )
        message = f"{backups.log_days} is more than edition enterprise keeps, which is {MOST_LOG_DAYS}"
        yield Problem(("database.backups.log_days", "database.edition"), message, cheapest(deployment, ways))


def disk_has_room_to_grow(deployment: Deployment) -> Iterator[Problem]:
    """A limit below the size, or without growth, is a mistake."""
    database = deployment.database
    keys = ("database.disk_limit_gb", "database.disk_gb", "database.disk_autoresize")
    if database.disk_limit_gb and database.disk_limit_gb < database.disk_gb:
        message = f"{database.disk_limit_gb} is less than the disk has to begin with ({database.disk_gb})"
        yield Problem(keys, message, (f"disk_limit_gb: {database.disk_gb}", "disk_limit_gb: 0 for no limit"))
    elif database.disk_limit_gb and not database.disk_autoresize:
        message = "means nothing with disk_autoresize: false: the disk does not grow by itself"
        yield Problem(keys, message, ("disk_autoresize: true", "remove disk_limit_gb"), "warning")


def denied_days_are_a_period(deployment: Deployment) -> Iterator[Problem]:
    """Two days in the same form, no more than 90 days apart."""
    period = deployment.database.maintenance.deny_period
    keys = tuple(f"database.maintenance.deny_period.{key}" for key in ("start", "end"))
    if bool(period.start) != bool(period.end):
        missing = keys[1] if period.start else keys[0]
        yield Problem(keys, f"a period has two ends, and {missing} is empty", ("set both", "remove both"))
        return
    if not period.start:
        return
    ways = ('start: "2026-12-15" and end: "2027-01-05"', 'start: "12-15" and end: "01-05" for every year')
    if len(period.start) != len(period.end):
        yield Problem(keys, f"of {period.start} and {period.end} one has a year and the other has none", ways)
        return
    start, end = _day(period.start), _day(period.end)
    if start is None or end is None:
        wrong = period.start if start is None else period.end
        yield Problem(keys, f"{wrong} is not a day of the calendar", ways)
        return
    if end < start and len(period.start) == len("MM-DD"):
        end += timedelta(days=366)  # into the next year
    days = (end - start).days
    if not 0 < days <= MOST_DENIED_DAYS:
        message = f"{period.start} to {period.end} is {days} days; Cloud SQL takes 1 to {MOST_DENIED_DAYS}"
        yield Problem(keys, message, ways)


def _day(text: str) -> date | None:
    """A day; of a leap year where *text* has none, so that every day exists. None where it does not."""
    try:
        return date.fromisoformat(text if len(text) > len("MM-DD") else f"2024-{text}")
    except ValueError:
        return None


def flags_are_free(deployment: Deployment) -> Iterator[Problem]:
    """No flag takes away what the server lives on."""
    flags = deployment.database.flags
    given = flags.get("max_connections")
    if given is None:
        return
    if not given.isdecimal() or not LEAST_CONNECTIONS <= int(given) <= MOST_CONNECTIONS:
        message = f"{given} is not a number from {LEAST_CONNECTIONS} to {MOST_CONNECTIONS}"
        yield Problem(("database.flags.max_connections",), message, ("remove it: the tier then decides",))


def socket_path_fits(deployment: Deployment) -> Iterator[Problem]:
    """The path of the database's socket is not longer than Linux allows."""
    connection = names_of(deployment, "").connection_name
    length = len(f"/cloudsql/{connection}/.s.PGSQL.5432".encode())
    if length > LONGEST_SOCKET:
        message = f"the database's socket would have a path of {length} bytes; Linux allows {LONGEST_SOCKET}"
        key = "database.instance" if deployment.database.instance else "name"
        yield Problem((key, "project", "region"), message, (f"a name {length - LONGEST_SOCKET} shorter",))


def names_are_free(deployment: Deployment) -> Iterator[Problem]:
    """Databases and users that are Google's, PostgreSQL's or our own for something else."""
    database, user = deployment.database.name, deployment.database.user
    if mode := next((mode for mode, taken in USER_DATABASES.items() if taken == database), ""):
        message = f"{database} is where users live in mode {mode}, apart from the runs"
        yield Problem(("database.name",), message, ("another name",))
    if database in OTHERS_DATABASES:
        yield Problem(("database.name",), f"{database} is not a database for users", ("another name",))
    if user.startswith(OTHERS_USERS):
        yield Problem(
            ("database.user",), f"{user} is a user of Google's or PostgreSQL's own", ("another name",)
        )


RULES = (
    tier_fits_edition,
    custom_tier_adds_up,
    second_machine_has_a_log,
    log_has_a_backup,
    log_is_kept_as_long_as_allowed,
    disk_has_room_to_grow,
    denied_days_are_a_period,
    flags_are_free,
    socket_path_fits,
    names_are_free,
)
