"""Cloud SQL that takes its time, fails, or is bound by an organisation's policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.sandbox.control import Running
from reconciler.sandbox.runtime import postgres
from tests.sandbox.calls import Cloud
from tests.sandbox.services import sql
from tests.sandbox.services.sql import DB, INSTANCES, ROOT, body, do, message, reason, wait
from tests.sandbox.test_conditions import under

SLOWLY = {"sqladmin.*": 1.5}


@pytest.fixture(name="cloud")
def _tidied(cloud: Cloud) -> Iterator[Cloud]:
    """A project whose instances are deleted in the end."""
    yield cloud
    sql.tidy(cloud)


def test_an_instance_that_is_being_made_says_so(cloud: Cloud) -> None:
    """PENDING_CREATE without addresses and certificate; its operation is listed; nothing else can be done to it."""
    regional: dict[str, Any] = {
        "availabilityType": "REGIONAL",
        "backupConfiguration": {"enabled": True, "pointInTimeRecoveryEnabled": True},
    }
    with under(cloud, operations=SLOWLY):
        started = cloud.ok("POST", INSTANCES, body(**regional))
        early = cloud.ok("GET", DB)
        (listed,) = cloud.ok("GET", f"{ROOT}/operations?instance=db")["items"]
        second = cloud.call("PATCH", DB, {"settings": {"userLabels": {"a": "b"}}})
        child = cloud.post(f"{DB}/users", {"name": "u", "password": "p"})
        wait(cloud, started)
    absent = {"ipAddresses", "serverCaCert", "upgradableDatabaseVersions"}
    assert (early["state"], early["failoverReplica"]) == ("PENDING_CREATE", {"available": False})
    assert absent.isdisjoint(early)
    assert (listed["name"], listed["status"] in ("PENDING", "RUNNING")) == (started["name"], True)
    assert reason(second) == (409, "operationInProgress")
    assert message(child) == "Invalid request: Invalid request since instance is not running."
    shown = cloud.ok("GET", DB)
    assert (shown["state"], shown["failoverReplica"]) == ("RUNNABLE", {"available": True})
    assert absent <= set(shown)


def test_a_user_or_database_that_takes_time_is_there_when_its_operation_is_done(cloud: Cloud) -> None:
    """The answer is an operation under way, and what the engine refuses is found in it."""
    do(cloud, "POST", INSTANCES, body())
    with under(cloud, operations=SLOWLY):
        started = cloud.ok("POST", f"{DB}/users", {"name": "u", "password": "p"})
        assert started["status"] != "DONE"
        busy = cloud.post(f"{DB}/databases", {"name": "d"})
        assert cloud.get(f"{DB}/users/u").status == 404
        assert "error" not in wait(cloud, started)
    assert reason(busy) == (409, "operationInProgress")
    assert cloud.get(f"{DB}/users/u").status == 200


def test_a_refusal_that_comes_late_is_in_the_operation(cloud: Cloud, running: Running) -> None:
    """A user who owns something when the time has come to drop it."""
    do(cloud, "POST", INSTANCES, body())
    do(cloud, "POST", f"{DB}/users", {"name": "u", "password": "p"})
    do(cloud, "POST", f"{DB}/databases", {"name": "d"})
    postgres.run_sql(sql.cluster(cloud, running), "SET ROLE u; CREATE TABLE public.t (x int)", "d")
    with under(cloud, operations=SLOWLY):
        done = wait(cloud, cloud.ok("DELETE", f"{DB}/users?name=u"))
    (error,) = done["error"]["errors"]
    words = 'role "u" cannot be dropped because some objects depend on it Details: 1 object in database d.'
    assert error["message"] == f"Invalid request: failed to delete user u: . {words}"
    assert message(cloud.call("DELETE", f"{DB}/users?name=u")) == error["message"]


def test_an_instance_that_google_fails_to_make_stays_until_it_is_deleted(cloud: Cloud) -> None:
    """FAILED, with its name taken; nothing can be changed but its protection."""
    fault = {"method": "sqladmin.instances.insert", "fault": "operation-error"}
    with under(cloud, faults=[fault]):
        done = wait(cloud, cloud.ok("POST", INSTANCES, body(deletionProtectionEnabled=True)))
    assert [one["code"] for one in done["error"]["errors"]] == ["INTERNAL_ERROR"]
    assert cloud.ok("GET", DB)["state"] == "FAILED"
    assert reason(cloud.post(INSTANCES, body())) == (409, "instanceAlreadyExists")
    late = cloud.call("PATCH", DB, {"settings": {"tier": "db-g1-small"}})
    assert reason(late) == (409, "invalidState")
    assert cloud.call("DELETE", DB).status == 400
    do(cloud, "PATCH", DB, {"settings": {"deletionProtectionEnabled": False}})
    assert cloud.ok("GET", DB)["state"] == "FAILED"
    do(cloud, "DELETE", DB)
    do(cloud, "POST", INSTANCES, body())


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("users.insert", f"{DB}/users", {"name": "late", "password": "p"}),
        ("databases.insert", f"{DB}/databases", {"name": "late"}),
    ],
)
def test_what_google_fails_is_not_there(cloud: Cloud, method: str, path: str, sent: dict[str, Any]) -> None:
    """The answer is a 200 whose operation has the error; the next try works."""
    do(cloud, "POST", INSTANCES, body())
    with under(cloud, faults=[{"method": f"sqladmin.{method}", "fault": "operation-error"}]):
        failed = cloud.ok("POST", path, sent)
    assert (failed["status"], failed["error"]["errors"][0]["code"]) == ("DONE", "INTERNAL_ERROR")
    assert cloud.get(f"{path}/late").status == 404
    do(cloud, "POST", path, sent)


def test_a_backup_that_google_fails_says_so(cloud: Cloud) -> None:
    """The run is FAILED with the reason, and cannot be restored."""
    do(cloud, "POST", INSTANCES, body())
    with under(cloud, faults=[{"method": "sqladmin.backupRuns.insert", "fault": "operation-error"}]):
        wait(cloud, cloud.ok("POST", f"{DB}/backupRuns", {}))
    (run,) = cloud.ok("GET", f"{DB}/backupRuns")["items"]
    assert (run["status"], run["error"]["code"]) == ("FAILED", "INTERNAL_ERROR")
    sent = {"restoreBackupContext": {"backupRunId": run["id"]}}
    assert cloud.call("POST", f"{DB}/restoreBackup", sent).status == 404


def test_a_deleted_name_can_stay_taken(cloud: Cloud) -> None:
    """For as long as the conditions say; without them it is free at once."""
    do(cloud, "POST", INSTANCES, body())
    do(cloud, "DELETE", DB)
    with under(cloud, propagation={"names": 604800}):
        refused = cloud.post(INSTANCES, body())
    assert reason(refused) == (409, "instanceAlreadyExists")
    assert "until one week from the deletion date." in message(refused)
    do(cloud, "POST", INSTANCES, body())


def test_public_addresses_can_be_forbidden(cloud: Cloud) -> None:
    """New ones; an instance that has one keeps it, and whatever else it is changed in."""
    do(cloud, "POST", INSTANCES, body())
    with under(cloud, organization_policies=["sql.restrictPublicIp"]):
        refused = cloud.post(INSTANCES, body("other"))
        do(cloud, "PATCH", DB, {"settings": {"userLabels": {"a": "b"}}})
    assert reason(refused) == (400, "invalid")
    assert message(refused) == (
        "Invalid request: Organization Policy check failure: the external IP of this instance violates the "
        f"constraints/sql.restrictPublicIp enforced at the {cloud.number} project.."
    )


def test_authorized_networks_can_be_forbidden(cloud: Cloud) -> None:
    """Adding one is refused, keeping one is not; without the policy even the whole internet can be let in."""
    do(cloud, "POST", INSTANCES, body())
    all_of_it = {"settings": {"ipConfiguration": {"authorizedNetworks": [{"value": "0.0.0.0/0"}]}}}
    do(cloud, "PATCH", DB, all_of_it)
    more = [{"value": "0.0.0.0/0"}, {"value": "192.0.2.0/24"}]
    with under(cloud, organization_policies=["sql.restrictAuthorizedNetworks"]):
        do(cloud, "PATCH", DB, all_of_it)
        refused = cloud.call("PATCH", DB, {"settings": {"ipConfiguration": {"authorizedNetworks": more}}})
    assert "violates the constraints/sql.restrictAuthorizedNetworks enforced" in message(refused)
    entries = cloud.ok("GET", DB)["settings"]["ipConfiguration"]["authorizedNetworks"]
    assert entries == [{"kind": "sql#aclEntry", "value": "0.0.0.0/0"}]


@pytest.mark.parametrize("value", ["2001:db8::/32", "everybody", "CLIENT_IP"])
def test_what_is_no_network_is_refused(cloud: Cloud, value: str) -> None:
    """IPv6, words, and what gcloud's connect asks for in place of an address."""
    sent = body(ipConfiguration={"authorizedNetworks": [{"value": value}]})
    assert cloud.post(INSTANCES, sent).status == 400
