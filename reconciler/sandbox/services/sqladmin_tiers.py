"""Cloud SQL's machine tiers: which exist for which engine and edition, and what they allow."""

import re
from typing import Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services.sqladmin_regions import REGIONS, WITHOUT_PLUS
from reconciler.sandbox.services.sqladmin_versions import POSTGRES, SQLSERVER

MEBI: Final = 1024 * 1024
SHARED: Final = {"db-f1-micro": 628_736_000 // MEBI, "db-g1-small": 1_825_361_100 // MEBI}
"""Shared-core tiers and their memory in MiB (0.6 and 1.7 GB)."""
_CUSTOM: Final = re.compile(r"db-custom-(?:N4-)?(\d+)-(\d+)")
_PLUS: Final = re.compile(r"db-(?:perf-optimized-N|c4a-highmem)-(\d+)")
_PLUS_CPUS: Final = (1, 2, 4, 8, 16, 32, 48, 64, 72, 80, 96, 128)
_LEGACY: Final = re.compile(r"db-n1-(standard|highmem)-(1|2|4|8|16|32|64|96)")
"""MySQL's predefined tiers: 3.75 GB of memory for each vCPU, or 6.5."""
_MORE: Final = "https://cloud.google.com/sql/docs/postgres/create-instance#machine-types"
# Memory in GB from which a number of connections is the default ("Cloud SQL flags", max_connections).
_CONNECTIONS: Final = (
    (120, 1000),
    (60, 800),
    (30, 600),
    (15, 500),
    (7.5, 400),
    (6, 200),
    (3.75, 100),
    (1.6, 50),
    (0, 25),
)


def memory_mib(tier: str) -> int:
    """The memory of a tier that `check` accepts, in MiB."""
    if tier in SHARED:
        return SHARED[tier]
    if custom := _CUSTOM.fullmatch(tier):
        return int(custom.group(2))
    if legacy := _LEGACY.fullmatch(tier):
        return int(legacy.group(2)) * (3840 if legacy.group(1) == "standard" else 6656)
    plus = _PLUS.fullmatch(tier)
    return int(plus.group(1)) * 8 * 1024 if plus else 0


def max_connections(tier: str) -> int:
    """PostgreSQL's max_connections where no flag sets it."""
    gigabytes = memory_mib(tier) / 1024
    return next(connections for least, connections in _CONNECTIONS if gigabytes >= least)


def check(tier: str, edition: str, engine: str = POSTGRES) -> None:
    """Raise ApiError 400 where this edition of the engine has no such tier."""
    plus = _PLUS.fullmatch(tier)
    if edition == "ENTERPRISE_PLUS":
        if plus is None or int(plus.group(1)) not in _PLUS_CPUS:
            raise _wrong(
                f"Invalid Tier ({tier}) for (ENTERPRISE_PLUS) Edition. Use a predefined Tier like "
                f"db-perf-optimized-N-* instead. Learn more at {_MORE}"
            )
        return
    if plus is not None:
        raise _wrong(f"Invalid Tier ({tier}) for ({edition}) Edition. Learn more at {_MORE}")
    if tier in SHARED and engine != SQLSERVER:
        return
    custom = _CUSTOM.fullmatch(tier)
    if custom is not None:
        _check_custom(tier, int(custom.group(1)), int(custom.group(2)))
    elif engine == POSTGRES:
        raise _wrong("Only custom or shared-core instance Billing Tier type allowed for PostgreSQL database.")
    elif engine == SQLSERVER or not _LEGACY.fullmatch(tier):
        raise _wrong(f"Invalid Tier ({tier}).")


def _check_custom(tier: str, cpus: int, memory: int) -> None:
    if not 1 <= cpus <= 96 or (cpus > 1 and cpus % 2):
        raise _wrong(f"Invalid Tier ({tier}): the number of vCPUs must be 1 or an even number up to 96.")
    if memory % 256 or memory < 3840:
        raise _wrong(f"Invalid Tier ({tier}): memory must be a multiple of 256 MB and at least 3840 MB.")
    if not 0.9 * 1024 * cpus <= memory <= 6.5 * 1024 * cpus:
        raise _wrong(f"Invalid Tier ({tier}): memory must be 0.9 to 6.5 GB for each vCPU.")


def regions_of(tier: str) -> list[str]:
    """The regions that have machines of a tier."""
    return sorted(REGIONS - WITHOUT_PLUS if _PLUS.fullmatch(tier) else REGIONS)


def check_region(tier: str, region: str) -> None:
    """Raise ApiError 400 where the region has no machine of the tier. The words are ours, the status is Google's."""
    if region not in regions_of(tier):
        raise _wrong(f"Tier ({tier}) is not available in region ({region}).")


def listing() -> list[dict[str, object]]:
    """The tiers as `tiers.list` shows them: sizes in bytes, as strings. Of custom ones a few stand for all."""
    names = [*SHARED, "db-custom-1-3840", "db-custom-2-7680", "db-custom-4-15360", "db-custom-8-30720"]
    names += [f"db-n1-{kind}-{cpus}" for kind in ("standard", "highmem") for cpus in (2, 4, 8, 16)]
    names += [f"db-perf-optimized-N-{cpus}" for cpus in _PLUS_CPUS[1:]]
    found: list[dict[str, object]] = []
    for tier in names:
        ram, disk = str(memory_mib(tier) * MEBI), str((3 if tier in SHARED else 64) * 1024**4)
        where = regions_of(tier)
        found.append({"kind": "sql#tier", "tier": tier, "RAM": ram, "DiskQuota": disk, "region": where})
    return found


def _wrong(text: str) -> ApiError:
    return ApiError(400, f"Invalid request: {text}", reason="invalid")
