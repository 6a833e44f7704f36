"""Alert policies at work: what each condition's metric is at this moment, and whom it would tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from reconciler.sandbox.measuring import filters, series
from reconciler.sandbox.measuring.series import Series
from reconciler.sandbox.services.monitoring_channels import CHANNEL, POLICY
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.world import World

Numbers = Sequence[float]


def _percentile(values: Numbers, share: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


_ALIGN: Final[Mapping[str, Callable[[Numbers], Numbers]]] = {
    "ALIGN_DELTA": lambda values: values,  # the counts of a window are added up by the reducer
    "ALIGN_SUM": lambda values: (sum(values),),
    "ALIGN_MEAN": lambda values: (sum(values) / len(values),),
    "ALIGN_MAX": lambda values: (max(values),),
    "ALIGN_NEXT_OLDER": lambda values: values[-1:],
    "ALIGN_PERCENTILE_95": lambda values: (_percentile(values, 95),),
    "ALIGN_PERCENTILE_99": lambda values: (_percentile(values, 99),),
}
_REDUCE: Final[Mapping[str, Callable[[Numbers], float]]] = {
    "REDUCE_SUM": sum,
    "REDUCE_MAX": max,
    "REDUCE_MEAN": lambda values: sum(values) / len(values),
    "REDUCE_COUNT_FALSE": lambda values: float(sum(not value for value in values)),
    "REDUCE_COUNT_TRUE": lambda values: float(sum(bool(value) for value in values)),
    "REDUCE_PERCENTILE_95": lambda values: _percentile(values, 95),
    "REDUCE_PERCENTILE_99": lambda values: _percentile(values, 99),
}


def look(world: World, project: str) -> list[dict[str, Any]]:
    """What each policy's condition sees now, and who would be told once it has lasted for its duration.

    Each: {policy, displayName, value (None where nothing was measured), threshold, above, lasting, tells}.
    """
    found: list[dict[str, Any]] = []
    for name, policy in world.store.list(POLICY, f"projects/{project}/"):
        if not policy.get("enabled", True):
            continue
        for condition in cast("list[Body]", policy["conditions"]):
            threshold = inner(condition, "conditionThreshold")
            value = _value(world, project, threshold) if threshold else None
            limit = float(threshold.get("thresholdValue") or 0)
            above = value is not None and (
                value < limit if threshold.get("comparison") == "COMPARISON_LT" else value > limit
            )
            found.append(
                {
                    "policy": name,
                    "displayName": policy["displayName"],
                    "value": value,
                    "threshold": limit,
                    "above": above,
                    "lasting": threshold.get("duration", "0s"),
                    "tells": _addresses(world, policy) if above else [],
                }
            )
    return found


def _addresses(world: World, policy: Body) -> list[str]:
    channels = [world.store.get(CHANNEL, name) for name in policy.get("notificationChannels") or ()]
    working = [inner(one, "labels") for one in channels if one is not None and one.get("enabled", True)]
    return sorted(str(next(iter(labels.values()), "")) for labels in working)


def _value(world: World, project: str, threshold: Body) -> float | None:
    terms = filters.parse(str(threshold.get("filter", "")))
    aggregation = next(iter(cast("list[Body]", threshold.get("aggregations") or [])), dict[str, Any]())
    align = _ALIGN.get(str(aggregation.get("perSeriesAligner")))
    reduce = _REDUCE.get(str(aggregation.get("crossSeriesReducer")))
    if terms is None or align is None or reduce is None:
        return None
    window = float(str(aggregation["alignmentPeriod"]).removesuffix("s"))
    metric = filters.type_of(terms, "metric")
    found = series.measured(world, project, metric, world.clock().timestamp() - window)
    chosen = [one for one in found if one.values and _passes(one, terms)]
    values = [value for one in chosen for value in align(one.values)]
    return reduce(values) if values else None


def _passes(one: Series, terms: tuple[filters.Term, ...]) -> bool:
    labels = {"metric": one.metric, "resource": one.resource}
    return all(term.holds(labels[term.of].get(term.label, "")) for term in terms if term.label != "type")
