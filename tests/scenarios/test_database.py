"""One deployment is walked through the options of its database: what a client logged survives every step.

Each step says what it changes and nothing else, is applied, and leaves nothing to do.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.sandbox.runtime import postgres
from tests.environments import mlflow_pythons
from tests.relay import relay
from tests.scenarios.command import Bench, Ended, plain_env, sandbox

PROJECT, REGION, NAME = "mlflow-sandbox", "europe-west1", "mlflow-walk"
INSTANCE = f"sqladmin.instance/{NAME}"
SPEC = f"""version: 1
name: {NAME}
project: {PROJECT}
region: {REGION}
auth: {{mode: basic}}
scaling: {{max_instances: 1}}
memory: 512Mi
database:
"""
LOGGED = """
import mlflow
mlflow.set_experiment("walk")
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.25)
    mlflow.log_text("kept", "note.txt")
print(run.info.run_id)
"""
PLAIN = "  deletion_protection: false\n"
RECOVERABLE = "  backups: {point_in_time_recovery: true}\n"
PLUS = "  edition: enterprise-plus\n  tier: db-perf-optimized-N-2\n"


@dataclass(frozen=True)
class Walk:
    """The deployment: its spec file, the run that was logged first, and how MLflow is reached."""

    bench: Bench
    spec: Path
    address: Mapping[str, str]
    run_id: str

    def write(self, database: str) -> None:
        """Give the spec this section `database`."""
        self.spec.write_text(SPEC + database)

    def planned(self, database: str) -> dict[str, tuple[Any, Any]]:
        """What a plan would change of the instance, by field: from what to what. Of nothing else is there a change."""
        self.write(database)
        ended = self.bench.run("plan", "--sandbox", "--format", "json", str(self.spec))
        assert ended.code in (0, 2), ended.said
        changes = [
            c for c in json.loads(ended.out)["resource_changes"] if c["change"]["actions"] != ["no-op"]
        ]
        assert [change["address"] for change in changes] in ([], [INSTANCE]), changes
        return _fields(changes[0]["change"]) if changes else {}

    def told(self, database: str) -> str:
        """What a plan says to people."""
        self.write(database)
        return self.bench.run("plan", "--sandbox", str(self.spec)).said

    def applied(self, database: str) -> int:
        """Apply the section; how many PATCHes that took. Nothing is left to do, and the run is still there."""
        self.write(database)
        with relay(self.bench.endpoint) as through:
            env = {"MLFLOW_RECONCILE_ENDPOINT": through.url}
            ended = self.bench.run("apply", "--yes", str(self.spec), env=env, timeout=600)
            assert ended.code == 0, ended.said
            patches = sum(request.method == "PATCH" for request in through.writes)
        with relay(self.bench.endpoint) as again:
            env = {"MLFLOW_RECONCILE_ENDPOINT": again.url}
            assert "No changes." in self.bench.run("apply", "--yes", str(self.spec), env=env).out
            assert again.writes == []
        assert self.metric() == 0.25
        return patches

    def metric(self) -> float:
        """The run's metric, asked of the server."""
        login = (self.address["MLFLOW_TRACKING_USERNAME"], self.address["MLFLOW_TRACKING_PASSWORD"])
        url = f"{self.address['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/runs/get"
        found = httpx.get(url, params={"run_id": self.run_id}, auth=login, timeout=120)
        assert found.status_code == 200, found.text
        return float(found.json()["run"]["data"]["metrics"][0]["value"])

    def sql(self, statement: str) -> str:
        """One value, asked of the PostgreSQL that stands behind the instance."""
        where = postgres.cluster(self.bench.home, PROJECT, REGION, NAME)
        return postgres.run_sql(where, statement)[0][0]

    def patched(self, settings: Mapping[str, Any]) -> httpx.Response:
        """What Cloud SQL answers to somebody else's PATCH of the settings."""
        return self.asked("PATCH", f"instances/{NAME}", {"settings": settings})

    def asked(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """What Cloud SQL answers to anybody."""
        url = f"{self.bench.endpoint}/v1/projects/{PROJECT}/{path}"
        return httpx.request(method, url, json=body, headers={"Host": "sqladmin.googleapis.com"}, timeout=60)


def _fields(change: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    before, after = change["before"], change["after"]
    fields = {*before, *after}
    return {f: (before.get(f), after.get(f)) for f in fields if before.get(f) != after.get(f)}


def _client(address: Mapping[str, str], program: str, home: Path) -> str:
    env = {**plain_env(), **address, "HOME": str(home)}
    ended = subprocess.run(
        [mlflow_pythons()[0], "-c", program],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.strip().splitlines()[-1]


def _done(ended: Ended) -> str:
    assert ended.code == 0, ended.said
    return ended.out


@pytest.fixture(scope="module", name="walk")
def _walk(tmp_path_factory: pytest.TempPathFactory) -> Generator[Walk]:
    """A deployment with nothing said about its database, and a run that MLflow's own client logged."""
    folder = tmp_path_factory.mktemp("database")
    spec = folder / "mlflow.yaml"
    spec.write_text(SPEC + PLAIN)
    with sandbox() as bench:
        _done(bench.run("apply", "--sandbox", "--yes", str(spec), timeout=600))
        lines = _done(bench.run("login", "--sandbox", str(spec))).splitlines()
        address = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        yield Walk(bench, spec, address, _client(address, LOGGED, folder))


def test_flags_are_set_changed_and_removed(walk: Walk) -> None:
    """Each flag is a field of its own; PostgreSQL has its value; a line that goes takes the flag with it."""
    two = PLAIN + '  flags: {max_connections: "40", log_min_duration_statement: "1000"}\n'
    wanted = walk.planned(two)
    assert wanted == {
        "settings.databaseFlags.max_connections": (None, "40"),
        "settings.databaseFlags.log_min_duration_statement": (None, "1000"),
    }
    assert "restarts the database" in walk.told(two)
    walk.applied(two)
    assert walk.sql("SHOW max_connections") == "40"
    assert walk.sql("SHOW log_min_duration_statement") == "1s"
    one = PLAIN + '  flags: {log_min_duration_statement: "2000"}\n'
    assert walk.planned(one) == {
        "settings.databaseFlags.max_connections": ("40", None),
        "settings.databaseFlags.log_min_duration_statement": ("1000", "2000"),
    }
    walk.applied(one)
    assert walk.sql("SHOW max_connections") == "25"
    walk.applied(PLAIN)
    assert walk.sql("SHOW log_min_duration_statement") == "-1"


def test_somebody_elses_flag_is_drift_and_a_grown_disk_is_none(walk: Walk) -> None:
    """Every flag is ours to decide; the disk may have grown by itself."""
    flags = [{"name": "work_mem", "value": "8192"}]
    assert walk.patched({"databaseFlags": flags, "dataDiskSizeGb": "25"}).status_code == 200
    assert walk.planned(PLAIN) == {"settings.databaseFlags.work_mem": ("8192", None)}
    walk.applied(PLAIN)
    assert walk.asked("GET", f"instances/{NAME}").json()["settings"]["dataDiskSizeGb"] == "25"


def test_settings_that_nobody_notices_come_and_go(walk: Walk) -> None:
    """A limit of the disk, days without maintenance, insights, a final backup: set, changed, unset."""
    before = walk.sql("SELECT pg_postmaster_start_time()")
    some = (
        PLAIN
        + "  disk_limit_gb: 100\n  query_insights: true\n  final_backup_days: 7\n"
        + '  maintenance: {deny_period: {start: "2026-12-15", end: "2027-01-05", time: "03:30"}}\n'
    )
    assert walk.planned(some) == {
        "settings.storageAutoResizeLimit": (0, 100),
        "settings.insightsConfig.queryInsightsEnabled": (False, True),
        "settings.finalBackupConfig.retentionDays": (30, 7),
        "settings.denyMaintenancePeriods": ([], ["2026-12-15/2027-01-05/03:30:00"]),
    }
    walk.applied(some)
    yearly = PLAIN + '  final_backup_days: 0\n  maintenance: {deny_period: {start: "12-15", end: "01-05"}}\n'
    walk.applied(yearly)
    shown = walk.asked("GET", f"instances/{NAME}").json()["settings"]
    assert shown["denyMaintenancePeriods"] == [{"startDate": "12-15", "endDate": "01-05", "time": "00:00:00"}]
    assert shown["finalBackupConfig"]["enabled"] is False
    walk.applied(PLAIN)
    assert walk.sql("SELECT pg_postmaster_start_time()") == before


def test_a_second_machine_comes_after_the_log_and_goes_before_it(walk: Walk) -> None:
    """Cloud SQL refuses it without backups and point-in-time recovery, whoever asks; so the order is the kind's."""
    assert walk.patched({"availabilityType": "REGIONAL"}).status_code == 400
    regional = PLAIN + RECOVERABLE + "  availability: regional\n"
    said = walk.told(regional)
    assert "doubles the price" in said
    assert walk.applied(regional) == 2
    assert walk.asked("GET", f"instances/{NAME}").json()["failoverReplica"] == {"available": True}
    assert walk.applied(PLAIN) == 2


def test_an_edition_goes_with_its_tier_and_its_days_of_log(walk: Walk) -> None:
    """35 days of log only after the edition that allows them, 7 before the one that does not."""
    plus = PLAIN + PLUS + "  backups: {point_in_time_recovery: true, log_days: 35}\n"
    assert walk.applied(plus) == 2
    assert walk.sql("SHOW max_connections") == "500"
    assert walk.applied(PLAIN + "  backups: {point_in_time_recovery: true, log_days: 7}\n") == 2
    walk.applied(PLAIN)


def test_a_major_upgrade_keeps_the_data_and_is_alone(walk: Walk) -> None:
    """The version goes up, in a PATCH of its own, and never down."""
    newer = PLAIN + "  version: 17\n  disk_limit_gb: 50\n"
    assert "no way back" in walk.told(newer)
    assert walk.applied(newer) == 2
    walk.write(PLAIN)
    refused = walk.bench.run("apply", "--sandbox", "--yes", str(walk.spec))
    assert refused.code == 5
    assert "databaseVersion cannot go down" in refused.err


def test_a_key_of_ones_own_is_opened_first_and_never_changed(walk: Walk, tmp_path: Path) -> None:
    """The agent of Cloud SQL is made and may use the key before the instance is; another key is refused."""
    _google(walk, "serviceusage", f"/v1/projects/{PROJECT}/services/cloudkms.googleapis.com:enable", {})
    place = f"/v1/projects/{PROJECT}/locations/{REGION}/keyRings"
    _google(walk, "cloudkms", f"{place}?keyRingId=walk", {})
    for key in ("first", "second"):
        _google(
            walk, "cloudkms", f"{place}/walk/cryptoKeys?cryptoKeyId={key}", {"purpose": "ENCRYPT_DECRYPT"}
        )
    spec = tmp_path / "keyed.yaml"
    key = f"projects/{PROJECT}/locations/{REGION}/keyRings/walk/cryptoKeys/first"
    spec.write_text(SPEC.replace(NAME, "mlflow-keyed") + PLAIN + f"  kms_key: {key}\n")
    _done(walk.bench.run("apply", "--sandbox", "--yes", str(spec), timeout=600))
    shown = walk.asked("GET", "instances/mlflow-keyed").json()
    assert shown["diskEncryptionConfiguration"]["kmsKeyName"] == key
    assert "No changes." in walk.bench.run("plan", "--sandbox", str(spec)).out
    spec.write_text(spec.read_text().replace("/first", "/second"))
    refused = walk.bench.run("apply", "--sandbox", "--yes", str(spec))
    assert refused.code == 5
    assert "cannot change on a live resource" in refused.err


def _google(walk: Walk, api: str, path: str, body: Mapping[str, Any]) -> None:
    url, headers = f"{walk.bench.endpoint}{path}", {"Host": f"{api}.googleapis.com"}
    made = httpx.post(url, json=body, headers=headers, timeout=60)
    assert made.status_code == 200, made.text


def test_destroyed_with_its_data_it_leaves_a_last_backup(walk: Walk) -> None:
    """The plan says so; the backup is listed; and what the client logged is in it."""
    walk.applied(PLAIN + "  version: 17\n  final_backup_days: 14\n")
    said = walk.bench.run("destroy", "--sandbox", "--dry-run", "--delete-data", str(walk.spec)).said
    assert "a last backup of it is kept for 14 days" in said
    _done(
        walk.bench.run(
            "destroy", "--sandbox", "--delete-data", "--confirm", NAME, str(walk.spec), timeout=600
        )
    )
    assert walk.asked("GET", f"instances/{NAME}").status_code == 404
    (backup,) = walk.asked("GET", "backups?filter=type:FINAL").json()["backups"]
    assert (backup["instance"], backup["state"]) == (NAME, "SUCCESSFUL")
    restored = _restored(walk, backup["name"])
    rows = postgres.run_sql(restored, "SELECT run_uuid, value FROM metrics", "mlflow")
    assert rows == [[walk.run_id, "0.25"]]


def _restored(walk: Walk, backup: str) -> postgres.Cluster:
    settings = {"tier": "db-f1-micro", "edition": "ENTERPRISE"}
    new = {"name": "again", "region": REGION, "databaseVersion": "POSTGRES_17", "settings": settings}
    _wait(walk, walk.asked("POST", "instances", new))
    _wait(walk, walk.asked("POST", "instances/again/restoreBackup", {"backup": backup}))
    return postgres.cluster(walk.bench.home, PROJECT, REGION, "again")


def _wait(walk: Walk, started: httpx.Response) -> None:
    operation = started.json()
    assert started.status_code == 200, operation
    while operation["status"] != "DONE":
        operation = walk.asked("GET", f"operations/{operation['name']}").json()
    assert "error" not in operation, operation
