"""Whether the region has the database's machine: Cloud SQL lists the regions of each tier.

A tier of edition enterprise-plus tells of the edition as well, which some regions have not. Of custom tiers only
examples are listed: of these nothing is known but whether the region has Cloud SQL at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from reconciler.change import Action, Change
from reconciler.gcp.cloud import Cloud
from reconciler.guards.obstacle import Obstacle, Question, asked_for

TIER: Final = "settings.tier"
FIELDS: Final = frozenset({TIER, "settings.edition"})
MOST: Final = 4
"""Names that anybody reads."""


def questions(cloud: Cloud, changes: Iterable[Change]) -> Iterator[Question]:
    """One, where an instance is made, or gets another machine."""
    for change in changes:
        if change.ref.kind == "sqladmin.instance" and _chooses(change):
            yield partial(_missing, cloud, change)


def _chooses(change: Change) -> bool:
    made = change.action in {Action.CREATE, Action.REPLACE}
    return made or (change.action is Action.UPDATE and any(f.field in FIELDS for f in change.fields))


def _missing(cloud: Cloud, change: Change) -> Iterator[Obstacle]:
    body = (change.desired.body if change.desired else None) or {}
    tier, region = str(body.get(TIER)), str(body.get("region"))
    offered = _offered(cloud)
    if not offered:
        return
    if not any(region in regions for regions in offered.values()):
        yield Obstacle(
            f"Cloud SQL has no machines in {region}{asked_for(change, 'region')}",
            "Choose another region.",
        )
    elif tier in offered and region not in offered[tier]:
        yield Obstacle(
            f"{region} has no machine {tier}{asked_for(change, TIER)}",
            f"Write {_instead(offered, tier, region)}, or choose another region.",
        )


def _instead(offered: Mapping[str, frozenset[str]], tier: str, region: str) -> str:
    """A machine of the same family in *region*; where it has none of them, those of the other edition."""
    family = tier.rpartition("-")[0]
    there = [one for one, regions in offered.items() if region in regions]
    same = ", ".join([one for one in there if one.rpartition("-")[0] == family][:MOST])
    plus = family.startswith("db-perf-optimized")
    if same or not plus:
        return f"database.tier: {same or 'db-custom-CPUS-MEMORY'}"
    return "database.edition: enterprise with database.tier: db-custom-CPUS-MEMORY"


def _offered(cloud: Cloud) -> Mapping[str, frozenset[str]]:
    """The regions of each tier."""
    request = cloud.api("sqladmin", "v1").tiers().list(project=cloud.project)
    answer: Any = cloud.once("sqladmin.tiers", lambda: cloud.call("asking for the tiers", request.execute))
    return {str(one["tier"]): frozenset(one.get("region", ())) for one in answer.get("items", ())}
