"""The settings of a Cloud SQL instance: what the server fills in, what it merges, and what it refuses.

The defaults are those recorded in create and get pairs of the real API.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services import sqladmin_tiers as tiers

_LISTS_AND_MAPS: Final = frozenset({"userLabels"})
"""Maps that a PATCH replaces as a whole."""
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_LABEL_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE: Final = re.compile(r"[a-z0-9_-]{0,63}")


def invalid(text: str) -> ApiError:
    """Cloud SQL's 400 for a request that breaks one of its rules."""
    return ApiError(400, f"Invalid request: {text}", reason="invalid")


def merged(current: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """PATCH: messages are merged field by field; lists and maps are replaced."""
    result = dict(current)
    for key, value in sent.items():
        before = result.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and key not in _LISTS_AND_MAPS:
            result[key] = merged(cast("dict[str, Any]", before), cast("dict[str, Any]", value))
        else:
            result[key] = value
    return result


def completed(sent: Mapping[str, Any], name: str, version: str, zone: str) -> dict[str, Any]:
    """The settings with everything the server adds."""
    edition = sent.get("edition") or ("ENTERPRISE" if version_number(version) < 16 else "ENTERPRISE_PLUS")
    backup: Mapping[str, Any] = sent.get("backupConfiguration", {})
    defaults: dict[str, Any] = {
        "kind": "sql#settings",
        "activationPolicy": "ALWAYS",
        "authorizedGaeApplications": [],
        "availabilityType": "ZONAL",
        "connectorEnforcement": "NOT_REQUIRED",
        "dataDiskSizeGb": "10",
        "dataDiskType": "PD_SSD",
        "deletionProtectionEnabled": False,
        "pricingPlan": "PER_USE",
        "replicationLagMaxSeconds": 31536000,
        "replicationType": "SYNCHRONOUS",
        "settingsVersion": "1",
        "storageAutoResize": True,
        "storageAutoResizeLimit": "0",
        "locationPreference": {"kind": "sql#locationPreference", "zone": zone},
        "ipConfiguration": {"ipv4Enabled": True, "authorizedNetworks": [], "requireSsl": False},
        "backupConfiguration": _backup_defaults(backup, name),
    }
    result = merged(defaults, {**sent, "edition": edition})
    _derive(result)
    return result


def _backup_defaults(backup: Mapping[str, Any], name: str) -> dict[str, Any]:
    # Google picks the hour at random; here the name does, so that the same instance always gets the same one.
    hour = hashlib.sha256(name.encode()).digest()[0] % 24
    defaults: dict[str, Any] = {
        "kind": "sql#backupConfiguration",
        "backupRetentionSettings": {"retainedBackups": 7, "retentionUnit": "COUNT"},
        "backupTier": "STANDARD",
        "enabled": False,
        "startTime": f"{hour:02}:00",
        "transactionLogRetentionDays": 7,
        "transactionalLogStorageState": "TRANSACTIONAL_LOG_STORAGE_STATE_UNSPECIFIED",
    }
    if backup.get("pointInTimeRecoveryEnabled"):
        defaults["replicationLogArchivingEnabled"] = True
        defaults["transactionalLogStorageState"] = "CLOUD_STORAGE"
    return defaults


def _derive(settings: dict[str, Any]) -> None:
    """Fill in what depends on other fields, and drop what the server does not show."""
    network = settings["ipConfiguration"]
    for entry in network.get("authorizedNetworks", ()):
        entry["kind"] = "sql#aclEntry"
    if "sslMode" in network:
        network["requireSsl"] = network["sslMode"] == "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
    else:
        strict = network.get("requireSsl", False)
        network["sslMode"] = (
            "TRUSTED_CLIENT_CERTIFICATE_REQUIRED" if strict else "ALLOW_UNENCRYPTED_AND_ENCRYPTED"
        )
    backup = settings["backupConfiguration"]
    if not backup.get("binaryLogEnabled"):
        backup.pop("binaryLogEnabled", None)
    for message, kind in (
        ("maintenanceWindow", "sql#maintenanceWindow"),
        ("locationPreference", "sql#locationPreference"),
    ):
        if message in settings:
            settings[message]["kind"] = kind
    insights = settings.get("insightsConfig")
    if insights is not None:
        insights.setdefault("queryPlansPerMinute", 5)
        insights.setdefault("queryStringLength", 1024)
        if not insights.get("queryInsightsEnabled"):
            insights.pop("queryInsightsEnabled", None)
    for field in ("databaseFlags", "userLabels", "denyMaintenancePeriods"):
        if not settings.get(field):
            settings.pop(field, None)


def check(settings: Mapping[str, Any], known_flags: frozenset[str]) -> None:
    """Raise ApiError 400 where the completed settings break a rule of the service."""
    if settings["edition"] not in ("ENTERPRISE", "ENTERPRISE_PLUS", "DEVELOPER"):
        raise invalid(f"Invalid edition ({settings['edition']}).")
    tiers.check(settings["tier"], settings["edition"])
    if int(settings["dataDiskSizeGb"]) < 10:
        raise invalid("The disk size must be at least 10 GB.")
    _check_backup(settings)
    _check_network(settings["ipConfiguration"])
    window: Mapping[str, Any] = settings.get("maintenanceWindow", {})
    if not 0 <= window.get("hour", 0) <= 23 or not 0 <= window.get("day", 0) <= 7:
        raise invalid("The maintenance window's hour must be between 0 and 23 and its day between 1 and 7.")
    _check_flags(settings.get("databaseFlags", ()), known_flags)
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
    recovery = backup.get("pointInTimeRecoveryEnabled", False)
    if recovery and not backup["enabled"]:
        raise invalid("Point-in-time recovery must be disabled when backups are disabled.")
    if settings["availabilityType"] == "REGIONAL" and not (backup["enabled"] and recovery):
        raise invalid("Regional availability needs automated backups and point-in-time recovery enabled.")


def _check_network(network: Mapping[str, Any]) -> None:
    if network.get("pscConfig"):
        raise ApiError(
            400, "The sandbox does not emulate Private Service Connect.", reason="sandboxNotEmulated"
        )
    if not network.get("ipv4Enabled") and not network.get("privateNetwork"):
        raise invalid("At least one of Public IP or Private IP or PSC connectivity must be enabled.")


def check_sent(settings: Mapping[str, Any], mode: str = "") -> None:
    """Raise ApiError 400 where what is sent contradicts itself; *mode* is the sslMode that is already there.

    PostgreSQL takes requireSsl with TRUSTED_CLIENT_CERTIFICATE_REQUIRED alone (IpConfiguration.sslMode).
    """
    network: Mapping[str, Any] = settings.get("ipConfiguration", {})
    wished = network.get("sslMode", mode)
    if network.get("requireSsl") and wished in ("ENCRYPTED_ONLY", "ALLOW_UNENCRYPTED_AND_ENCRYPTED"):
        raise invalid(f"The sslMode {wished} needs requireSsl to be false or cleared.")


def _check_flags(flags: Sequence[Mapping[str, Any]], known: frozenset[str]) -> None:
    names = [flag.get("name", "") for flag in flags]
    for name in names:
        # Cloud SQL's own flags have a prefix that PostgreSQL does not know.
        if name not in known and not name.startswith("cloudsql."):
            raise invalid(f"Flag ({name}) is not supported for this database version.")
    if len(set(names)) != len(names):
        raise invalid("A database flag is set twice.")


def version_number(version: str) -> int:
    """POSTGRES_16 is 16; anything but PostgreSQL is refused."""
    match = re.fullmatch(r"POSTGRES_(\d+)(?:_\d+)?", version)
    if match is None:
        raise ApiError(400, f"The sandbox does not emulate {version}.", reason="sandboxNotEmulated")
    return int(match.group(1))


def postgres_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """What PostgreSQL itself is told: the tier's connections, and the flags."""
    flags = {flag["name"]: str(flag.get("value", "on")) for flag in settings.get("databaseFlags", ())}
    return {"max_connections": str(tiers.max_connections(settings["tier"])), **flags}
