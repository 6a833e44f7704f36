"""Cloud Billing: the account that pays, and its budgets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.calls import Cloud

ACCOUNT = "billingAccounts/012345-6789AB-CDEF01"
ROOT = f"/v1/{ACCOUNT}/budgets"
BUDGET: dict[str, Any] = {"displayName": "ml", "amount": {"specifiedAmount": {"units": "100"}}}


def test_a_budget_gets_defaults_and_the_projects_number(fresh: Cloud) -> None:
    """The account's currency, all credits, calendar months; an etag that changes with it."""
    made = fresh.ok("POST", ROOT, {**BUDGET, "budgetFilter": {"projects": [f"projects/{fresh.project}"]}})
    assert made["amount"]["specifiedAmount"] == {"units": "100", "currencyCode": "EUR"}
    assert made["budgetFilter"] == {
        "projects": [f"projects/{fresh.number}"],
        "calendarPeriod": "MONTH",
        "creditTypesTreatment": "INCLUDE_ALL_CREDITS",
    }
    more = {"thresholdRules": [{"thresholdPercent": 0.5}]}
    changed = fresh.ok("PATCH", f"/v1/{made['name']}?updateMask=thresholdRules", more)
    assert changed["thresholdRules"] == [{"thresholdPercent": 0.5, "spendBasis": "CURRENT_SPEND"}]
    assert (changed["amount"], changed["etag"] == made["etag"]) == (made["amount"], False)
    stale = fresh.call(
        "PATCH", f"/v1/{made['name']}?updateMask=displayName", {"displayName": "x", "etag": made["etag"]}
    )
    assert (stale.status, stale.error["status"]) == (409, "ABORTED")
    mine = fresh.ok("GET", f"{ROOT}?scope=projects/{fresh.project}")["budgets"]
    assert [one["name"] for one in mine] == [made["name"]]
    assert fresh.ok("DELETE", f"/v1/{made['name']}") == {}
    assert fresh.get(f"/v1/{made['name']}").status == 404


@pytest.mark.parametrize(
    "change",
    [
        {"amount": {}},
        {"displayName": "x" * 61},
        {"amount": {"specifiedAmount": {"units": "1", "currencyCode": "USD"}}},
        {"budgetFilter": {"projects": ["projects/no-such-project"]}},
        {"thresholdRules": [{"thresholdPercent": -1}]},
        {"notificationsRule": {"monitoringNotificationChannels": ["projects/p/notificationChannels/1"]}},
        {"typo": 1},
    ],
)
def test_an_impossible_budget_is_a_400(fresh: Cloud, change: dict[str, Any]) -> None:
    """What the reference of Budget forbids."""
    assert fresh.post(ROOT, {**BUDGET, **change}).status == 400


def test_another_account_is_one_that_nobody_may_see(fresh: Cloud) -> None:
    """Google does not tell a missing one from a forbidden one."""
    error = fresh.post(ROOT.replace("CDEF01", "CDEF02"), BUDGET).error
    assert (error["code"], error["message"]) == (403, "The caller does not have permission")


def test_the_account_pays_for_every_project(fresh: Cloud) -> None:
    """Asked of a project in which the API is enabled."""
    path = f"/v1/projects/{fresh.project}/billingInfo"
    assert fresh.get(path).status == 403
    fresh.ok("POST", f"/v1/projects/{fresh.project}/services/cloudbilling.googleapis.com:enable")
    found = fresh.ok("GET", path)
    assert (found["billingAccountName"], found["billingEnabled"]) == (ACCOUNT, True)


def test_who_has_a_role_on_the_account_may_keep_budgets(fresh: Cloud) -> None:
    """And nobody else; the role is granted on the account."""
    member = f"user:costs-{fresh.number}@sandbox.example"
    token = fresh.ok("POST", "/sandbox/v1/token", {"member": member})["token"]
    theirs = Cloud(fresh.port, fresh.project, fresh.number, token)
    assert theirs.post(ROOT, BUDGET).status == 403
    policy = fresh.ok("GET", f"/v1/{ACCOUNT}:getIamPolicy")
    bindings = [*policy.get("bindings", []), {"role": "roles/billing.costsManager", "members": [member]}]
    fresh.ok("POST", f"/v1/{ACCOUNT}:setIamPolicy", {"policy": {**policy, "bindings": bindings}})
    assert theirs.post(ROOT, BUDGET).status == 200
