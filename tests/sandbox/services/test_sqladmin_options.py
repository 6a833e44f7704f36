"""Cloud SQL's options: quiet days, the disk's limit, insights, which flags there are, and what a deleted one leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.calls import Cloud
from tests.sandbox.services import sql
from tests.sandbox.services.sql import DB, INSTANCES, ROOT, body, do, message, reason

YEAR = {"startDate": "12-15", "endDate": "01-05", "time": "00:00:00"}
BACKUPS = f"{ROOT}/backups"


@pytest.fixture(name="cloud")
def _tidied(cloud: Cloud) -> Iterator[Cloud]:
    """A project whose instances are deleted in the end."""
    yield cloud
    sql.tidy(cloud)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"denyMaintenancePeriods": [{**YEAR, "endDate": "2027-01-05"}]},
            "dates are yyyy-mm-dd, or both mm-dd",
        ),
        ({"denyMaintenancePeriods": [{**YEAR, "startDate": "02-30"}]}, "Invalid deny maintenance period"),
        ({"denyMaintenancePeriods": [{**YEAR, "time": "03:30"}]}, "HH:mm:SS is expected"),
        ({"denyMaintenancePeriods": [{**YEAR, "startDate": "09-01"}]}, "between 1 and 90 days"),
        ({"denyMaintenancePeriods": [{**YEAR, "endDate": "12-15"}]}, "between 1 and 90 days"),
        ({"storageAutoResizeLimit": "9"}, "storage auto resize limit"),
        ({"finalBackupConfig": {"enabled": True, "retentionDays": 366}}, "between 1 and 365 days"),
        ({"finalBackupConfig": {"enabled": True}}, "between 1 and 365 days"),
        (
            {"insightsConfig": {"queryInsightsEnabled": True, "queryStringLength": 100}},
            "between 256 and 4500",
        ),
        ({"databaseFlags": [{"name": "listen_addresses", "value": "*"}]}, "is not supported"),
        ({"databaseFlags": [{"name": "cloudsql.no_such", "value": "on"}]}, "is not supported"),
        ({"databaseFlags": [{"name": "max_connections", "value": "13"}]}, "Value requested is not valid."),
        ({"databaseFlags": [{"name": "cloudsql.iam_authentication", "value": "1"}]}, "Value requested"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(cloud: Cloud, settings: dict[str, Any], text: str) -> None:
    """Before anything is made, with 400."""
    refused = cloud.post(INSTANCES, body(**settings))
    assert refused.status == 400
    assert text in message(refused)


def test_a_final_backup_outlives_its_instance_until_its_days_are_over(cloud: Cloud) -> None:
    """Asked for by the instance's own settings; listed by instance and type, changed, restored elsewhere, deleted."""
    last = {"enabled": True, "retentionDays": 3}
    do(cloud, "POST", INSTANCES, body(version="MYSQL_8_0", finalBackupConfig=last))
    do(cloud, "DELETE", DB)
    (found,) = cloud.ok("GET", f"{BACKUPS}?filter=instance:db%20AND%20type:FINAL")["backups"]
    assert (found["type"], found["state"], found["instanceSettings"]["name"]) == ("FINAL", "SUCCESSFUL", "db")
    assert cloud.ok("GET", f"{BACKUPS}?filter=instance:other") == {}
    path = f"/v1/{found['name']}"
    do(cloud, "PATCH", f"{path}?updateMask=description", {"description": "kept for the auditors"})
    assert cloud.ok("GET", path)["description"] == "kept for the auditors"
    do(cloud, "DELETE", path)
    assert reason(cloud.get(path)) == (404, "backupDoesNotExist")


def test_without_being_asked_nothing_is_left(cloud: Cloud) -> None:
    """A final backup is the caller's choice; one of too many days is refused, and the instance stays."""
    do(cloud, "POST", INSTANCES, body(version="MYSQL_8_0"))
    asked = f"{DB}?enableFinalBackup=true&finalBackupTtlDays=400"
    assert "1 to 365 days" in message(cloud.call("DELETE", asked))
    do(cloud, "DELETE", DB)
    assert cloud.ok("GET", BACKUPS) == {}
