"""The database: every key on a live deployment."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.keys.live import Case, Live, keys_of, lines, living, prove

SETTINGS = "~ sqladmin.instance/mlflow-keys settings"
BACKUP, WINDOW = f"{SETTINGS}.backupConfiguration", f"{SETTINGS}.maintenanceWindow"
QUIET = f"{SETTINGS}.denyMaintenancePeriods"
CASES = {
    "database.tier": Case("db-custom-1-3840", (f"{SETTINGS}.tier: db-g1-small -> db-custom-1-3840",)),
    "database.edition": Case(
        "enterprise-plus",
        (
            f"{SETTINGS}.edition: ENTERPRISE -> ENTERPRISE_PLUS",
            f"{SETTINGS}.tier: db-custom-1-3840 -> db-perf-optimized-N-2",
        ),
        along={"database.tier": "db-perf-optimized-N-2"},
    ),
    "database.version": Case(
        17, ("~ sqladmin.instance/mlflow-keys databaseVersion: POSTGRES_16 -> POSTGRES_17",)
    ),
    "database.disk_gb": Case(20, (f"{SETTINGS}.dataDiskSizeGb: 10 -> 20",)),
    "database.availability": Case(
        "regional",
        (f"{SETTINGS}.availabilityType: ZONAL -> REGIONAL",),
        given={"database.backups.point_in_time_recovery": True},
    ),
    "database.disk_limit_gb": Case(200, (f"{SETTINGS}.storageAutoResizeLimit: 0 -> 200",)),
    "database.flags": Case(
        {"log_min_duration_statement": "1000"},
        (f"{SETTINGS}.databaseFlags.log_min_duration_statement: None -> 1000",),
    ),
    "database.query_insights": Case(
        True, (f"{SETTINGS}.insightsConfig.queryInsightsEnabled: False -> True",)
    ),
    "database.final_backup_days": Case(7, (f"{SETTINGS}.finalBackupConfig.retentionDays: 30 -> 7",)),
    "database.disk_autoresize": Case(
        False, (f"{SETTINGS}.storageAutoResize: True -> False",), given={"database.disk_limit_gb": 0}
    ),
    "database.backups.enabled": Case(
        False,
        (f"{BACKUP}.enabled: True -> False",),
        given={"database.availability": "zonal", "database.backups.point_in_time_recovery": False},
    ),
    "database.backups.start_time": Case("05:00", (f"{BACKUP}.startTime: 03:00 -> 05:00",)),
    "database.backups.point_in_time_recovery": Case(
        True,
        (f"{BACKUP}.pointInTimeRecoveryEnabled: False -> True",),
        given={"database.backups.enabled": True, "database.backups.point_in_time_recovery": False},
    ),
    "database.backups.log_days": Case(3, (f"{BACKUP}.transactionLogRetentionDays: 7 -> 3",)),
    "database.backups.keep": Case(9, (f"{BACKUP}.backupRetentionSettings.retainedBackups: 7 -> 9",)),
    "database.maintenance.day": Case("monday", (f"{WINDOW}.day: 7 -> 1",)),
    "database.maintenance.hour": Case(7, (f"{WINDOW}.hour: 4 -> 7",)),
    "database.maintenance.deny_period.start": Case(
        "12-20",
        (f"{QUIET}: ['12-15/01-05/00:00:00'] -> ['12-20/01-05/00:00:00']",),
        given={"database.maintenance.deny_period": {"start": "12-15", "end": "01-05"}},
    ),
    "database.maintenance.deny_period.end": Case(
        "01-10", (f"{QUIET}: ['12-20/01-05/00:00:00'] -> ['12-20/01-10/00:00:00']",)
    ),
    "database.maintenance.deny_period.time": Case(
        "06:00", (f"{QUIET}: ['12-20/01-10/00:00:00'] -> ['12-20/01-10/06:00:00']",)
    ),
    "database.kms_key": Case(
        "projects/every-key/locations/europe-west1/keyRings/r/cryptoKeys/k",
        refused="diskEncryptionConfiguration.kmsKeyName cannot change on a live resource",
    ),
    "database.instance": Case("another", refused="volumes.cloudsql cannot become another"),
    "database.name": Case("another", refused="env.MLFLOW_DB_NAME cannot become another, mlflow -> another"),
    "database.user": Case("another", refused="env.MLFLOW_DB_USER cannot become another, mlflow -> another"),
    "database.deletion_protection": Case(True, (f"{SETTINGS}.deletionProtectionEnabled: False -> True",)),
}


@pytest.fixture(scope="module", name="live")
def _live(tmp_path_factory: pytest.TempPathFactory) -> Generator[Live]:
    with living(tmp_path_factory.mktemp("database"), mlflow=False) as live:
        yield live


@pytest.mark.parametrize("key", keys_of("database"))
def test_a_key_changes_exactly_what_it_says(live: Live, key: str) -> None:
    """Applied, it leaves nothing to say; applied again, nothing is written."""
    prove(live, key, CASES)


def test_a_window_of_maintenance_is_taken_off(live: Live) -> None:
    """`any` clears what was set, as gcloud's --maintenance-window-any does, and leaves nothing to say."""
    live.say("database.maintenance", {"day": "monday", "hour": 3})
    live.apply()
    live.say("database.maintenance", {"day": "any"})
    assert lines(live.plan()) == [f"{WINDOW}.day: 1 -> 0", f"{WINDOW}.hour: 3 -> 0"]
    live.apply()
    assert lines(live.plan()) == []
