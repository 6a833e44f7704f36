"""The settings of a Cloud SQL instance as the server completes them: defaults, merges, and what depends on what.

The defaults are those recorded in create and get pairs of the real API, per engine; some have appeared over the years,
and each of these stands here with the day from which on new answers have it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from reconciler.sandbox.services import sqladmin_versions as versions
from reconciler.sandbox.services.sqladmin_versions import MYSQL, POSTGRES, SQLSERVER

BACKUP_TIER: Final = "2025-01-01"
"""`backupTier`, `replicationLagMaxSeconds` and `includeReplicasForMajorVersionUpgrade` are in no recording of 2024, and
in every later one; so is `true` where a Gemini feature was `false`."""
ROTATION_MODE: Final = "2026-01-01"
"""`serverCertificateRotationMode`, and a user's `iamStatus`."""
_REPLACED: Final = frozenset({"userLabels"})
"""Maps that a PATCH replaces as a whole."""
_KINDS: Final = {
    "maintenanceWindow": "sql#maintenanceWindow",
    "locationPreference": "sql#locationPreference",
    "sqlServerAuditConfig": "sql#sqlServerAuditConfig",
    "activeDirectoryConfig": "sql#activeDirectoryConfig",
}
"""Messages that the server gives a `kind` where they are there."""
_EMPTY_IS_ABSENT: Final = ("databaseFlags", "userLabels", "denyMaintenancePeriods")


@dataclass(frozen=True)
class About:
    """What the defaults of an instance depend on."""

    name: str
    version: str
    zone: str
    day: str
    """What the clock shows: "2026-01-31"."""

    @property
    def engine(self) -> str:
        """POSTGRES, MYSQL or SQLSERVER."""
        return versions.engine(self.version)


def merged(current: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """PATCH: messages are merged field by field; lists and maps are replaced, and null clears."""
    result = dict(current)
    for key, value in sent.items():
        before = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(before, dict) and key not in _REPLACED:
            result[key] = merged(cast("dict[str, Any]", before), cast("dict[str, Any]", value))
        else:
            result[key] = without_nulls(cast("dict[str, Any]", value)) if isinstance(value, dict) else value
    return result


def without_nulls(body: Mapping[str, Any]) -> dict[str, Any]:
    """*body* without the fields that are null, at any depth of messages."""
    return {
        key: without_nulls(cast("dict[str, Any]", value)) if isinstance(value, dict) else value
        for key, value in body.items()
        if value is not None
    }


def completed(sent: Mapping[str, Any], about: About) -> dict[str, Any]:
    """The settings with everything the server adds, and without what it does not show."""
    edition = sent.get("edition") or _edition(about)
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
        "replicationType": "SYNCHRONOUS",
        "settingsVersion": "1",
        "storageAutoResize": True,
        "storageAutoResizeLimit": "0",
        "locationPreference": {"zone": about.zone},
        "ipConfiguration": {"ipv4Enabled": True, "authorizedNetworks": [], "requireSsl": False},
        "backupConfiguration": _backup_defaults(sent.get("backupConfiguration", {}), edition, about),
    }
    if about.day >= BACKUP_TIER:
        defaults["replicationLagMaxSeconds"] = 31536000
    if about.day >= ROTATION_MODE:
        unset = "SERVER_CERTIFICATE_ROTATION_MODE_UNSPECIFIED"
        defaults["ipConfiguration"]["serverCertificateRotationMode"] = unset
    result = merged(defaults, {**sent, "edition": edition})
    _derive_network(result["ipConfiguration"], about.engine)
    _derive_backup(result["backupConfiguration"], about)
    _derive_rest(result, about)
    return result


def gemini(about: About) -> dict[str, Any] | None:
    """`geminiConfig` of a new instance; SQL Server has none."""
    recent = about.day >= BACKUP_TIER
    config: dict[str, Any] = {"activeQueryEnabled": False, "entitled": False, "indexAdvisorEnabled": False}
    if about.engine == POSTGRES:
        return {**config, "googleVacuumMgmtEnabled": False, "oomSessionCancelEnabled": recent}
    if about.engine == MYSQL:
        return {**config, "flagRecommenderEnabled": recent and not about.version.startswith("MYSQL_5")}
    return None


def _edition(about: About) -> str:
    newest = versions.postgres_major(about.version) >= 16 if about.engine == POSTGRES else False
    newest = newest or about.version.startswith(("MYSQL_8_4", "MYSQL_9"))
    return "ENTERPRISE_PLUS" if newest else "ENTERPRISE"


def _backup_defaults(sent: Mapping[str, Any], edition: str, about: About) -> dict[str, Any]:
    # Google picks the hour at random; here the name does, so that the same instance always gets the same one.
    hour = hashlib.sha256(about.name.encode()).digest()[0] % 24
    plus = edition == "ENTERPRISE_PLUS"
    defaults: dict[str, Any] = {
        "kind": "sql#backupConfiguration",
        "backupRetentionSettings": {"retainedBackups": 15 if plus else 7, "retentionUnit": "COUNT"},
        "enabled": plus,
        "startTime": f"{hour:02}:00",
        "transactionLogRetentionDays": 14 if plus else 7,
    }
    if about.day >= BACKUP_TIER:
        defaults["backupTier"] = "STANDARD"
    if plus and sent.get("enabled", True):
        # "Point-in-time recovery is enabled by default" for this edition.
        recovery = "binaryLogEnabled" if about.engine == MYSQL else "pointInTimeRecoveryEnabled"
        defaults[recovery] = True
    return defaults


def _derive_network(network: dict[str, Any], engine: str) -> None:
    for entry in network.get("authorizedNetworks", ()):
        entry["kind"] = "sql#aclEntry"
    strict = "ENCRYPTED_ONLY" if engine == SQLSERVER else "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
    if "sslMode" in network:
        network["requireSsl"] = network["sslMode"] == strict
    else:
        network["sslMode"] = strict if network.get("requireSsl") else "ALLOW_UNENCRYPTED_AND_ENCRYPTED"
    if private := network.get("privateNetwork"):
        # Sent as a full link or a partial one, shown as a partial one.
        network["privateNetwork"] = str(private)[max(str(private).find("projects/"), 0) :]


def _derive_backup(backup: dict[str, Any], about: About) -> None:
    """What each engine keeps of the two ways to recover to a moment, as recorded after PUTs that sent both."""
    if about.engine == MYSQL:
        backup.pop("pointInTimeRecoveryEnabled", None)
    elif not backup.get("binaryLogEnabled"):
        backup.pop("binaryLogEnabled", None)
    backup.pop("replicationLogArchivingEnabled", None)
    if about.engine == POSTGRES and "pointInTimeRecoveryEnabled" in backup:
        backup["replicationLogArchivingEnabled"] = backup["pointInTimeRecoveryEnabled"]
    logs = backup.get("pointInTimeRecoveryEnabled") or backup.get("binaryLogEnabled")
    backup["transactionalLogStorageState"] = (
        "CLOUD_STORAGE" if logs else "TRANSACTIONAL_LOG_STORAGE_STATE_UNSPECIFIED"
    )


def _derive_rest(settings: dict[str, Any], about: About) -> None:
    for message, kind in _KINDS.items():
        if message in settings:
            settings[message]["kind"] = kind
    if settings["availabilityType"] == "ZONAL":
        settings["locationPreference"].pop("secondaryZone", None)
    insights = settings.get("insightsConfig")
    if insights is not None:
        for flag in ("queryInsightsEnabled", "recordApplicationTags", "recordClientAddress"):
            if not insights.get(flag):
                insights.pop(flag, None)
        if not about.version.startswith("POSTGRES_9"):
            insights.setdefault("queryPlansPerMinute", 5)
        insights.setdefault("queryStringLength", 1024)
    if about.engine == SQLSERVER and "sqlServerAuditConfig" in settings:
        for interval in ("retentionInterval", "uploadInterval"):
            settings["sqlServerAuditConfig"].setdefault(interval, "0s")
    if not settings.get("dataCacheConfig", {}).get("dataCacheEnabled"):
        settings.pop("dataCacheConfig", None)
    for field in _EMPTY_IS_ABSENT:
        if not settings.get(field):
            settings.pop(field, None)
