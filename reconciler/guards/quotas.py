"""Whether what a plan makes fits into the project's quotas, where an API tells both usage and limit beforehand.

Compute Engine does (`quotas` of projects.get and regions.get). Service Usage tells limits alone, and how much of one is
used is measured by Cloud Monitoring once a day; of services, instances, buckets and accounts nothing is known before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from reconciler import errors
from reconciler.change import Action, Change
from reconciler.gcp.cloud import Cloud
from reconciler.gcp.failures import QUOTAS_PAGE
from reconciler.guards.obstacle import Obstacle, Question, asked_for

CPUS: Final = {"e2-standard-4": 4}
"""vCPUs of a connector's machines; of those that share a core at least one is counted."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a *change* takes: *amount* of *metric*, in a *region* or ("") in all of a *project*."""

    change: Change
    project: str
    region: str
    metric: str
    amount: int


def questions(cloud: Cloud, changes: Iterable[Change]) -> Iterator[Question]:
    """One for each place in which *changes* make something that is counted."""
    by_place: dict[tuple[str, str], list[Need]] = {}
    for change in changes:
        need = _need(change) if change.action is Action.CREATE else None
        if need is not None:
            by_place.setdefault((need.project, need.region), []).append(need)
    for (project, region), needs in by_place.items():
        yield _question(cloud, project, region, needs)


def _question(cloud: Cloud, project: str, region: str, needs: list[Need]) -> Question:
    def asked() -> Iterator[Obstacle]:
        try:
            quotas = _quotas(cloud, project, region)
        except errors.ApiDisabled:
            if project == cloud.project:
                raise
            return  # the host project of a Shared VPC is not ours to enable anything in
        for need in needs:
            free = quotas.get(need.metric)
            if free is not None and free < need.amount:
                where = f"{project} in {region}" if region else project
                who, left = need.change.ref.address, max(free, 0)
                yield Obstacle(
                    f"the quota {need.metric} of {where} has {left:g} left, and {who} takes {need.amount}"
                    f"{asked_for(need.change)}",
                    f"Delete what is not needed any more, or ask for more: {QUOTAS_PAGE}?project={project}",
                )

    return asked


def _quotas(cloud: Cloud, project: str, region: str) -> dict[str, float]:
    """What is left of each quota."""
    compute = cloud.api("compute", "v1")
    request = (
        compute.regions().get(project=project, region=region)
        if region
        else compute.projects().get(project=project)
    )
    about = f"asking for the quotas of {region or project}"
    found: Any = cloud.once(("quotas", project, region), lambda: cloud.call(about, request.execute))
    return {str(one["metric"]): one["limit"] - one["usage"] for one in found.get("quotas", ())}


def _need(change: Change) -> Need | None:
    parts = change.ref.name.split("/")
    body = (change.desired.body if change.desired else None) or {}
    if change.ref.kind == "compute.address":
        return Need(change, parts[1], "", "GLOBAL_INTERNAL_ADDRESSES", 1)
    if change.ref.kind == "vpcaccess.connector":
        machines = int(str(body.get("minInstances") or 0))
        return Need(change, parts[1], parts[3], "CPUS", machines * CPUS.get(str(body.get("machineType")), 1))
    return None
