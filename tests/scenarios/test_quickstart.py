"""The newcomer's walk: apply, log in, log a run, plan again, stop, come back."""

from __future__ import annotations

import json

import httpx

from tests.conftest import QUICKSTART
from tests.relay import relay
from tests.scenarios.command import Bench

AT_MOST = 30
PROJECT = "mlflow-sandbox"


def _address(bench: Bench) -> dict[str, str]:
    lines = bench.run("login", "--sandbox", QUICKSTART).out.splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def test_a_second_apply_writes_nothing_and_says_so(settled: Bench) -> None:
    """Applying what is applied already sends no write."""
    with relay(settled.endpoint) as through:
        again = settled.run("apply", "--yes", QUICKSTART, env={"MLFLOW_RECONCILE_ENDPOINT": through.url})
        assert (again.code, through.writes) == (0, [])
    assert "No changes." in again.out


def test_a_settled_plan_is_two_rounds_of_at_most_thirty_reads(settled: Bench) -> None:
    """Everything that can be read side by side is, and nothing is read twice."""
    with relay(settled.endpoint, delay=1.0) as through:
        planned = settled.run("plan", QUICKSTART, env={"MLFLOW_RECONCILE_ENDPOINT": through.url})
        assert planned.code == 0, planned.said
        assert through.rounds <= 2
        assert len(through.passed) <= AT_MOST
        assert len({(request.method, request.path) for request in through.passed}) == len(through.passed)


def test_verify_proves_that_a_user_can_work(settled: Bench) -> None:
    """Every check holds, the 33 MiB artifact among them."""
    proved = settled.run("verify", "--sandbox", QUICKSTART)
    assert proved.code == 0, proved.said
    assert "takes an artifact of 33 MiB and gives it back, byte for byte" in proved.out


def test_verify_reads_only_when_told(settled: Bench) -> None:
    """With --read-only nothing is written, to Google Cloud or to MLflow."""
    with relay(settled.endpoint) as through:
        settled.run("verify", "--read-only", QUICKSTART, env={"MLFLOW_RECONCILE_ENDPOINT": through.url})
        assert [request.path for request in through.writes if "/search" not in request.path] == []


def test_the_anonymous_are_refused_and_health_is_open(settled: Bench) -> None:
    """nginx asks for the login on every page but /health."""
    url = _address(settled)["MLFLOW_TRACKING_URI"]
    assert httpx.get(f"{url}/health").status_code == 200
    assert httpx.get(url).status_code == 401


def test_status_tells_where_it_is_and_what_it_costs(settled: Bench) -> None:
    """The facts as JSON: in sync, healthy, priced."""
    facts = json.loads(settled.run("status", "--sandbox", "--format", "json", QUICKSTART).out)
    assert (facts["in_sync"], facts["healthy"], facts["auth"]) == (True, True, "basic")
    assert facts["cost_usd_per_month"] > 0


def test_the_plan_as_json_has_terraforms_keys(settled: Bench) -> None:
    """Tools that read Terraform's plan find what they look for."""
    plan = json.loads(settled.run("plan", "--sandbox", "--format", "json", QUICKSTART).out)
    assert plan["format_version"]
    assert {change["change"]["actions"][0] for change in plan["resource_changes"]} == {"no-op"}


def test_no_command_shows_a_password_but_login(settled: Bench) -> None:
    """The password is in Secret Manager and, when asked for, on the screen; nowhere else."""
    password = _address(settled)["MLFLOW_TRACKING_PASSWORD"]
    for command in ("plan", "apply", "drift", "status", "verify"):
        ended = settled.run(command, "--sandbox", "--format", "json", QUICKSTART)
        assert password not in ended.said


def test_runs_survive_a_stop_of_the_sandbox(settled: Bench) -> None:
    """What was logged is there after `make down; make up`."""
    address = _address(settled)
    login = (address["MLFLOW_TRACKING_USERNAME"], address["MLFLOW_TRACKING_PASSWORD"])
    url = address["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/experiments"
    made = httpx.post(f"{url}/create", json={"name": "before the stop"}, auth=login, timeout=60)
    assert made.status_code == 200, made.text
    assert settled.run("sandbox", "stop").code == 0
    assert "No changes." in settled.run("apply", "--sandbox", "--yes", QUICKSTART).out
    # Its port may be somebody else's by now, where several sandboxes come and go.
    url = _address(settled)["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/experiments"
    found = httpx.get(
        f"{url}/get-by-name", params={"experiment_name": "before the stop"}, auth=login, timeout=120
    )
    assert found.status_code == 200, found.text
    assert found.json()["experiment"]["experiment_id"] == made.json()["experiment_id"]
