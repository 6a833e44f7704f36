"""Instances without a database behind them: MySQL, SQL Server, read replicas; and copies of those that have one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.sandbox.control import Running
from reconciler.sandbox.runtime import postgres
from tests.sandbox.calls import Cloud
from tests.sandbox.services import sql
from tests.sandbox.services.sql import DB, INSTANCES, body, do, message, reason

MYSQL = {**body(version="MYSQL_8_0"), "settings": {"tier": "db-n1-standard-1", "edition": "ENTERPRISE"}}
SQLSERVER = {
    **body(version="SQLSERVER_2022_EXPRESS"),
    "settings": {"tier": "db-custom-1-3840", "edition": "ENTERPRISE"},
    "rootPassword": "1234",
}


@pytest.fixture(name="cloud")
def _tidied(cloud: Cloud) -> Iterator[Cloud]:
    """A project whose instances are deleted in the end."""
    yield cloud
    sql.tidy(cloud)


def _names(cloud: Cloud, what: str, instance: str = "db") -> list[str]:
    return [one["name"] for one in cloud.ok("GET", f"{INSTANCES}/{instance}/{what}").get("items", [])]


def test_a_mysql_instance_is_a_record(cloud: Cloud) -> None:
    """One public address, its root user, its own databases; nothing runs, and it is stopped and deleted as others."""
    do(cloud, "POST", INSTANCES, MYSQL)
    shown = cloud.ok("GET", DB)
    assert (shown["state"], [one["type"] for one in shown["ipAddresses"]]) == ("RUNNABLE", ["PRIMARY"])
    assert set(shown["geminiConfig"]) >= {"flagRecommenderEnabled"}
    assert _names(cloud, "users") == ["root"]
    assert "mysql" in _names(cloud, "databases")
    do(cloud, "PATCH", DB, {"settings": {"activationPolicy": "NEVER"}})
    assert reason(cloud.get(f"{DB}/users")) == (400, "invalid")
    do(cloud, "DELETE", DB)
    assert cloud.get(DB).status == 404


def test_mysql_knows_a_user_by_name_and_host(cloud: Cloud) -> None:
    """Its errors are MySQL's own, as recorded."""
    do(cloud, "POST", INSTANCES, MYSQL)
    refused = cloud.call("DELETE", f"{DB}/users?name=root")
    text = "Invalid request: Error 1396: Operation DROP USER failed for 'root'@''."
    assert (reason(refused), message(refused)) == ((400, "invalid"), text)
    do(cloud, "DELETE", f"{DB}/users?name=root&host=%25")
    assert cloud.ok("GET", f"{DB}/users") == {"kind": "sql#usersList"}
    policy = {"passwordExpirationDuration": "86400s", "allowedFailedAttempts": 3}
    do(cloud, "POST", f"{DB}/users", {"name": "u", "host": "%", "password": "p", "passwordPolicy": policy})
    (user,) = cloud.ok("GET", f"{DB}/users")["items"]
    assert policy.items() <= user["passwordPolicy"].items()
    assert user["passwordPolicy"]["status"]["passwordExpirationTime"].endswith("Z")
    again = cloud.post(f"{DB}/users", {"name": "u", "host": "%", "password": "p"})
    assert message(again).endswith("Operation CREATE USER failed for 'u'@'%'.")
    do(cloud, "PUT", f"{DB}/users?name=u&host=%25", {"password": "q"})
    assert cloud.call("PUT", f"{DB}/users?name=u&host=h", {"password": "q"}).status == 400


def test_mysql_databases_have_charsets(cloud: Cloud) -> None:
    """A charset brings its collation; patch changes what is sent, update goes back to the defaults."""
    do(cloud, "POST", INSTANCES, MYSQL)
    do(cloud, "POST", f"{DB}/databases", {"name": "shop", "charset": "utf8"})
    assert cloud.ok("GET", f"{DB}/databases/shop")["collation"] == "utf8_general_ci"
    again = cloud.post(f"{DB}/databases", {"name": "shop"})
    assert "Can't create database 'shop'; database exists" in message(again)
    done = do(cloud, "PATCH", f"{DB}/databases/shop", {"charset": "latin1"})
    assert done["operationType"] == "UPDATE_DATABASE"
    do(cloud, "PUT", f"{DB}/databases/shop", {"name": "shop"})
    assert cloud.ok("GET", f"{DB}/databases/shop")["charset"] == "utf8mb4"
    do(cloud, "DELETE", f"{DB}/databases/shop")
    assert cloud.get(f"{DB}/databases/shop").status == 404


def test_mysql_needs_its_log_to_be_highly_available(cloud: Cloud) -> None:
    """And backups for its log."""
    for backup, words in (
        ({"enabled": True}, "MySQL HA non-replica instances need to have binary logging enabled."),
        ({"enabled": False, "binaryLogEnabled": True}, "Binary log must be disabled when backup is disabled"),
    ):
        settings = {**MYSQL["settings"], "availabilityType": "REGIONAL", "backupConfiguration": backup}
        assert words in message(cloud.post(INSTANCES, {**MYSQL, "settings": settings}))


def test_a_sql_server_instance_is_a_record(cloud: Cloud) -> None:
    """It needs a root password, has three logins and no Gemini."""
    without = {key: value for key, value in SQLSERVER.items() if key != "rootPassword"}
    assert cloud.post(INSTANCES, without).status == 400
    do(cloud, "POST", INSTANCES, SQLSERVER)
    shown = cloud.ok("GET", DB)
    assert "geminiConfig" not in shown
    assert "rootPassword" not in shown
    users = cloud.ok("GET", f"{DB}/users")["items"]
    assert [one["sqlserverUserDetails"] for one in users] == [
        {"disabled": True},
        {"disabled": True},
        {"serverRoles": ["CustomerDbRootRole"]},
    ]
    do(cloud, "POST", f"{DB}/users", {"name": "app", "password": "p"})
    assert reason(cloud.post(f"{DB}/users", {"name": "app", "password": "p"})) == (400, "invalid")
    assert cloud.call("DELETE", f"{DB}/users?name=nobody").status == 404


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"databaseVersion": "MYSQL_5_7"}, "Cannot change the database version from MYSQL_8_0 to MYSQL_5_7"),
        ({"databaseVersion": "POSTGRES_17"}, "Cannot change the database version"),
        ({"maintenanceVersion": "MYSQL_8_0_99.R20990101.00_00"}, "Invalid maintenance version"),
    ],
)
def test_an_upgrade_goes_up_within_its_engine(cloud: Cloud, sent: dict[str, Any], words: str) -> None:
    """Anything else is refused; what was read long ago and is sent back is nothing."""
    do(cloud, "POST", INSTANCES, MYSQL)
    assert words in message(cloud.call("PATCH", DB, sent))
    before = cloud.ok("GET", DB)
    do(cloud, "PATCH", DB, {"maintenanceVersion": "MYSQL_8_0_18.R20210101.00_00"})
    assert cloud.ok("GET", DB)["maintenanceVersion"] == before["maintenanceVersion"]
    do(cloud, "PATCH", DB, {"databaseVersion": "MYSQL_8_4"})
    after = cloud.ok("GET", DB)
    assert after["databaseInstalledVersion"].startswith("MYSQL_8_4_")
    assert "upgradableDatabaseVersions" not in after


def test_a_backup_of_a_record_is_a_record(cloud: Cloud) -> None:
    """It succeeds, is restored and deleted."""
    do(cloud, "POST", INSTANCES, MYSQL)
    do(cloud, "POST", f"{DB}/backupRuns", {})
    (run,) = cloud.ok("GET", f"{INSTANCES}/-/backupRuns")["items"]
    assert (run["status"], run["location"]) == ("SUCCESSFUL", "eu")
    do(cloud, "POST", f"{DB}/restoreBackup", {"restoreBackupContext": {"backupRunId": run["id"]}})
    do(cloud, "DELETE", f"{DB}/backupRuns/{run['id']}")
    assert reason(cloud.get(f"{DB}/backupRuns/{run['id']}")) == (404, "backupRunDoesNotExist")


def _replica(cloud: Cloud) -> None:
    sent = {**body("copy"), "masterInstanceName": "db"}
    assert do(cloud, "POST", INSTANCES, sent)["operationType"] == "CREATE_REPLICA"


def test_a_replica_shows_what_its_primary_has(cloud: Cloud) -> None:
    """Nothing can be written into it, and the primary stays as long as it does."""
    do(cloud, "POST", INSTANCES, body())
    do(cloud, "POST", f"{DB}/databases", {"name": "d"})
    backups = {**body("copy", backupConfiguration={"enabled": True}), "masterInstanceName": "db"}
    assert "Backups cannot be enabled for read replica instance.." in message(cloud.post(INSTANCES, backups))
    _replica(cloud)
    shown = cloud.ok("GET", f"{INSTANCES}/copy")
    assert (shown["instanceType"], shown["masterInstanceName"]) == (
        "READ_REPLICA_INSTANCE",
        f"{cloud.project}:db",
    )
    assert cloud.ok("GET", DB)["replicaNames"] == ["copy"]
    assert _names(cloud, "databases", "copy") == ["d", "postgres"]
    assert cloud.post(f"{INSTANCES}/copy/databases", {"name": "e"}).status == 400
    assert cloud.call("DELETE", DB).status == 400
    do(cloud, "DELETE", f"{INSTANCES}/copy")
    assert "replicaNames" not in cloud.ok("GET", DB)


def _login(cloud: Cloud, running: Running, instance: str, user: str, password: str) -> str:
    where = sql.cluster(cloud, running, instance)
    environment = {"PGHOST": str(where.sockets), "PGPASSWORD": password, "PATH": os.defpath}
    ended = subprocess.run(
        ["psql", "-U", user, "-d", "d", "-Atc", "SELECT x FROM t"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return (ended.stdout or ended.stderr).strip()


@pytest.mark.parametrize("how", ["clone", "promoteReplica"])
def test_a_copy_has_the_data_the_users_and_their_passwords(cloud: Cloud, running: Running, how: str) -> None:
    """A clone, or a replica that is promoted, is an instance of its own from then on."""
    do(cloud, "POST", INSTANCES, body())
    do(cloud, "POST", f"{DB}/databases", {"name": "d"})
    do(cloud, "POST", f"{DB}/users", {"name": "u", "password": "geheim"})
    origin = sql.cluster(cloud, running)
    postgres.run_sql(origin, "CREATE TABLE t (x int); INSERT INTO t VALUES (7); GRANT SELECT ON t TO u", "d")
    if how == "clone":
        do(cloud, "POST", f"{DB}/clone", {"cloneContext": {"destinationInstanceName": "copy"}})
    else:
        _replica(cloud)
        do(cloud, "POST", f"{INSTANCES}/copy/promoteReplica", {})
    postgres.run_sql(origin, "UPDATE t SET x = 8", "d")
    assert _login(cloud, running, "copy", "u", "geheim") == "7"
    assert "password authentication failed" in _login(cloud, running, "copy", "u", "wrong")
    shown = cloud.ok("GET", f"{INSTANCES}/copy")
    assert (shown["state"], shown["instanceType"]) == ("RUNNABLE", "CLOUD_SQL_INSTANCE")
    assert "replicaNames" not in cloud.ok("GET", DB)
    do(cloud, "POST", f"{INSTANCES}/copy/databases", {"name": "e"})
    assert "e" not in _names(cloud, "databases")
