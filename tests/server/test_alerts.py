"""What is watched, and from where."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.server import alerts
from reconciler.server.naming import names_of
from reconciler.server.prices import monthly_estimate
from reconciler.spec.deployment import Deployment

Deployed = Callable[[str], Deployment]
ON = "monitoring: {enabled: true, emails: [ada@acme.example]}\n"


def wanted(deployment: Deployment) -> dict[str, alerts.Alert]:
    """The alerts by name."""
    return {alert.name: alert for alert in alerts.alerts_of(deployment, names_of(deployment, "1234"))}


@pytest.mark.parametrize(
    ("text", "caller"),
    [
        ("auth: {mode: basic}\n", "anybody"),
        ("auth: {mode: mlflow}\n", "anybody"),
        ("auth: {mode: none, acknowledge_public: true}\n", "anybody"),
        ("auth: {mode: iam, invokers: ['user:ada@acme.example']}\n", "agent"),
        ("auth: {mode: basic, behind_iam: true, invokers: ['user:ada@acme.example']}\n", "agent"),
        ("networking: {ingress: internal}\n", "nobody"),
    ],
)
def test_who_google_must_be_to_be_let_in(deployed: Deployed, text: str, caller: str) -> None:
    """Cloud Run decides before the server does."""
    assert alerts.caller(deployed(ON + text)) == caller


def test_nothing_is_watched_by_default(deployed: Deployed) -> None:
    """Monitoring is asked for."""
    assert wanted(deployed("")) == {}


def test_what_cannot_be_asked_has_no_alert_that_waits_for_an_answer(deployed: Deployed) -> None:
    """The others rest on what Cloud Run and Cloud SQL measure by themselves."""
    inside = deployed(f"{ON}networking: {{ingress: internal}}\n")
    assert not alerts.is_probed(inside)
    assert set(wanted(inside)) == {
        "errors",
        "latency",
        "database-disk",
        "database-connections",
        "failed-jobs",
    }


def test_connections_are_counted_against_what_the_tier_has(deployed: Deployed) -> None:
    """80 % of 25, or of the spec's own flag."""
    assert wanted(deployed(ON))["database-connections"].threshold == 20
    flagged = deployed(f"{ON}database: {{tier: db-custom-2-7680, flags: {{max_connections: '60'}}}}\n")
    assert wanted(flagged)["database-connections"].threshold == 48


def test_as_many_errors_as_the_spec_says_open_the_alert(deployed: Deployed) -> None:
    """Google compares by "greater than"; the spec says "as many as"."""
    text = "monitoring: {enabled: true, emails: [a@b.example], errors_per_minute: 5}\n"
    assert wanted(deployed(text))["errors"].threshold == 4


def test_alerts_cost_and_uptime_checks_do_not(deployed: Deployed) -> None:
    """Six conditions, each evaluated every half minute."""
    prices = dict(monthly_estimate(deployed(ON)))
    assert prices["Cloud Monitoring, 6 alerts"] == 0.78
    assert not any("Monitoring" in item for item, _ in monthly_estimate(deployed("")))
