"""Rules about Cloud SQL: tiers against editions, the arithmetic of custom tiers, the socket's path."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.server.naming import names_of
from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Problem

SHARED_CORE = ("db-f1-micro", "db-g1-small")
PERF_OPTIMIZED_CPUS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 128)

MEGABYTES_STEP = 256
LEAST_MEGABYTES = 3840
MEGABYTES_PER_CPU = (922, 6656)
"""0.9 to 6.5 GB for each vCPU."""
MOST_CPUS = 96

LONGEST_SOCKET = 107
"""Bytes of a Unix socket's path on Linux, without its closing zero."""


def tier_fits_edition(deployment: Deployment) -> Iterator[Problem]:
    """Each edition has its own tiers."""
    tier, edition = deployment.database.tier, deployment.database.edition
    keys = ("database.tier", "database.edition")
    perf = tier.startswith("db-perf-optimized-")
    if edition == "enterprise-plus" and not perf:
        ways = ("database.edition: enterprise", "database.tier: db-perf-optimized-N-2")
        yield Problem(keys, f"{tier} is not a tier of edition enterprise-plus", ways)
    if edition == "enterprise" and perf:
        ways = ("database.tier: db-custom-2-7680", "database.edition: enterprise-plus")
        yield Problem(keys, f"{tier} is not a tier of edition enterprise", ways)
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


def socket_path_fits(deployment: Deployment) -> Iterator[Problem]:
    """The path of the database's socket is not longer than Linux allows."""
    connection = names_of(deployment, "").connection_name
    length = len(f"/cloudsql/{connection}/.s.PGSQL.5432".encode())
    if length > LONGEST_SOCKET:
        message = f"the database's socket would have a path of {length} bytes; Linux allows {LONGEST_SOCKET}"
        yield Problem(("name", "project", "region"), message, (f"a name {length - LONGEST_SOCKET} shorter",))


RULES = (tier_fits_edition, custom_tier_adds_up, socket_path_fits)
