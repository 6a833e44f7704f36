"""What Cloud SQL refuses: the rules that the completed settings of an instance have to keep."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.runtime.pg_binaries import Flag
from reconciler.sandbox.services import sqladmin_flags as flags
from reconciler.sandbox.services import sqladmin_periods as periods
from reconciler.sandbox.services import sqladmin_tiers as tiers
from reconciler.sandbox.services.sqladmin_defaults import About
from reconciler.sandbox.services.sqladmin_versions import MYSQL, POSTGRES, SQLSERVER

_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_LABEL_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LARGEST_DISK: Final = 65536
_LABEL_VALUE: Final = re.compile(r"[a-z0-9_-]{0,63}")


def invalid(text: str) -> ApiError:
    """Cloud SQL's 400 for a request that breaks one of its rules."""
    return ApiError(400, f"Invalid request: {text}", reason="invalid")


def check_sent(settings: Mapping[str, Any], engine: str, mode: str = "") -> None:
    """Raise ApiError 400 where what is sent contradicts itself; *mode* is the sslMode that is already there.

    PostgreSQL and MySQL take requireSsl with TRUSTED_CLIENT_CERTIFICATE_REQUIRED alone, SQL Server with
    ENCRYPTED_ONLY (IpConfiguration.sslMode).
    """
    network: Mapping[str, Any] = settings.get("ipConfiguration", {})
    wished = network.get("sslMode", mode)
    lax = {"ALLOW_UNENCRYPTED_AND_ENCRYPTED", "ENCRYPTED_ONLY" if engine != SQLSERVER else ""}
    if network.get("requireSsl") and wished in lax:
        raise invalid(f"The sslMode {wished} needs requireSsl to be false or cleared.")


def check(settings: Mapping[str, Any], about: About, known_flags: Mapping[str, Flag]) -> None:
    """Raise ApiError 400 where the completed settings of a primary instance break a rule of the service."""
    if settings["edition"] not in ("ENTERPRISE", "ENTERPRISE_PLUS", "DEVELOPER"):
        raise invalid(f"Invalid edition ({settings['edition']}).")
    tiers.check(settings["tier"], settings["edition"], about.engine)
    _check_backup(settings)
    _check_recovery(settings, about.engine)
    check_network(settings["ipConfiguration"])
    window: Mapping[str, Any] = settings.get("maintenanceWindow", {})
    if not 0 <= window.get("hour", 0) <= 23 or not 0 <= window.get("day", 0) <= 7:
        raise invalid("The maintenance window's hour must be between 0 and 23 and its day between 1 and 7.")
    for period in settings.get("denyMaintenancePeriods", ()):
        periods.check(period)
    if about.engine == POSTGRES:
        # Of MySQL's and SQL Server's flags the sandbox knows nothing.
        flags.check(settings.get("databaseFlags", ()), known_flags)
    _check_disk(settings)
    _check_rest(settings)
    for key, value in settings.get("userLabels", {}).items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise invalid(f"Invalid user label ({key}: {value}).")


def _check_backup(settings: Mapping[str, Any]) -> None:
    backup: Mapping[str, Any] = settings["backupConfiguration"]
    most = 35 if settings["edition"] == "ENTERPRISE_PLUS" else 7
    if not 1 <= backup.get("transactionLogRetentionDays", 7) <= most:
        raise invalid(f"The number of transaction log retention days must be between 1 and {most}.")
    if not _TIME.fullmatch(backup["startTime"]):
        raise invalid(f"Invalid backup start time ({backup['startTime']}): HH:MM in UTC is expected.")
    if not 1 <= backup.get("backupRetentionSettings", {}).get("retainedBackups", 7) <= 365:
        raise invalid("The number of retained backups must be between 1 and 365.")


def _check_recovery(settings: Mapping[str, Any], engine: str) -> None:
    backup: Mapping[str, Any] = settings["backupConfiguration"]
    regional = settings["availabilityType"] == "REGIONAL"
    if engine == MYSQL:
        logs = bool(backup.get("binaryLogEnabled"))
        if logs and not backup["enabled"]:
            raise invalid(
                "Binary log must be disabled when backup is disabled or the instance must be a replica instance with "
                "a MySQL 5.7 or above version."
            )
        if regional and not logs:
            text = "MySQL HA non-replica instances need to have binary logging enabled."
            raise invalid(f"Invalid flag for instance role: {text}")
        return
    recovery = bool(backup.get("pointInTimeRecoveryEnabled"))
    if recovery and not backup["enabled"]:
        raise invalid("Point-in-time recovery must be disabled when backups are disabled.")
    if engine == POSTGRES and regional and not (backup["enabled"] and recovery):
        raise invalid("Regional availability needs automated backups and point-in-time recovery enabled.")


def check_network(network: Mapping[str, Any]) -> None:
    """Raise ApiError 400 where an instance could not be reached, or an authorized network is none."""
    if network.get("pscConfig"):
        raise ApiError(
            400, "The sandbox does not emulate Private Service Connect.", reason="sandboxNotEmulated"
        )
    if not network.get("ipv4Enabled") and not network.get("privateNetwork"):
        raise invalid("At least one of Public IP or Private IP or PSC connectivity must be enabled.")
    for entry in network.get("authorizedNetworks", ()):
        _check_entry(str(entry.get("value", "")))


def _check_entry(value: str) -> None:
    if value == "CLIENT_IP":
        # What `gcloud sql connect` puts there before it connects by the public address.
        text = "The sandbox's databases are reached by their sockets alone; its status shows where they are."
        raise ApiError(400, text, reason="sandboxNotEmulated")
    try:
        block = ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise invalid(f"Invalid authorized network ({value}).") from error
    if block.version != 4:
        text = f"CloudSQL Second Generation doesn't support IPv6 networks/subnets: {value}."
        raise invalid(f"Invalid flag for instance role: {text}")


def _check_disk(settings: Mapping[str, Any]) -> None:
    size, limit = int(settings["dataDiskSizeGb"]), int(settings["storageAutoResizeLimit"])
    if not 10 <= size <= _LARGEST_DISK:
        raise invalid(f"The disk size must be at least 10 GB and at most {_LARGEST_DISK} GB.")
    if limit and not size <= limit <= _LARGEST_DISK:
        raise invalid("The storage auto resize limit must be 0, or at least the disk size.")


def _check_rest(settings: Mapping[str, Any]) -> None:
    last: Mapping[str, Any] = settings.get("finalBackupConfig", {})
    if last.get("enabled") and not 1 <= int(last.get("retentionDays", 0)) <= 365:
        raise invalid("The retention of the final backup must be between 1 and 365 days.")
    insights: Mapping[str, Any] = settings.get("insightsConfig", {})
    if not 256 <= insights.get("queryStringLength", 1024) <= 4500:
        raise invalid("The query string length of insights must be between 256 and 4500 bytes.")
    if not 0 <= insights.get("queryPlansPerMinute", 5) <= 20:
        raise invalid("The number of query plans per minute must be between 0 and 20.")


def postgres_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """What PostgreSQL itself is told: the tier's connections, and the flags."""
    given = {flag["name"]: str(flag.get("value", "on")) for flag in settings.get("databaseFlags", ())}
    return {"max_connections": str(tiers.max_connections(settings["tier"])), **given}
