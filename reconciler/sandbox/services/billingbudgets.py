"""Cloud Billing Budgets: kept and validated. Nothing costs anything here, so no mail is ever due."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.monitoring_forms import masked
from reconciler.sandbox.paging import listed
from reconciler.sandbox.services.cloudbilling import CURRENCY, account
from reconciler.sandbox.services.monitoring_channels import CHANNEL
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.world import Method, Request, World

API: Final = "billingbudgets"
VERSIONS: Final = ("v1",)
BUDGET: Final = "billingbudgets.budget"
LONGEST_NAME: Final = 60
MOST_CHANNELS: Final = 5
Function = Callable[[World, Request], Mapping[str, Any]]


def methods(world: World) -> dict[str, Method]:
    """Budgets of an account."""
    found: dict[str, Function] = {
        "create": _create,
        "get": lambda world, request: _find(world, request.params["name"]),
        "list": _list,
        "patch": _patch,
        "delete": _delete,
    }

    def bound(function: Function) -> Method:
        return lambda request: function(world, request)

    return {f"billingAccounts.budgets.{verb}": bound(function) for verb, function in found.items()}


def _find(world: World, name: str) -> Body:
    body = world.store.get(BUDGET, name)
    if body is None:
        raise ApiError(404, "Requested entity was not found.")
    return body


def _create(world: World, request: Request) -> Mapping[str, Any]:
    parent = account(request.params["parent"])
    name = f"{parent}/budgets/{uuid.uuid4()}"
    return world.store.create(BUDGET, name, _settled(world, {**request.body, "name": name}))


def _settled(world: World, body: Body) -> Body:
    """A budget with its defaults and its project by number. Raises ApiError 400."""
    if len(str(body.get("displayName", ""))) > LONGEST_NAME:
        raise _invalid("display_name", "must be 60 characters or fewer")
    if len(inner(body, "amount")) != 1:
        raise _invalid("amount", "one of specified_amount and last_period_amount is required")
    for rule in cast("list[Body]", body.get("thresholdRules") or []):
        if not float(rule.get("thresholdPercent") or 0) >= 0:
            raise _invalid("threshold_rules.threshold_percent", "must not be negative")
    return {
        **body,
        "amount": _amount(inner(body, "amount")),
        "budgetFilter": _filter(world, inner(body, "budgetFilter")),
        "thresholdRules": [
            {"spendBasis": "CURRENT_SPEND", **rule}
            for rule in cast("list[Body]", body.get("thresholdRules") or [])
        ],
        "notificationsRule": _checked(world, inner(body, "notificationsRule")),
        "etag": secrets.token_hex(8),
    }


def _amount(amount: Body) -> Body:
    if "specifiedAmount" not in amount:
        return amount
    given = inner(amount, "specifiedAmount")
    if given.get("currencyCode", CURRENCY) != CURRENCY:
        raise _invalid("amount.specified_amount.currency_code", "must be the currency of the billing account")
    return {"specifiedAmount": {"currencyCode": CURRENCY, **given}}


def _filter(world: World, wanted: Body) -> Body:
    projects: list[str] = []
    for name in cast("list[str]", wanted.get("projects") or []):
        known = world.projects.get(name.removeprefix("projects/"))
        if known is None:
            raise _invalid("budget_filter.projects", f"{name} is no project of the account")
        projects.append(f"projects/{known.number}")
    whole = {"creditTypesTreatment": "INCLUDE_ALL_CREDITS", **wanted}
    if "customPeriod" not in wanted:
        whole.setdefault("calendarPeriod", "MONTH")
    return {**whole, **({"projects": projects} if projects else {})}


def _checked(world: World, rule: Body) -> Body:
    channels = cast("list[str]", rule.get("monitoringNotificationChannels") or [])
    if len(channels) > MOST_CHANNELS:
        raise _invalid("notifications_rule.monitoring_notification_channels", "at most 5 are allowed")
    for channel in channels:
        found = world.store.get(CHANNEL, channel)
        if found is None or found.get("type") != "email":
            raise _invalid(
                "notifications_rule.monitoring_notification_channels", f"{channel} is no e-mail channel"
            )
    return rule


def _invalid(field: str, why: str) -> ApiError:
    return ApiError(400, f"Request contains an invalid argument: budget.{field} {why}.")


def _list(world: World, request: Request) -> Mapping[str, Any]:
    parent = account(request.params["parent"])
    scope = str(request.params.get("scope", ""))
    number = ""
    if scope:
        known = world.projects.get(scope.removeprefix("projects/"))
        number = f"projects/{known.number}" if known else "-"
    items = [
        (name, body)
        for name, body in world.store.list(BUDGET, f"{parent}/")
        if not number or number in inner(body, "budgetFilter").get("projects", ())
    ]
    return listed("budgets", items, request.params, default=100, most=100)


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    def change(old: Body) -> Body:
        sent = request.body.get("etag")
        if sent and sent != old["etag"]:
            raise ApiError(
                409, "The budget was changed in the meantime: its etag is another.", rpc_status="ABORTED"
            )
        mask = request.params.get("updateMask")
        fresh = masked(old, request.body, mask) if mask else {**old, **request.body}
        return _settled(world, {**fresh, "name": old["name"]})

    _find(world, request.params["name"])
    return world.store.update(BUDGET, request.params["name"], change)


def _delete(world: World, request: Request) -> Mapping[str, Any]:
    _find(world, request.params["name"])
    world.store.delete(BUDGET, request.params["name"])
    return {}
