"""When somebody is told: one policy for each alert, each with one condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from reconciler.gcp import fields as flat
from reconciler.gcp.cloud import Cloud
from reconciler.labelled_kind import LABELS, LabelledKind, Live, labelled, labels_on, owner_of
from reconciler.model import Body, Desired, Json, Ref
from reconciler.resources import monitoring_notification_channel as channel
from reconciler.resources import monitoring_uptime_check as uptime
from reconciler.resources import run_service_iam
from reconciler.server import alerts
from reconciler.server.naming import DEPLOYMENT_LABEL, Names, labels_of
from reconciler.spec.deployment import Deployment

NAME: Final = "monitoring.alert_policy"
ALERT_LABEL: Final = "mlflow-alert"
AUTO_CLOSE: Final = "1800s"
"""The shortest there is: an alert on requests ends half an hour after the last request, not after a week."""
CONDITION: Final = "conditions.0."
"""Where the one condition's fields stand in a body; `conditions.count` is how many there are."""
PARTS: Final = ("filter", "comparison", "thresholdValue", "duration", "aggregations")


def _wanted(deployment: Deployment, names: Names) -> Iterable[Desired]:
    """A policy for each alert that is wanted."""
    watched = deployment.monitoring
    told = sorted({*watched.emails, *watched.channels})
    channels = tuple(channel.ref(names, address) for address in watched.emails)
    for alert in alerts.alerts_of(deployment, names):
        # A server that is still being made is nothing to be told about.
        checks = (uptime.ref(names), run_service_iam.ref(names)) if alert.name == "uptime" else ()
        yield Desired(
            ref(names, alert.name),
            {
                "displayName": f"MLflow {deployment.name} {alert.title}",
                "severity": alert.severity,
                "enabled": True,
                "combiner": "OR",
                "conditions.count": 1,
                **{f"{CONDITION}{field}": value for field, value in _condition(alert).items()},
                "documentation.content": alert.text,
                "alertStrategy.autoClose": AUTO_CLOSE,
                "notificationChannels": told,
                **flat.prefixed(LABELS, {**labels_of(deployment), ALERT_LABEL: alert.name}),
            },
            needs=(*channels, *checks),
            effects={"enabled": "nobody was told of this while it was off"},
            origins={
                "": deployment.origin(alert.key),
                "notificationChannels": deployment.origin("monitoring.emails"),
            },
        )


def _condition(alert: alerts.Alert) -> dict[str, Json]:
    aggregation: dict[str, Json] = {
        "alignmentPeriod": f"{alert.window}s",
        "perSeriesAligner": alert.align,
        "crossSeriesReducer": alert.reduce,
        **({"groupByFields": list(alert.group_by)} if alert.group_by else {}),
    }
    return {
        "displayName": alert.title,
        "filter": alert.filter,
        "comparison": "COMPARISON_GT",
        "thresholdValue": float(alert.threshold),
        "duration": f"{alert.duration}s",
        "aggregations": [aggregation],
    }


def _key(live: Live) -> str:
    return labels_on(live).get(ALERT_LABEL, "")


def _shown(cloud: Cloud, live: Live) -> Mapping[str, Json]:
    conditions = flat.items(live, "conditions")
    first = next(iter(conditions), dict[str, Any]())
    threshold = cast("dict[str, Any]", first.get("conditionThreshold") or {})
    known = channel.addresses(cloud, owner_of(live))
    told = cast("list[str]", live.get("notificationChannels") or [])
    return {
        "displayName": live.get("displayName", ""),
        "severity": live.get("severity"),
        "enabled": bool(live.get("enabled", True)),
        "combiner": live.get("combiner"),
        "conditions.count": len(conditions),
        f"{CONDITION}displayName": first.get("displayName"),
        f"{CONDITION}filter": threshold.get("filter"),
        f"{CONDITION}comparison": threshold.get("comparison"),
        f"{CONDITION}thresholdValue": float(threshold.get("thresholdValue") or 0),
        f"{CONDITION}duration": threshold.get("duration") or "0s",
        f"{CONDITION}aggregations": threshold.get("aggregations"),
        "documentation.content": flat.at(live, "documentation.content"),
        "alertStrategy.autoClose": flat.at(live, "alertStrategy.autoClose"),
        "notificationChannels": sorted(known.get(name, name) for name in told),
        **flat.prefixed(LABELS, labels_on(live)),
    }


def _message(cloud: Cloud, body: Body, live: Live) -> dict[str, Any]:
    plain = {key: value for key, value in body.items() if "." not in key}
    message: dict[str, Any] = {**plain, LABELS: labelled(body, live), "conditions": [_merged(body, live)]}
    for parent in ("documentation", "alertStrategy"):
        message[parent] = flat.with_map(live.get(parent), flat.under(parent, body))
    if "notificationChannels" in body:
        deployment = str(message[LABELS][DEPLOYMENT_LABEL])
        message["notificationChannels"] = channel.named(
            cloud, deployment, cast("list[str]", body["notificationChannels"])
        )
    return message


def _merged(body: Body, live: Live) -> dict[str, Any]:
    """The live policy's first condition, under its own name, with the fields of *body* in it."""
    first = next(iter(flat.items(live, "conditions")), dict[str, Any]())
    fields = flat.under(CONDITION.removesuffix("."), body)
    threshold: dict[str, Any] = {
        **(first.get("conditionThreshold") or {}),
        **{part: fields[part] for part in PARTS if part in fields},
    }
    named = {key: first[key] for key in ("name", "displayName") if key in first}
    shown = {"displayName": fields["displayName"]} if "displayName" in fields else {}
    return {**named, **shown, "conditionThreshold": threshold}


ALERT_POLICY: Final = LabelledKind(NAME, "alertPolicies", "alert policy", _wanted, _key, _shown, _message)
"""`monitoring.alert_policy`: one alert."""


def ref(names: Names, alert: str) -> Ref:
    """The policy of *alert*."""
    return ALERT_POLICY.ref(names, alert)
