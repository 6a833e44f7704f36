"""Monitoring and the budget: every key on a live deployment."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.keys.live import Case, Live, keys_of, living, prove
from tests.sandbox.calls import new_project

ALERTS = ("database-connections", "database-disk", "errors", "failed-jobs", "latency", "uptime")
POLICY = "~ monitoring.alert_policy"
THRESHOLD = "conditions.0.thresholdValue"
BUDGET = "~ billingbudgets.budget/mlflow-keys"
ENABLED = "~ serviceusage.services/services"


def _notified(before: list[str], after: list[str]) -> tuple[str, ...]:
    return tuple(f"{POLICY}/{alert} notificationChannels: {before} -> {after}" for alert in ALERTS)


def _another_teams_channel(live: Live) -> list[str]:
    """The full name of a channel that somebody made for a chat room."""
    cloud = new_project(live.port, project="every-key")
    body = {"type": "email", "labels": {"email_address": "room@acme.example"}}
    return [cloud.ok("POST", "/v3/projects/every-key/notificationChannels", body)["name"]]


CASES = {
    "monitoring.enabled": Case(
        True,
        (
            *(f"+ monitoring.alert_policy/{alert}" for alert in ALERTS),
            "+ monitoring.notification_channel/ada@acme.example",
            "+ monitoring.uptime_check/server",
        ),
        along={"monitoring.emails": ["ada@acme.example"]},
    ),
    "monitoring.emails": Case(
        ["bob@acme.example"],
        (
            "+ monitoring.notification_channel/bob@acme.example",
            "- monitoring.notification_channel/ada@acme.example",
            *_notified(["ada@acme.example"], ["bob@acme.example"]),
        ),
    ),
    "monitoring.channels": Case(
        _another_teams_channel,
        _notified(["bob@acme.example"], ["bob@acme.example", "projects/every-key/notificationChannels/ID"]),
    ),
    "monitoring.uptime_minutes": Case(10, ("~ monitoring.uptime_check/server period: 300s -> 600s",)),
    "monitoring.errors_per_minute": Case(5, (f"{POLICY}/errors {THRESHOLD}: 0.0 -> 4.0",)),
    "monitoring.latency_seconds": Case(9, (f"{POLICY}/latency {THRESHOLD}: 30000.0 -> 9000.0",)),
    "monitoring.database_disk_percent": Case(70, (f"{POLICY}/database-disk {THRESHOLD}: 0.85 -> 0.7",)),
    "monitoring.database_connections_percent": Case(
        70, (f"{POLICY}/database-connections {THRESHOLD}: 40.0 -> 35.0",)
    ),
    "monitoring.failed_jobs": Case(False, ("- monitoring.alert_policy/failed-jobs",)),
    "budget.billing_account": Case(
        "012345-6789AB-CDEF01",
        (
            "+ billingbudgets.budget/mlflow-keys",
            f"{ENABLED} billingbudgets.googleapis.com: DISABLED -> ENABLED",
            f"{ENABLED} cloudbilling.googleapis.com: DISABLED -> ENABLED",
        ),
    ),
    "budget.amount": Case(300, (f"{BUDGET} amount.specifiedAmount.units: 100 -> 300",)),
    "budget.thresholds": Case([80], (f"{BUDGET} thresholdRules: ['50 %', '90 %', '100 %'] -> ['80 %']",)),
}


@pytest.fixture(scope="module", name="live")
def _live(tmp_path_factory: pytest.TempPathFactory) -> Generator[Live]:
    with living(tmp_path_factory.mktemp("watching"), mlflow=False) as live:
        yield live


@pytest.mark.parametrize("key", keys_of("monitoring", "budget"))
def test_a_key_changes_exactly_what_it_says(live: Live, key: str) -> None:
    """Applied, it leaves nothing to say; applied again, nothing is written."""
    prove(live, key, CASES)
