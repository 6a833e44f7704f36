"""Edits of what watches a deployment, and of what it may cost."""

from __future__ import annotations

from typing import Any, Final

from tests.laws.hands.edit import OPEN, WALLED, Edit, Sort
from tests.laws.hands.hand import Hand, Impossible, Place, add, dug, put

_MON = "/v3/projects/{P}"
WALL = (WALLED,)


def _listed(collection: str, which: str = "") -> Any:
    """Our resource of Cloud Monitoring, by its label and the words in its name."""

    def one(hand: Hand) -> dict[str, Any] | None:
        found = hand.listed("monitoring", f"{_MON}/{collection}", collection)
        ours = [
            f
            for f in found
            if dug(f, "userLabels.mlflow-deployment") == hand.filled("{N}") and which in f["displayName"]
        ]
        return ours[0] if ours else None

    return one


def _found(
    kind: str,
    collection: str,
    which: str,
    address: str,
    sort: Sort,
    name: str,
    change: Any,
    look: str,
    told: tuple[str, ...] = (),
    **more: Any,
) -> Edit:
    one = _listed(collection, which)

    def write(hand: Hand) -> None:
        live = one(hand)
        if live is None:
            raise Impossible("there is none")
        Place("monitoring", f"/v3/{live['name']}").change(hand, change)

    said = tuple(f"{kind}/{address} {field}" for field in (told or (look,))) if sort is Sort.OURS else ()
    return Edit(
        kind, name, sort, write, lambda hand: dug(one(hand), look), told=said, met=(f"/{collection}",), **more
    )


def _gone(kind: str, collection: str, which: str, address: str, **more: Any) -> Edit:
    one = _listed(collection, which)

    def write(hand: Hand) -> None:
        live = one(hand)
        if live is None:
            raise Impossible("there is none")
        force = "?force=true" if collection == _CH else ""
        hand.done("DELETE", "monitoring", f"/v3/{live['name']}{force}")

    return Edit(
        kind,
        "deleted",
        Sort.GONE,
        write,
        lambda hand: one(hand) is not None,
        told=(f"{kind}/{address} create",),
        met=(f"/{collection}",),
        **more,
    )


def _made(kind: str, collection: str, name: str, body: dict[str, Any]) -> Edit:
    """Another one, found again by its name."""

    def there(hand: Hand) -> bool:
        found = hand.listed("monitoring", f"{_MON}/{collection}", collection)
        return any(one["displayName"] == hand.filled("theirs {T}") for one in found)

    return Edit(
        kind,
        name,
        Sort.THEIRS,
        lambda hand: hand.done(
            "POST", "monitoring", f"{_MON}/{collection}", {**body, "displayName": "theirs {T}"}
        ),
        there,
        met=(f"/{collection}",),
        outlives=True,
    )


_BUDGETS = "/v1/billingAccounts/{A}/budgets"


def _budget(hand: Hand) -> dict[str, Any] | None:
    found = hand.listed("billingbudgets", _BUDGETS, "budgets")
    return next((one for one in found if one["displayName"] == hand.filled("mlflow-reconcile {N}")), None)


def _costs(sort: Sort, name: str, change: Any, look: str, *told: str) -> Edit:
    def write(hand: Hand) -> None:
        live = _budget(hand)
        if live is None:
            raise Impossible("there is no budget")
        Place("billingbudgets", f"/v1/{live['name']}").change(hand, change)

    said = tuple(f"billingbudgets.budget/{{N}} {field}" for field in told)
    return Edit(
        "billingbudgets.budget",
        name,
        sort,
        write,
        lambda hand: dug(_budget(hand), look),
        told=said,
        met=("/budgets",),
        scenes=WALL,
    )


def _unbudgeted(hand: Hand) -> None:
    live = _budget(hand)
    if live is None:
        raise Impossible("there is no budget")
    hand.done("DELETE", "billingbudgets", f"/v1/{live['name']}")


_CHECK, _CHANNEL, _ALERT = (
    "monitoring.uptime_check",
    "monitoring.notification_channel",
    "monitoring.alert_policy",
)
_UP, _CH, _AL = "uptimeCheckConfigs", "notificationChannels", "alertPolicies"
_MAIL = "ml-oncall@acme.example"
_LABEL = ("a label", put("userLabels.theirs", "t-{T}"), "userLabels.theirs")
_REQUESTS = 'metric.type="run.googleapis.com/request_count" AND resource.type="cloud_run_revision"'
_OPEN: dict[str, Any] = {"scenes": (OPEN,)}
EDITS: Final[tuple[Edit, ...]] = (
    _found(_CHECK, _UP, "", "server", Sort.OURS, "more seldom", put("period", "900s"), "period", **_OPEN),
    _found(
        _CHECK,
        _UP,
        "",
        "server",
        Sort.OURS,
        "another path",
        put("httpCheck.path", "/theirs"),
        "httpCheck.path",
        **_OPEN,
    ),
    _found(_CHECK, _UP, "", "server", Sort.THEIRS, *_LABEL, **_OPEN),
    _found(
        _CHECK,
        _UP,
        "",
        "server",
        Sort.THEIRS,
        "what the answer holds",
        put("contentMatchers", [{"content": "OK"}]),
        "contentMatchers.0.content",
        **_OPEN,
    ),
    _found(
        _CHECK,
        _UP,
        "",
        "server",
        Sort.THEIRS,
        "a header",
        put("httpCheck.headers", {"X-Theirs": "t"}),
        "httpCheck.headers",
        **_OPEN,
    ),
    _gone(_CHECK, _UP, "", "server", **_OPEN),
    _found(_CHANNEL, _CH, "", _MAIL, Sort.OURS, "off", put("enabled", False), "enabled"),
    _found(_CHANNEL, _CH, "", _MAIL, Sort.THEIRS, *_LABEL),
    _found(
        _CHANNEL, _CH, "", _MAIL, Sort.THEIRS, "a description", put("description", "t-{T}"), "description"
    ),
    _gone(
        _CHANNEL,
        _CH,
        "",
        _MAIL,
        may=("monitoring.alert_policy/* notificationChannels", "billingbudgets.budget/* *"),
    ),
    _made(
        _CHANNEL, _CH, "another channel", {"type": "email", "labels": {"email_address": "t-{T}@example.com"}}
    ),
    _found(_ALERT, _AL, "slow", "latency", Sort.OURS, "off", put("enabled", False), "enabled"),
    _found(
        _ALERT,
        _AL,
        "slow",
        "latency",
        Sort.OURS,
        "slower",
        put("conditions.0.conditionThreshold.thresholdValue", 99999.0),
        "conditions.0.conditionThreshold.thresholdValue",
        ("conditions.0.thresholdValue",),
    ),
    _found(
        _ALERT,
        _AL,
        "",
        "*",
        Sort.OURS,
        "nobody told",
        put("notificationChannels", []),
        "notificationChannels",
    ),
    _found(_ALERT, _AL, "", "*", Sort.THEIRS, *_LABEL),
    _found(
        _ALERT,
        _AL,
        "",
        "*",
        Sort.THEIRS,
        "a subject",
        put("documentation.subject", "t-{T}"),
        "documentation.subject",
    ),
    _gone(_ALERT, _AL, "slow", "latency"),
    _made(
        _ALERT,
        _AL,
        "another policy",
        {
            "combiner": "OR",
            "conditions": [
                {
                    "displayName": "c",
                    "conditionAbsent": {
                        "filter": _REQUESTS,
                        "duration": "300s",
                    },
                }
            ],
        },
    ),
    _costs(
        Sort.OURS,
        "another amount",
        put("amount.specifiedAmount.units", "9"),
        "amount.specifiedAmount.units",
        "amount.specifiedAmount.units",
    ),
    _costs(
        Sort.OURS,
        "one more threshold",
        add("thresholdRules", {"thresholdPercent": 0.1}),
        "thresholdRules",
        "thresholdRules",
    ),
    _costs(
        Sort.THEIRS,
        "owners told as well",
        put("notificationsRule.enableProjectLevelRecipients", True),
        "notificationsRule.enableProjectLevelRecipients",
    ),
    Edit(
        "billingbudgets.budget",
        "another budget",
        Sort.THEIRS,
        lambda hand: hand.done(
            "POST",
            "billingbudgets",
            _BUDGETS,
            {"displayName": "theirs {T}", "amount": {"specifiedAmount": {"units": "5"}}},
        ),
        lambda hand: any(
            one["displayName"] == hand.filled("theirs {T}")
            for one in hand.listed("billingbudgets", _BUDGETS, "budgets")
        ),
        met=("/budgets",),
        scenes=WALL,
        outlives=True,
    ),
    Edit(
        "billingbudgets.budget",
        "deleted",
        Sort.GONE,
        _unbudgeted,
        lambda hand: _budget(hand) is not None,
        told=("billingbudgets.budget/{N} create",),
        met=("/budgets",),
        scenes=WALL,
    ),
)
