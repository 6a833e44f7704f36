"""Cloud SQL Admin, over real PostgreSQL servers."""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from reconciler.sandbox.control import Running
from reconciler.sandbox.runtime import postgres
from tests.sandbox.calls import Cloud
from tests.sandbox.services.networked import make_network, reserve
from tests.sandbox.services.sql import DB, REGION, ROOT, body, cluster, do, message, reason, wait


@pytest.fixture(name="made")
def _made(cloud: Cloud) -> Iterator[Cloud]:
    """A project with the instance db, while it is looked at: databases take memory."""
    do(cloud, "POST", f"{ROOT}/instances", body())
    yield cloud
    cloud.call("DELETE", DB)


def test_an_instance_goes_through_its_states(cloud: Cloud) -> None:
    """PENDING_CREATE without addresses, then RUNNABLE with them; the operation is pending first."""
    started = cloud.ok("POST", f"{ROOT}/instances", body())
    assert (started["status"], started["operationType"], started["targetId"]) == ("PENDING", "CREATE", "db")
    early = cloud.ok("GET", DB)
    assert early["state"] in ("PENDING_CREATE", "RUNNABLE")
    assert ("ipAddresses" in early) == (early["state"] == "RUNNABLE")
    done = wait(cloud, started)
    assert {"startTime", "endTime"} <= set(done)
    shown = cloud.ok("GET", DB)
    assert shown["state"] == "RUNNABLE"
    assert [one["type"] for one in shown["ipAddresses"]] == ["PRIMARY", "OUTGOING"]


def test_the_server_fills_in_the_recorded_defaults(made: Cloud) -> None:
    """Fields and values of the recorded real answers; the backup's hour is the server's choice."""
    shown = made.ok("GET", DB)
    settings = shown["settings"]
    assert (
        settings.pop("backupConfiguration").items()
        >= {
            "enabled": False,
            "backupRetentionSettings": {"retainedBackups": 7, "retentionUnit": "COUNT"},
            "transactionLogRetentionDays": 7,
            "backupTier": "STANDARD",
        }.items()
    )
    assert settings == {
        "kind": "sql#settings",
        "tier": "db-f1-micro",
        "edition": "ENTERPRISE",
        "settingsVersion": "1",
        "activationPolicy": "ALWAYS",
        "authorizedGaeApplications": [],
        "availabilityType": "ZONAL",
        "connectorEnforcement": "NOT_REQUIRED",
        "dataDiskSizeGb": "10",
        "dataDiskType": "PD_SSD",
        "deletionProtectionEnabled": False,
        "pricingPlan": "PER_USE",
        "replicationType": "SYNCHRONOUS",
        "replicationLagMaxSeconds": 31536000,
        "storageAutoResize": True,
        "storageAutoResizeLimit": "0",
        "locationPreference": {"kind": "sql#locationPreference", "zone": f"{REGION}-c"},
        "ipConfiguration": {
            "ipv4Enabled": True,
            "authorizedNetworks": [],
            "requireSsl": False,
            "serverCertificateRotationMode": "SERVER_CERTIFICATE_ROTATION_MODE_UNSPECIFIED",
            "sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
        },
    }
    assert shown["connectionName"] == f"{made.project}:{REGION}:db"


def test_both_versions_show_the_same_instance_with_their_own_links(made: Cloud) -> None:
    """v1 and v1beta4."""
    new, old = made.ok("GET", DB), made.ok("GET", "/sql/v1beta4/projects/{P}/instances/db")
    assert new.pop("selfLink") == f"https://sqladmin.googleapis.com/v1/projects/{made.project}/instances/db"
    assert (
        old.pop("selfLink")
        == f"https://sqladmin.googleapis.com/sql/v1beta4/projects/{made.project}/instances/db"
    )
    assert new == old


def test_what_is_not_there_is_missing_in_the_recorded_words(cloud: Cloud) -> None:
    """Instance, operation; an instance's children as well."""
    missing = cloud.get(DB)
    assert reason(missing) == (404, "instanceDoesNotExist")
    assert missing.error["message"] == "The Cloud SQL instance does not exist."
    assert "status" not in missing.error
    assert reason(cloud.get(f"{DB}/databases")) == (404, "instanceDoesNotExist")
    assert cloud.get(f"{ROOT}/operations/nothing").status == 404


def test_one_operation_at_a_time(cloud: Cloud) -> None:
    """A second one, of the instance or its children, is refused."""
    started = cloud.ok("POST", f"{ROOT}/instances", body())
    refused = [
        cloud.call("PATCH", DB, {"settings": {"userLabels": {"a": "b"}}}),
        cloud.call("DELETE", DB),
    ]
    early = cloud.ok("GET", f"{ROOT}/operations/{started['name']}")["status"] != "DONE"
    wait(cloud, started)
    assert early, "the operation was over before the others came; the test shows nothing"
    assert [reason(one) for one in refused] == [(409, "operationInProgress")] * 2
    backup = cloud.ok("POST", f"{DB}/backupRuns", {})
    user = cloud.post(f"{DB}/users", {"name": "u", "password": "p"})
    wait(cloud, backup)
    assert reason(user) == (409, "operationInProgress")


def test_null_in_a_patch_clears(made: Cloud) -> None:
    """What `gcloud sql instances patch --maintenance-window-any` sends; the rest stays as it is."""
    window = {"day": 7, "hour": 4}
    do(made, "PATCH", DB, {"settings": {"maintenanceWindow": window, "userLabels": {"a": "b"}}})
    do(
        made,
        "PATCH",
        DB,
        {"settings": {"maintenanceWindow": None, "backupConfiguration": {"startTime": None}}},
    )
    settings = made.ok("GET", DB)["settings"]
    assert "maintenanceWindow" not in settings
    assert settings["userLabels"] == {"a": "b"}


def test_patch_merges_and_put_replaces(made: Cloud) -> None:
    """Unnamed settings stay with PATCH, and go back to their defaults with PUT. Maps are replaced as a whole."""
    backup = {"enabled": True, "startTime": "03:00"}
    do(made, "PATCH", DB, {"settings": {"backupConfiguration": backup, "userLabels": {"a": "b"}}})
    do(
        made,
        "PATCH",
        DB,
        {"settings": {"userLabels": {"c": "d"}, "backupConfiguration": {"startTime": "04:00"}}},
    )
    settings = made.ok("GET", DB)["settings"]
    assert settings["userLabels"] == {"c": "d"}
    assert (settings["backupConfiguration"]["enabled"], settings["backupConfiguration"]["startTime"]) == (
        True,
        "04:00",
    )
    assert settings["settingsVersion"] == "3"
    do(made, "PUT", DB, {"settings": {"tier": "db-g1-small", "settingsVersion": "3"}})
    settings = made.ok("GET", DB)["settings"]
    assert "userLabels" not in settings
    assert (settings["tier"], settings["backupConfiguration"]["enabled"]) == ("db-g1-small", False)
    assert made.call("PUT", DB, {"settings": {"tier": "db-g1-small"}}).status == 400


def test_a_stale_settings_version_is_refused(made: Cloud) -> None:
    """412 for a plan that is out of date."""
    do(made, "PATCH", DB, {"settings": {"userLabels": {"a": "b"}}})
    stale = made.call("PATCH", DB, {"settings": {"userLabels": {}, "settingsVersion": "1"}})
    assert reason(stale) == (412, "staleData")


def _started(cloud: Cloud, running: Running) -> str:
    return postgres.run_sql(cluster(cloud, running), "SELECT pg_postmaster_start_time()")[0][0]


def test_tier_and_flags_restart_and_labels_do_not(made: Cloud, running: Running) -> None:
    """The tier decides the number of connections unless a flag does."""
    show = "SHOW max_connections"
    first = _started(made, running)
    assert postgres.run_sql(cluster(made, running), show) == [["25"]]
    do(made, "PATCH", DB, {"settings": {"userLabels": {"a": "b"}}})
    assert _started(made, running) == first
    do(made, "PATCH", DB, {"settings": {"tier": "db-g1-small"}})
    assert postgres.run_sql(cluster(made, running), show) == [["50"]]
    do(made, "PATCH", DB, {"settings": {"databaseFlags": [{"name": "max_connections", "value": "70"}]}})
    assert postgres.run_sql(cluster(made, running), show) == [["70"]]
    second = _started(made, running)
    do(made, "PATCH", DB, {"settings": {"databaseFlags": [{"name": "log_min_messages", "value": "error"}]}})
    third = _started(made, running)
    do(made, "POST", f"{DB}/restart")
    assert first < second < third < _started(made, running)


def test_a_flag_that_needs_no_restart_takes_effect_at_once(made: Cloud, running: Running) -> None:
    """The server goes on, and so do its connections."""
    first = _started(made, running)
    do(made, "PATCH", DB, {"settings": {"databaseFlags": [{"name": "work_mem", "value": "8192"}]}})
    assert postgres.run_sql(cluster(made, running), "SHOW work_mem") == [["8MB"]]
    do(made, "PATCH", DB, {"settings": {"databaseFlags": []}})
    assert postgres.run_sql(cluster(made, running), "SHOW work_mem") == [["4MB"]]
    assert _started(made, running) == first


@pytest.mark.parametrize(
    ("name", "value"), [("work_mem", "8MB"), ("max_connections", "0"), ("autovacuum", "sometimes")]
)
def test_a_flags_value_is_checked(made: Cloud, name: str, value: str) -> None:
    """Numbers have no unit and stay within PostgreSQL's bounds; switches are on or off."""
    refused = made.call("PATCH", DB, {"settings": {"databaseFlags": [{"name": name, "value": value}]}})
    assert (reason(refused), message(refused)) == ((400, "invalidFlagValue"), "Value requested is not valid.")


def test_a_flag_that_postgresql_cannot_start_with_changes_nothing(made: Cloud, running: Running) -> None:
    """The operation fails, and the server runs as it did."""
    flags = [{"name": "huge_pages", "value": "on"}]
    done = wait(made, made.ok("PATCH", DB, {"settings": {"databaseFlags": flags}}))
    assert done["error"]["errors"][0]["code"] == "INTERNAL_ERROR"
    assert "databaseFlags" not in made.ok("GET", DB)["settings"]
    assert postgres.running(cluster(made, running))


def test_activation_policy_never_stops_it(made: Cloud, running: Running) -> None:
    """Its databases cannot be asked for then; ALWAYS brings them back."""
    do(made, "PATCH", DB, {"settings": {"activationPolicy": "NEVER"}})
    assert not postgres.running(cluster(made, running))
    refused = [made.get(f"{DB}/{what}") for what in ("databases", "databases/postgres", "users")]
    refused += [made.post(f"{DB}/{what}", {"name": "late"}) for what in ("databases", "users")]
    assert {reason(one) for one in refused} == {(400, "invalid")}
    text = "Invalid request: Invalid request since instance is not running."
    assert {one.error["message"] for one in refused} == {text}
    for late in ("restart", "backupRuns"):
        assert reason(made.call("POST", f"{DB}/{late}", {})) == (409, "invalidState")
    do(made, "PATCH", DB, {"settings": {"activationPolicy": "ALWAYS"}})
    assert made.get(f"{DB}/databases").status == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (body(name="Db"), "Invalid instance name (Db)"),
        (body(name="d" * 97), "Invalid instance name"),
        ({**body(), "region": "paris"}, "Invalid region"),
        ({**body(), "region": "europe-west7"}, "Invalid region (europe-west7)"),
        (body(ipConfiguration={"sslMode": "ENCRYPTED_ONLY", "requireSsl": True}), "requireSsl to be false"),
        ({**body(), "settings": {}}, "Missing parameter: tier"),
        (
            {**body(), "settings": {"tier": "db-f1-micro"}},
            "Invalid Tier (db-f1-micro) for (ENTERPRISE_PLUS) Edition.",
        ),
        (body(tier="db-n1-standard-1"), "Only custom or shared-core instance Billing Tier type allowed"),
        (
            body(tier="db-perf-optimized-N-2"),
            "Invalid Tier (db-perf-optimized-N-2) for (ENTERPRISE) Edition",
        ),
        (
            {**body(tier="db-perf-optimized-N-2", edition="ENTERPRISE_PLUS"), "region": "europe-north2"},
            "Tier (db-perf-optimized-N-2) is not available in region (europe-north2).",
        ),
        (body(tier="db-custom-3-3840"), "1 or an even number"),
        (body(tier="db-custom-1-3900"), "multiple of 256 MB"),
        (body(tier="db-custom-1-8192"), "0.9 to 6.5 GB for each vCPU"),
        (body(dataDiskSizeGb="9"), "at least 10 GB"),
        (body(backupConfiguration={"transactionLogRetentionDays": 8}), "must be between 1 and 7."),
        (body(backupConfiguration={"startTime": "25:00"}), "Invalid backup start time (25:00)"),
        (body(backupConfiguration={"pointInTimeRecoveryEnabled": True}), "backups are disabled"),
        (body(availabilityType="REGIONAL"), "Regional availability needs"),
        (body(ipConfiguration={"ipv4Enabled": False}), "At least one of Public IP or Private IP"),
        (
            body(ipConfiguration={"privateNetwork": "projects/p/global/networks/n"}),
            "SERVICE_NETWORKING_NOT_ENABLED",
        ),
        (
            body(databaseFlags=[{"name": "no_such_flag", "value": "1"}]),
            "Flag (no_such_flag) is not supported",
        ),
        (body(userLabels={"A": "b"}), "Invalid user label"),
    ],
)
def test_what_cloud_sql_refuses_is_refused(cloud: Cloud, body: dict[str, Any], words: str) -> None:
    """400 before anything is made."""
    refused = cloud.post(f"{ROOT}/instances", body)
    assert refused.status == 400, refused.body
    assert words in refused.error["message"]
    assert "items" not in cloud.ok("GET", f"{ROOT}/instances")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"region": "us-central1"}, "region cannot be updated"),
        ({"instanceType": "READ_REPLICA_INSTANCE"}, "instanceType cannot be updated"),
        ({"databaseVersion": "POSTGRES_15"}, "Cannot change the database version"),
        ({"settings": {"dataDiskType": "PD_HDD"}}, "dataDiskType cannot be updated"),
    ],
)
def test_what_is_fixed_stays_fixed(made: Cloud, body: dict[str, Any], words: str) -> None:
    """400, and nothing changes."""
    before = made.ok("GET", DB)
    refused = made.call("PATCH", DB, body)
    assert refused.status == 400
    assert words in refused.error["message"]
    assert made.ok("GET", DB) == before


def test_a_disk_never_shrinks(made: Cloud) -> None:
    """It grows, and stays so."""
    do(made, "PATCH", DB, {"settings": {"dataDiskSizeGb": "20"}})
    assert made.call("PATCH", DB, {"settings": {"dataDiskSizeGb": "15"}}).status == 400
    assert made.ok("GET", DB)["settings"]["dataDiskSizeGb"] == "20"


def test_protection_and_deletion(made: Cloud, running: Running) -> None:
    """A protected instance stays; a deleted one leaves nothing, and its name can be used again at once."""
    do(made, "PATCH", DB, {"settings": {"deletionProtectionEnabled": True}})
    refused = made.call("DELETE", DB)
    assert refused.status == 400
    assert "deletion protection" in refused.error["message"]
    do(made, "PATCH", DB, {"settings": {"deletionProtectionEnabled": False}})
    where = cluster(made, running)
    do(made, "DELETE", DB)
    assert made.get(DB).status == 404
    assert not where.files.exists()
    do(made, "POST", f"{ROOT}/instances", body())
    again = made.post(f"{ROOT}/instances", body())
    assert reason(again) == (409, "instanceAlreadyExists")


def test_databases_are_postgresqls_own(made: Cloud, running: Running) -> None:
    """Made, listed and dropped in the server; what it refuses is answered in its words."""
    assert [one["name"] for one in made.ok("GET", f"{DB}/databases")["items"]] == ["postgres"]
    done = made.ok("POST", f"{DB}/databases", {"name": "mlflow"})
    assert (done["status"], done["operationType"]) == ("DONE", "CREATE_DATABASE")
    again = made.post(f"{DB}/databases", {"name": "mlflow"})
    text = 'Invalid request: failed to create database mlflow. Detail: pq: database "mlflow" already exists.'
    assert (again.status, again.error["message"]) == (400, text)
    shown = made.ok("GET", f"{DB}/databases/mlflow")
    assert (shown["charset"], shown["collation"]) == ("UTF8", "en_US.UTF8")
    assert ["mlflow"] in postgres.run_sql(cluster(made, running), "SELECT datname FROM pg_database")
    made.ok("DELETE", f"{DB}/databases/mlflow")
    assert reason(made.get(f"{DB}/databases/mlflow")) == (404, "notFound")
    assert made.call("DELETE", f"{DB}/databases/mlflow").status == 404


def test_users_are_postgresqls_own(made: Cloud, running: Running) -> None:
    """With their passwords, which no answer shows; `postgres` is there from the start."""
    assert [one["name"] for one in made.ok("GET", f"{DB}/users")["items"]] == ["postgres"]
    made.ok("POST", f"{DB}/users", {"name": "mlflow", "password": "one"})
    made.ok("PUT", f"{DB}/users?name=mlflow", {"password": "two"})
    shown = made.ok("GET", f"{DB}/users/mlflow")
    assert shown == {
        "kind": "sql#user", "name": "mlflow", "host": "", "instance": "db", "project": made.project,
        "etag": shown["etag"], "iamStatus": "IAM_STATUS_UNSPECIFIED",
    }  # fmt: skip
    made.ok("POST", f"{DB}/databases", {"name": "d"})
    postgres.run_sql(cluster(made, running), "SET ROLE mlflow; CREATE TABLE public.t (x int)", "d")
    owned = made.call("DELETE", f"{DB}/users?name=mlflow")
    assert owned.status == 400
    assert "cannot be dropped because some objects depend on it" in owned.error["message"]
    made.ok("DELETE", f"{DB}/databases/d")
    made.ok("DELETE", f"{DB}/users?name=mlflow")
    assert made.get(f"{DB}/users/mlflow").status == 404
    assert made.call("PUT", f"{DB}/users?name=mlflow", {"password": "x"}).status == 404


def test_passwords_are_in_no_file_but_postgresqls(made: Cloud, running: Running) -> None:
    """Neither in the sandbox's state nor in a log."""
    made.ok("POST", f"{DB}/users", {"name": "u", "password": "find-me-nowhere"})
    made.ok("PUT", f"{DB}/users?name=u", {"password": "find-me-nowhere"})
    logs = [*(running.home / "logs").rglob("*"), *running.home.glob("state.db*"), cluster(made, running).log]
    assert [one for one in logs if one.is_file() and b"find-me-nowhere" in one.read_bytes()] == []


def test_a_backup_brings_back_what_was_lost(made: Cloud, running: Running) -> None:
    """A real copy of everything: databases with their owners, users with their passwords; what came later is gone."""
    made.ok("POST", f"{DB}/databases", {"name": "d"})
    made.ok("POST", f"{DB}/users", {"name": "u", "password": "p"})
    where = cluster(made, running)
    postgres.run_sql(where, "CREATE TABLE t (x int); INSERT INTO t VALUES (7); ALTER TABLE t OWNER TO u", "d")
    secret = "SELECT rolpassword FROM pg_authid WHERE rolname = 'u'"
    (hashed,) = postgres.run_sql(where, secret)
    started = made.ok("POST", f"{DB}/backupRuns", {"description": "before"})
    assert started["operationType"] == "BACKUP_VOLUME"
    wait(made, started)
    (run,) = made.ok("GET", f"{DB}/backupRuns")["items"]
    assert (run["status"], run["type"], run["description"]) == ("SUCCESSFUL", "ON_DEMAND", "before")
    made.ok("DELETE", f"{DB}/databases/d")
    made.ok("DELETE", f"{DB}/users?name=u")
    made.ok("POST", f"{DB}/databases", {"name": "later"})
    made.ok("POST", f"{DB}/users", {"name": "later", "password": "p"})
    postgres.run_sql(where, "CREATE TABLE stray (x int); ALTER TABLE stray OWNER TO later")
    do(made, "POST", f"{DB}/restoreBackup", {"restoreBackupContext": {"backupRunId": run["id"]}})
    assert postgres.run_sql(where, "SELECT x FROM t", "d") == [["7"]]
    assert made.get(f"{DB}/databases/later").status == 404
    assert [one["name"] for one in made.ok("GET", f"{DB}/users")["items"]] == ["postgres", "u"]
    assert postgres.run_sql(where, secret) == [hashed]
    owner = "SELECT tableowner FROM pg_tables WHERE tablename IN ('t', 'stray')"
    assert (postgres.run_sql(where, owner, "d"), postgres.run_sql(where, owner)) == ([["u"]], [])
    do(made, "DELETE", f"{DB}/backupRuns/{run['id']}")
    assert "items" not in made.ok("GET", f"{DB}/backupRuns")


def test_lists_have_their_kinds_and_filters(made: Cloud) -> None:
    """Instances by label; operations of one instance, newest first; tiers and flags."""
    do(made, "PATCH", DB, {"settings": {"userLabels": {"a": "b"}}})
    found = made.ok("GET", f"{ROOT}/instances?filter=settings.userLabels.a:b")
    assert [one["name"] for one in found["items"]] == ["db"]
    assert made.ok("GET", f"{ROOT}/instances?filter=settings.userLabels.a:c") == {"kind": "sql#instancesList"}
    kinds = [one["operationType"] for one in made.ok("GET", f"{ROOT}/operations?instance=db")["items"]]
    assert kinds == ["UPDATE", "CREATE"]
    regions = {one["tier"]: one["region"] for one in made.ok("GET", f"{ROOT}/tiers")["items"]}
    assert "europe-north2" in regions["db-f1-micro"]
    assert {"europe-west9", "europe-north2"} & {*regions["db-perf-optimized-N-2"]} == {"europe-west9"}
    assert "max_connections" in [one["name"] for one in made.ok("GET", "/v1/flags")["items"]]


def test_iam_users_log_in_without_a_password(made: Cloud) -> None:
    """Their kind is told by the role that they are members of."""
    for kind, name in (("CLOUD_IAM_USER", "a@b.example"), ("CLOUD_IAM_SERVICE_ACCOUNT", "s@p.iam")):
        made.ok("POST", f"{DB}/users", {"name": name, "type": kind})
        assert made.ok("GET", f"{DB}/users/{name}")["type"] == kind
    group = {"name": "g@b.example", "type": "CLOUD_IAM_GROUP"}
    made.ok("POST", f"{DB}/users", group)
    assert len(made.ok("GET", f"{DB}/users")["items"]) == 4
    full = made.post(f"{DB}/users", {"name": "s@p.iam.gserviceaccount.com", "type": "CLOUD_IAM_USER"})
    assert "must not end in .gserviceaccount.com" in message(full)


def test_a_private_address_comes_out_of_the_networks_connection(cloud: Cloud) -> None:
    """It is kept when the public one is given up, cannot be given up itself, and is free once the instance is gone."""
    cloud.enable("compute", "servicenetworking")
    network = f"projects/{cloud.project}/global/networks/n"
    make_network(cloud, "n")
    reserve(cloud, "r", "n", prefix=24, address="10.9.8.0")
    private: dict[str, Any] = {
        "ipConfiguration": {"privateNetwork": f"https://compute.googleapis.com/compute/v1/{network}"}
    }
    refused = cloud.post(f"{ROOT}/instances", body(**private))
    assert "NETWORK_NOT_PEERED" in message(refused)
    connection = {"network": network.replace(cloud.project, cloud.number), "reservedPeeringRanges": ["r"]}
    services = "/v1/services/servicenetworking.googleapis.com"
    cloud.wait(cloud.ok("POST", f"{services}/connections", connection))
    do(cloud, "POST", f"{ROOT}/instances", body(**private))
    do(cloud, "PATCH", DB, {"settings": {"ipConfiguration": {"ipv4Enabled": False}}})
    shown = cloud.ok("GET", DB)
    assert shown["settings"]["ipConfiguration"]["privateNetwork"] == network
    assert [one["type"] for one in shown["ipAddresses"]] == ["PRIVATE"]
    assert shown["ipAddresses"][0]["ipAddress"].startswith("10.9.8.")
    both = {"ipv4Enabled": True, "privateNetwork": ""}
    removed = cloud.call("PATCH", DB, {"settings": {"ipConfiguration": both}})
    assert "cannot be removed" in message(removed)
    do(cloud, "DELETE", DB)
    do(cloud, "POST", f"{ROOT}/instances", body(**private))
    assert shown["ipAddresses"][0] in cloud.ok("GET", DB)["ipAddresses"]
    do(cloud, "DELETE", DB)


@pytest.mark.parametrize("version", ["v1", "v1beta4"])
def test_googles_own_client_reads_it(made: Cloud, version: str) -> None:
    """googleapiclient, with both documents."""
    from google.auth.credentials import AnonymousCredentials
    from googleapiclient import discovery

    client: Any = cast("Any", discovery).build(
        "sqladmin", version, credentials=AnonymousCredentials(), client_options={"api_endpoint": made.url}
    )
    found = client.instances().get(project=made.project, instance="db").execute()
    assert found["state"] == "RUNNABLE"
    users = client.users().list(project=made.project, instance="db").execute()
    assert [one["name"] for one in users["items"]] == ["postgres"]
