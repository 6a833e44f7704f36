"""Cloud Monitoring: alert policies. What their conditions see is told on demand (`measuring.alerting`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.measuring import filters
from reconciler.sandbox.measuring.metrics import ALIGNERS, METRICS
from reconciler.sandbox.monitoring_forms import (
    check_labels,
    collection,
    fresh_id,
    invalid,
    key,
    masked,
    page,
    plain,
    record,
)
from reconciler.sandbox.services.monitoring_channels import CHANNEL, POLICY
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.world import Method, Request, World

API: Final = "monitoring"
VERSIONS: Final = ("v3",)
WORD: Final = "alertPolicies"
MOST_CONDITIONS: Final = 6
SHORTEST: Final = 60.0
"""Seconds of an alignment period."""
COMPARISONS: Final = ("COMPARISON_GT", "COMPARISON_LT")
LONGEST: Final = 23.5 * 3600
"""Seconds that a condition may wait."""
SERVERS_OWN: Final = ("name", "creationRecord", "mutationRecord", "validity")
CONDITIONS: Final = (
    "conditionThreshold", "conditionAbsent", "conditionMatchedLog", "conditionMonitoringQueryLanguage",
    "conditionPrometheusQueryLanguage", "conditionSql",
)  # fmt: skip
_CHANNEL: Final = re.compile(r"projects/[^/]+/notificationChannels/[^/]+")
Function = Callable[[World, Request], Mapping[str, Any]]


def methods(world: World) -> dict[str, Method]:
    """Policies are kept and validated."""
    found: dict[str, Function] = {
        "create": _create,
        "get": _find,
        "list": _list,
        "patch": _patch,
        "delete": _delete,
    }

    def bound(function: Function) -> Method:
        return lambda request: function(world, request)

    return {f"projects.alertPolicies.{verb}": bound(function) for verb, function in found.items()}


def _find(world: World, request: Request) -> Body:
    body = world.store.get(POLICY, key(request, WORD))
    if body is None:
        raise ApiError(404, "Requested entity was not found.")
    return body


def _create(world: World, request: Request) -> Mapping[str, Any]:
    name = collection(request, WORD) + fresh_id()
    changed = record(world, request)
    sent = {field: value for field, value in request.body.items() if field not in SERVERS_OWN}
    body = _settled(
        world, request, {**sent, "name": name, "creationRecord": changed, "mutationRecord": changed}, {}
    )
    return world.store.create(POLICY, name, body)


def _settled(world: World, request: Request, body: Body, old: Body) -> Body:
    """A policy in normal form: its conditions named, its defaults filled in. Raises ApiError 400 or 404."""
    if not body.get("displayName"):
        raise invalid("alert_policy.display_name", "", "A display name must be given.")
    check_labels("alert_policy", body)
    known = {condition["name"] for condition in old.get("conditions", ())}
    conditions = [
        _condition(body["name"], known, at, one) for at, one in enumerate(body.get("conditions") or [])
    ]
    if not 1 <= len(conditions) <= MOST_CONDITIONS:
        text = f"A policy must have from 1 to {MOST_CONDITIONS} conditions."
        raise invalid("alert_policy.conditions", str(len(conditions)), text)
    if body.get("combiner", "COMBINE_UNSPECIFIED") == "COMBINE_UNSPECIFIED" and len(conditions) > 1:
        raise invalid("alert_policy.combiner", "COMBINE_UNSPECIFIED", "Several conditions need a combiner.")
    for name in body.get("notificationChannels") or ():
        _check_channel(world, request, name)
    documentation = inner(body, "documentation")
    if documentation.get("content"):
        documentation = {"mimeType": "text/markdown", **documentation}
    enabled = body.get("enabled")
    whole = {**body, "conditions": conditions, "documentation": documentation}
    return plain({**whole, "enabled": True if enabled is None else enabled})


def _check_channel(world: World, request: Request, name: str) -> None:
    if _CHANNEL.fullmatch(name) is None:
        text = (
            f"Name must begin with 'projects/{{project_id}}/notificationChannels/{{channel_id}}', got: {name}"
        )
        raise ApiError(400, text)
    if (
        world.store.get(CHANNEL, collection(request, "notificationChannels") + name.rpartition("/")[2])
        is None
    ):
        raise ApiError(404, f"Notification channel not found: {name}")


def _condition(policy: str, known: set[str], at: int, sent: Mapping[str, Any]) -> Body:
    where = f"alert_policy.conditions[{at}]"
    given = [kind for kind in CONDITIONS if kind in sent]
    if len(given) != 1:
        raise invalid(where, ", ".join(given), "Exactly one kind of condition must be given.")
    if not sent.get("displayName"):
        raise invalid(f"{where}.display_name", "", "A display name must be given.")
    kind = given[0]
    field = f"{where}.{re.sub('([A-Z])', lambda found: '_' + found[1].lower(), kind)}"
    _check_condition(field, kind, sent[kind])
    name = sent.get("name")
    return {**sent, "name": name if name in known else f"{policy}/conditions/{fresh_id()}"}


def _check_condition(field: str, kind: str, condition: Mapping[str, Any]) -> None:
    if kind in ("conditionThreshold", "conditionAbsent"):
        text = str(condition.get("filter", ""))
        filters.check(f"{field}.filter", text)
        _check_aggregations(field, text, condition)
    if condition.get("comparison", "COMPARISON_GT") not in COMPARISONS:
        why = "Only COMPARISON_LT and COMPARISON_GT are supported."
        raise invalid(f"{field}.comparison", condition["comparison"], why)
    duration = str(condition.get("duration") or "0s")
    seconds = float(duration.removesuffix("s"))
    if seconds > LONGEST:
        raise invalid(f"{field}.duration", duration, "Durations longer than 23h30m are not supported.")
    if kind != "conditionPrometheusQueryLanguage" and seconds % 60:
        raise invalid(f"{field}.duration", duration, "The duration must be a multiple of a minute.")
    if condition.get("evaluationMissingData") and not seconds:
        raise invalid(
            f"{field}.evaluation_missing_data",
            condition["evaluationMissingData"],
            "Conditions setting evaluation_missing_data must have a non-zero duration.",
        )


def _check_aggregations(field: str, text: str, condition: Mapping[str, Any]) -> None:
    """Raise ApiError 400 for what cannot be computed of the metric that the filter *text* names."""
    terms = filters.parse(text) or ()
    metric = METRICS.get(filters.type_of(terms, "metric"))
    for aggregation in cast("list[Body]", condition.get("aggregations") or []):
        aligner = str(aggregation.get("perSeriesAligner") or "ALIGN_NONE")
        period = float(str(aggregation.get("alignmentPeriod") or "0s").removesuffix("s"))
        if aligner != "ALIGN_NONE" and period < SHORTEST:
            why = "The alignment period must be at least 60 seconds."
            raise invalid("aggregation.alignmentPeriod", f"{period:g}s", why)
        if aggregation.get("groupByFields") and not aggregation.get("crossSeriesReducer"):
            why = "An aggregation cannot have group-by fields without a reducer."
            raise invalid(f"{field}.aggregations", "", why)
        if metric and aligner in ALIGNERS and (metric.kind, metric.value) not in ALIGNERS[aligner]:
            why = f"The aligner cannot be applied to metrics with kind {metric.kind} and value type {metric.value}."
            raise invalid("aggregation.perSeriesAligner", aligner, why)
        metric = None  # a further aggregation works on what the first one has made of it


def _list(world: World, request: Request) -> Mapping[str, Any]:
    found = dict(world.store.list(POLICY, collection(request, WORD)))
    return page(request, WORD, found)


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    def change(old: Body) -> Body:
        own = {field: old[field] for field in SERVERS_OWN if field in old}
        mask = request.params.get("updateMask")
        fresh = masked(old, request.body, mask) if mask else dict(request.body)
        return _settled(world, request, {**fresh, **own, "mutationRecord": record(world, request)}, old)

    _find(world, request)
    return world.store.update(POLICY, key(request, WORD), change)


def _delete(world: World, request: Request) -> Mapping[str, Any]:
    _find(world, request)
    world.store.delete(POLICY, key(request, WORD))
    return {}
