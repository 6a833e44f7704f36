"""Rules about watching: what would tell nobody, or could not be asked."""

from __future__ import annotations

import pytest

from tests.spec.test_rules import Check

ON = "monitoring: {enabled: true, emails: [ada@acme.example]"
FOUND = [
    # text after the four lines, key, severity, part of the message
    ("monitoring: {enabled: true}\n", "monitoring.enabled", "warning", "tells nobody"),
    ("monitoring: {emails: [ada@acme.example]}\n", "monitoring.emails", "warning", "get nothing"),
    (
        f"{ON}, channels: [projects/other/notificationChannels/1]}}\n",
        "monitoring.channels.0",
        "error",
        "is of project other",
    ),
    (
        "monitoring: {enabled: true, emails: [ada@acme.example, Ada@acme.example]}\n",
        "monitoring.emails.1",
        "error",
        "every mail would come twice",
    ),
    (
        f"{ON}}}\nnetworking: {{ingress: internal}}\n",
        "monitoring.uptime_minutes",
        "warning",
        "ingress internal",
    ),
    (
        "monitoring: {enabled: true, emails: [a@b.de, b@b.de, c@b.de, d@b.de, e@b.de, f@b.de]}\n"
        "budget: {billing_account: 012345-6789AB-CDEF01}\n",
        "budget.billing_account",
        "warning",
        "the first 5 addresses",
    ),
    (
        "budget: {billing_account: 012345-6789AB-CDEF01, amount: 9}\n",
        "budget.amount",
        "warning",
        "9 does not hold the about $10.49 a month",
    ),
    (
        f"{ON}, database_connections_percent: 3}}\n",
        "monitoring.database_connections_percent",
        "error",
        "not even one",
    ),
]


@pytest.mark.parametrize(("text", "key", "severity", "message"), FOUND, ids=[f[1] for f in FOUND])
def test_each_rule_finds_its_problem(
    check_with: Check, text: str, key: str, severity: str, message: str
) -> None:
    """At its key, as grave as it is."""
    (found,) = (one for one in check_with(text) if one.key == key)
    assert (found.severity, message in found.message) == (severity, True)
    assert found.way_out


@pytest.mark.parametrize(
    "text",
    [
        f"{ON}}}\n",
        f"{ON}, uptime_minutes: 0}}\nnetworking: {{ingress: internal}}\n",
        "monitoring: {enabled: true, channels: [projects/acme-ml/notificationChannels/1]}\n",
        "monitoring: {enabled: true, channels: [projects/4711/notificationChannels/1]}\n",
        "budget: {billing_account: 012345-6789AB-CDEF01, amount: 11}\n",
        "budget: {amount: 9}\n",
    ],
)
def test_what_works_is_left_alone(check_with: Check, text: str) -> None:
    """No finding about monitoring, nor about the budget."""
    sections = ("monitoring", "budget")
    assert [found for found in check_with(text) if found.key.startswith(sections)] == []
