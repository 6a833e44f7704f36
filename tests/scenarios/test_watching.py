"""Watching a server: Google asks it from outside, alerts see what it does, and the right people are told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.relay import relay
from tests.scenarios.command import Bench, Ended, sandbox

PROJECT = "watched-project"
NAME = "mlflow-watched"
SPEC = """\
version: 1
name: mlflow-watched
project: watched-project
region: europe-west1
auth: {auth}
scaling: {{max_instances: 1}}
memory: 512Mi
database: {{tier: db-f1-micro, deletion_protection: false}}
monitoring: {monitoring}
"""
BASIC = "{mode: basic}"
ON = "{enabled: true, emails: [ada@acme.example, bob@acme.example]}"
ALERTS = {"uptime", "errors", "latency", "database-disk", "database-connections", "failed-jobs"}
ROOT = f"/v3/projects/{PROJECT}"
KINDS = ("alertPolicies", "notificationChannels", "uptimeCheckConfigs")
WAIT = 60


@dataclass(frozen=True)
class Watched:
    """A deployment whose spec is changed step by step."""

    bench: Bench
    spec: Path

    def says(self, *, auth: str = BASIC, monitoring: str = ON) -> None:
        """Write the spec."""
        self.spec.write_text(SPEC.format(auth=auth, monitoring=monitoring))

    def run(self, command: str, *options: str) -> Ended:
        """Run a command on it."""
        return self.bench.run(command, "--sandbox", *options, str(self.spec), timeout=600)

    def applied(self) -> None:
        """Apply, and find nothing left to do."""
        done = self.run("apply", "--yes")
        assert done.code == 0, done.said
        planned = self.run("plan")
        assert planned.code == 0, planned.said

    def planned(self) -> dict[str, list[str]]:
        """The changes of the plan: the action by address, with the fields that an update is about."""
        plan = json.loads(self.run("plan", "--format", "json").out)
        return {
            change["address"]: change["change"]["actions"]
            for change in plan["resource_changes"]
            if change["change"]["actions"] != ["no-op"]
        }

    def probe(self) -> dict[str, Any]:
        """What uptime checks and alerts see now, with the check as "check" and alerts by the ends of their names."""
        found = json.loads(self.bench.run("sandbox", "probe", "--format", "json").out)
        names = {
            f"MLflow {NAME} {one['displayName'].partition(f'{NAME} ')[2]}": one for one in found["alerts"]
        }
        checks = found["checks"]
        return {
            "check": checks[0] if checks else None,
            **{key.partition(f"{NAME} ")[2]: v for key, v in names.items()},
        }

    def probed_until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """What is seen, once that *holds*: the image asks its database at most every five seconds."""
        end = time.monotonic() + WAIT
        while not holds(seen := self.probe()):
            assert time.monotonic() < end, seen
            time.sleep(0.5)
        return seen

    def listed(self, kind: str) -> list[dict[str, Any]]:
        """What Cloud Monitoring has of a kind."""
        return httpx.get(f"{self.bench.endpoint}{ROOT}/{kind}").json().get(kind, [])

    def ours(self, kind: str) -> list[dict[str, Any]]:
        """What carries the deployment's label."""
        return [
            one for one in self.listed(kind) if one.get("userLabels", {}).get("mlflow-deployment") == NAME
        ]

    def policy(self, alert: str) -> dict[str, Any]:
        """The one policy of an alert."""
        (found,) = (one for one in self.ours("alertPolicies") if one["userLabels"]["mlflow-alert"] == alert)
        return found

    def send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """A call of somebody else."""
        answer = httpx.request(method, f"{self.bench.endpoint}/v3/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module", name="watched")
def _watched(tmp_path_factory: pytest.TempPathFactory) -> Generator[Watched]:
    with sandbox() as bench:
        made = httpx.post(f"{bench.endpoint}/sandbox/v1/projects", json={"projectId": PROJECT})
        assert made.status_code == 200, made.text
        watched = Watched(bench, tmp_path_factory.mktemp("watching") / "mlflow.yaml")
        watched.says()
        watched.applied()
        yield watched


def test_all_that_is_asked_for_is_there_and_well(watched: Watched) -> None:
    """Six alerts, two addresses, one check: it passes, against the server and its database, and nobody is told."""
    assert {one["userLabels"]["mlflow-alert"] for one in watched.ours("alertPolicies")} == ALERTS
    seen = watched.probe()
    assert (seen["check"]["passed"], seen["check"]["status"]) == (True, 200)
    assert seen["does not answer"]["value"] == 0
    assert seen["answers slowly"]["value"] > 0
    assert seen["database's disk fills up"]["value"] > 0
    assert [name for name, one in seen.items() if name != "check" and one["above"]] == []


def test_gcloud_sees_them(watched: Watched) -> None:
    """The real gcloud lists what was made."""
    policies = watched.bench.gcloud(
        "alpha", "monitoring", "policies", "list", "--format=json", project=PROJECT
    )
    assert len(json.loads(policies.out)) == len(ALERTS), policies.said
    checks = watched.bench.gcloud("monitoring", "uptime", "list-configs", "--format=json", project=PROJECT)
    (check,) = json.loads(checks.out)
    assert (check["httpCheck"]["path"], check["period"]) == ("/health/database", "300s")


def test_a_stopped_database_is_noticed_and_told(watched: Watched) -> None:
    """The server lives on, /health is 200; the check fails, and the addresses would hear of it."""
    patch = ("sql", "instances", "patch", NAME, "--activation-policy")
    stopped = watched.bench.gcloud(*patch, "NEVER", project=PROJECT)
    assert stopped.code == 0, stopped.said
    seen = watched.probed_until(lambda seen: not seen["check"]["passed"])
    assert seen["check"]["reason"] == "answered 503"
    assert (seen["does not answer"]["above"], seen["answers with errors"]["above"]) == (True, True)
    assert seen["does not answer"]["tells"] == ["ada@acme.example", "bob@acme.example"]
    started = watched.bench.gcloud(*patch, "ALWAYS", project=PROJECT)
    assert started.code == 0, started.said
    watched.probed_until(lambda seen: seen["check"]["passed"])


def test_a_threshold_and_an_address_are_exactly_those_changes(watched: Watched) -> None:
    """One condition; every policy is told of the new address, and the old one goes at the end."""
    watched.says(
        monitoring="{enabled: true, emails: [ada@acme.example, eve@acme.example], latency_seconds: 12}"
    )
    plan = watched.planned()
    assert plan.pop("monitoring.notification_channel/eve@acme.example") == ["create"]
    assert plan.pop("monitoring.notification_channel/bob@acme.example") == ["delete"]
    assert plan == {f"monitoring.alert_policy/{alert}": ["update"] for alert in ALERTS}
    before = {one["name"] for one in watched.ours("alertPolicies")}
    watched.applied()
    assert {one["name"] for one in watched.ours("alertPolicies")} == before
    assert watched.policy("latency")["conditions"][0]["conditionThreshold"]["thresholdValue"] == 12000
    addresses = {one["labels"]["email_address"] for one in watched.ours("notificationChannels")}
    assert addresses == {"ada@acme.example", "eve@acme.example"}


def test_an_alert_that_is_off_goes_alone(watched: Watched) -> None:
    """A threshold of 0 makes no alert."""
    off = "{enabled: true, emails: [ada@acme.example, eve@acme.example], latency_seconds: 0}"
    watched.says(monitoring=off)
    assert watched.planned() == {"monitoring.alert_policy/latency": ["delete"]}
    watched.applied()


def test_what_others_change_is_drift_and_mended_with_one_write(watched: Watched) -> None:
    """A threshold raised by hand; labels that others put there stay."""
    policy = watched.policy("errors")
    condition = policy["conditions"][0]
    condition["conditionThreshold"]["thresholdValue"] = 1000
    changed = {"conditions": [condition], "userLabels": {**policy["userLabels"], "seen-by": "eve"}}
    watched.send("PATCH", f"{policy['name']}?updateMask=conditions,userLabels", changed)
    drifted = watched.run("drift", "--format", "json")
    assert drifted.code == 2
    assert "monitoring.alert_policy/errors" in drifted.out
    with relay(watched.bench.endpoint) as through:
        env = {"MLFLOW_RECONCILE_ENDPOINT": through.url}
        mended = watched.bench.run("apply", "--yes", "--skip-permission-check", str(watched.spec), env=env)
        assert mended.code == 0, mended.said
        assert [request.method for request in through.writes] == ["PATCH"]
    mended_policy = watched.policy("errors")
    assert mended_policy["conditions"][0].get("name") == condition["name"]
    assert "thresholdValue" not in mended_policy["conditions"][0]["conditionThreshold"]
    assert mended_policy["userLabels"]["seen-by"] == "eve"


def test_what_a_lost_answer_made_twice_is_one_again(watched: Watched) -> None:
    """The older one stays; a policy deleted by hand comes back."""
    policy = watched.policy("errors")
    copy = {
        key: value for key, value in policy.items() if key not in ("name", "creationRecord", "mutationRecord")
    }
    watched.send("POST", f"projects/{PROJECT}/alertPolicies", copy)
    watched.send("DELETE", watched.policy("failed-jobs")["name"])
    assert sorted(watched.planned().values()) == [["create"], ["delete"]]
    watched.applied()
    assert watched.policy("errors")["name"] == policy["name"]


def test_a_server_behind_iam_is_asked_as_googles_own_agent(watched: Watched) -> None:
    """With its token the check passes; without its role it is refused at the front door."""
    watched.says(auth="{mode: iam, invokers: [user:ada@acme.example]}")
    watched.applied()
    assert watched.probed_until(lambda seen: seen["check"]["passed"])["check"]["status"] == 200
    service = f"projects/{PROJECT}/locations/europe-west1/services/{NAME}"
    policy = watched.bench.endpoint + f"/v2/{service}"
    granted = httpx.get(f"{policy}:getIamPolicy").json()
    members = [member for binding in granted["bindings"] for member in binding["members"]]
    (agent,) = (member for member in members if "gcp-sa-monitoring-notification" in member)
    without = [
        {**one, "members": [member for member in one["members"] if member != agent]}
        for one in granted["bindings"]
    ]
    httpx.post(f"{policy}:setIamPolicy", json={"policy": {**granted, "bindings": without}}).raise_for_status()
    assert watched.probe()["check"]["status"] == 403
    assert watched.planned() == {f"run.service_iam/{NAME}": ["update"]}
    watched.says()
    watched.applied()


def test_turned_off_all_of_it_goes_and_nothing_else(watched: Watched) -> None:
    """Somebody else's policy and channel stay; what is left to do is nothing."""
    ids = {"type": "email", "labels": {"email_address": "other@acme.example"}}
    channel = watched.send("POST", f"projects/{PROJECT}/notificationChannels", ids)["name"]
    copy = {
        key: value
        for key, value in watched.policy("errors").items()
        if key not in ("name", "creationRecord", "mutationRecord", "userLabels", "notificationChannels")
    }
    watched.send("POST", f"projects/{PROJECT}/alertPolicies", {**copy, "notificationChannels": [channel]})
    watched.says(monitoring="{enabled: false}")
    assert set(map(tuple, watched.planned().values())) == {("delete",)}
    watched.applied()
    assert [watched.ours(kind) for kind in KINDS] == [[], [], []]
    assert [len(watched.listed(kind)) for kind in KINDS] == [1, 1, 0]


ACCOUNT = "/v1/billingAccounts/012345-6789AB-CDEF01"
BUDGET = "\nbudget: {{billing_account: 012345-6789AB-CDEF01, amount: {amount}}}\n"


def test_a_budget_is_kept_in_the_account_that_pays(watched: Watched) -> None:
    """Made, found again by its name, changed in one field; a double goes, and so does all when it is turned off."""
    budgets = f"{watched.bench.endpoint}{ACCOUNT}/budgets"

    def found() -> list[dict[str, Any]]:
        return httpx.get(budgets).json().get("budgets", [])

    other = {"displayName": "theirs", "amount": {"specifiedAmount": {"units": "9"}}}
    assert httpx.post(budgets, json=other).status_code == 200
    watched.says(monitoring=ON + BUDGET.format(amount=200))
    watched.applied()
    (budget,) = (one for one in found() if one["displayName"] != "theirs")
    assert budget["amount"]["specifiedAmount"] == {"units": "200", "currencyCode": "EUR"}
    assert [rule["thresholdPercent"] for rule in budget["thresholdRules"]] == [0.5, 0.9, 1.0]
    assert len(budget["notificationsRule"]["monitoringNotificationChannels"]) == 2
    watched.says(monitoring=ON + BUDGET.format(amount=300))
    assert watched.planned() == {f"billingbudgets.budget/{NAME}": ["update"]}
    watched.applied()
    (budget,) = (one for one in found() if one["displayName"] != "theirs")
    copy = {key: value for key, value in budget.items() if key not in ("name", "etag")}
    assert httpx.post(budgets, json=copy).status_code == 200
    assert list(watched.planned().values()) == [["delete"]]
    watched.applied()
    listed = watched.bench.gcloud(
        "billing",
        "budgets",
        "list",
        "--billing-account=012345-6789AB-CDEF01",
        "--format=json",
        project=PROJECT,
    )
    assert len(json.loads(listed.out)) == 2, listed.said
    watched.says()
    assert watched.planned() == {f"billingbudgets.budget/{_uuid(found())}": ["delete"]}
    watched.applied()
    assert [one["displayName"] for one in found()] == ["theirs"]


def test_a_budget_is_seen_while_somebody_has_disabled_monitoring(watched: Watched) -> None:
    """Whose addresses it has cannot be told then; the plan says what is to be enabled, and apply does it."""
    watched.says(monitoring=ON + BUDGET.format(amount=200))
    watched.applied()
    services = f"{watched.bench.endpoint}/v1/projects/{PROJECT}/services"
    assert httpx.post(f"{services}/monitoring.googleapis.com:disable", json={}).status_code == 200
    planned = watched.planned()
    assert planned["serviceusage.services/services"] == ["update"]
    watched.applied()
    assert watched.planned() == {}
    watched.says()
    watched.applied()


def _uuid(budgets: list[dict[str, Any]]) -> str:
    (ours,) = (one["name"] for one in budgets if one["displayName"] != "theirs")
    return ours.rpartition("/")[2]


def test_another_account_is_refused_with_what_it_takes(watched: Watched) -> None:
    """Google does not say whether an account exists; the way out names the role that is granted there."""
    watched.says(monitoring=ON + BUDGET.format(amount=200).replace("CDEF01", "CDEF02"))
    refused = watched.run("plan")
    assert refused.code == 4, refused.said
    assert "roles/billing.costsManager" in refused.err
    watched.says()


def test_destroying_it_takes_what_watched_it(watched: Watched) -> None:
    """Policies before the channels that they name, and nothing of anybody else's."""
    watched.says(monitoring=ON + BUDGET.format(amount=200))
    watched.applied()
    others = [len(watched.listed(kind)) - len(watched.ours(kind)) for kind in KINDS]
    gone = watched.run("destroy", "--delete-data", "--confirm", NAME)
    assert gone.code == 0, gone.said
    assert [watched.ours(kind) for kind in KINDS] == [[], [], []]
    assert [len(watched.listed(kind)) for kind in KINDS] == others
    assert "mlflow-reconcile" not in httpx.get(f"{watched.bench.endpoint}{ACCOUNT}/budgets").text
