"""Between Cloud SQL's JSON of an instance and our flat bodies, both ways.

Flags are fields by their names, because every one is its own opinion. What Cloud SQL leaves out where it is off, or
spells in another way, is brought into one form here, so that plain equality compares it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from reconciler.gcp import fields as flat
from reconciler.gcp.vpc_access import relative
from reconciler.model import Body, Json

USABLE = "RUNNABLE"
BROKEN = frozenset({"FAILED", "SUSPENDED"})
"""What no patch mends: an instance that could not be made, or that Google has taken out of service."""
BACKUP = "settings.backupConfiguration"
KEPT_BACKUPS = f"{BACKUP}.backupRetentionSettings.retainedBackups"
RECOVERY = f"{BACKUP}.pointInTimeRecoveryEnabled"
LOG_DAYS = f"{BACKUP}.transactionLogRetentionDays"
WINDOW = "settings.maintenanceWindow"
DENIED = "settings.denyMaintenancePeriods"
LABELS = "settings.userLabels"
FLAGS = "settings.databaseFlags"
INSIGHTS = "settings.insightsConfig.queryInsightsEnabled"
FINAL = "settings.finalBackupConfig"
NETWORKS = "settings.ipConfiguration.authorizedNetworks"
NETWORK = "settings.ipConfiguration.privateNetwork"
KEY = "diskEncryptionConfiguration.kmsKeyName"
DISK = "settings.dataDiskSizeGb"
"""It never shrinks. Where it may grow by itself, a larger one is as good."""

_PLAIN = (
    "createTime",
    "region",
    "databaseVersion",
    KEY,
    "settings.activationPolicy",
    "settings.availabilityType",
    "settings.tier",
    "settings.edition",
    "settings.ipConfiguration.sslMode",
    f"{BACKUP}.startTime",
)
_BOOLEAN = (
    "settings.storageAutoResize",
    "settings.deletionProtectionEnabled",
    f"{BACKUP}.enabled",
    RECOVERY,
    INSIGHTS,
    f"{FINAL}.enabled",
)
_NUMBER = ("settings.dataDiskSizeGb", "settings.storageAutoResizeLimit", KEPT_BACKUPS, LOG_DAYS)
_TEXT = ("settings.dataDiskSizeGb", "settings.storageAutoResizeLimit")
"""Numbers that Cloud SQL's JSON spells as strings."""


def body(instance: Mapping[str, Any]) -> dict[str, Json]:
    """Only what a deployment may ask for; absent booleans are false, int64 come as strings."""
    authorized = flat.items(instance, NETWORKS)
    plain: dict[str, Json] = {path: flat.at(instance, path) for path in _PLAIN}
    state = str(instance.get("state", ""))
    days = flat.at(instance, f"{FINAL}.retentionDays") if flat.at(instance, f"{FINAL}.enabled") else 0
    return {
        "state": state if state in BROKEN else USABLE,
        **plain,
        **{path: bool(flat.at(instance, path)) for path in _BOOLEAN},
        **{path: flat.integer(flat.at(instance, path)) for path in _NUMBER},
        NETWORKS: sorted(str(network.get("value")) for network in authorized),
        NETWORK: relative(str(flat.at(instance, NETWORK) or "")) or None,
        f"{WINDOW}.day": flat.integer(flat.at(instance, f"{WINDOW}.day")) or 0,
        f"{WINDOW}.hour": flat.integer(flat.at(instance, f"{WINDOW}.hour")) or 0,
        DENIED: sorted(_denied(period) for period in flat.items(instance, DENIED)),
        f"{FINAL}.retentionDays": flat.integer(days) or 0,
        **flat.prefixed(
            FLAGS, {str(f["name"]): str(f.get("value", "")) for f in flat.items(instance, FLAGS)}
        ),
        **flat.prefixed(LABELS, flat.at(instance, LABELS)),
    }


def denied(start: str, end: str, time: str) -> str:
    """A period without maintenance, days as YYYY-MM-DD or MM-DD and *time* as HH:MM:SS, in one word for bodies."""
    return f"{start}/{end}/{time}"


def _denied(period: Mapping[str, Any]) -> str:
    time = str(period.get("time", ""))
    return denied(str(period.get("startDate", "")), str(period.get("endDate", "")), time)


def message(wanted: Body, fields: Collection[str]) -> dict[str, Any]:
    """The JSON that sets *fields* of *wanted*. Lists and messages that are replaced as a whole are sent whole."""
    chosen: dict[str, Any] = {field: wanted.get(field) for field in fields if field != "state"}
    chosen |= {field: str(chosen[field]) for field in _TEXT if field in chosen}
    if KEPT_BACKUPS in chosen:
        chosen[f"{BACKUP}.backupRetentionSettings.retentionUnit"] = "COUNT"
    for part, whole in ((WINDOW, _window), (FINAL, _final), (FLAGS, _flags), (DENIED, _periods)):
        inside = [field for field in chosen if field == part or field.startswith(f"{part}.")]
        if inside:
            chosen = {field: value for field, value in chosen.items() if field not in inside}
            chosen[part] = whole(wanted)
    if chosen.get(KEY, "") is None:
        del chosen[KEY]
    labels = flat.under(LABELS, chosen)
    made = flat.nested({key: value for key, value in chosen.items() if not key.startswith(f"{LABELS}.")})
    if labels:
        made.setdefault("settings", {})["userLabels"] = labels
    return made


def _window(wanted: Body) -> dict[str, Any] | None:
    window = {"day": wanted[f"{WINDOW}.day"], "hour": wanted[f"{WINDOW}.hour"]}
    return window if window["day"] else None


def _final(wanted: Body) -> dict[str, Any]:
    if not wanted[f"{FINAL}.enabled"]:
        return {"enabled": False}
    return {"enabled": True, "retentionDays": wanted[f"{FINAL}.retentionDays"]}


def _flags(wanted: Body) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in sorted(flat.under(FLAGS, wanted).items())]


def _periods(wanted: Body) -> list[dict[str, str]]:
    periods: Any = wanted[DENIED]
    return [dict(zip(("startDate", "endDate", "time"), period.split("/"), strict=True)) for period in periods]


def steps(wanted: Body, fields: Iterable[str]) -> list[list[str]]:
    """*fields* in the groups in which Cloud SQL takes them, one PATCH each, in order.

    A stopped instance is started first; a version goes alone; an edition goes with its tier. Logs are kept for longer
    only where the edition allows it, so they get fewer days before and more days after. A regional instance needs
    backups with point-in-time recovery, so these come before it, and go after it.
    """
    rest = set(fields)
    backups = {field for field in rest if field.startswith(BACKUP)}
    available = {"settings.availabilityType"}
    shorter = {LOG_DAYS} if wanted.get("settings.edition") == "ENTERPRISE" else set[str]()
    backed = bool(wanted.get(f"{BACKUP}.enabled") and wanted.get(RECOVERY))
    groups = (
        {"settings.activationPolicy"},
        {"databaseVersion"},
        shorter if {"settings.edition", LOG_DAYS} <= rest else set[str](),
        {"settings.edition", "settings.tier"},
        *((backups, available) if backed else (available, backups)),
        rest,
    )
    found: list[list[str]] = []
    for group in groups:
        if now := sorted(rest & group):
            found.append(now)
            rest -= group
    return found
