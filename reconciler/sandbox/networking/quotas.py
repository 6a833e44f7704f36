"""Compute Engine's quotas: how much a project may have, how much it has, and what is refused beyond that.

`projects.get` and `regions.get` show the very numbers that are enforced. Limits are those of a new project, as recorded
answers show them, unless the conditions say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.networking import networks
from reconciler.sandbox.networking.egress import CONNECTOR
from reconciler.sandbox.weather.limits import GLOBAL, REGIONAL
from reconciler.sandbox.world import World

_CPUS: Final = {"f1-micro": 1, "e2-micro": 2, "e2-standard-4": 4}
"""What a machine of a connector counts for: the `guestCpus` of its type."""
Quota = Mapping[str, Any]


def of_project(world: World, project: str) -> list[Quota]:
    """`quotas` of the project."""
    return [_shown(world, name, count(world, project)) for name, count in _GLOBAL.items()]


def of_region(world: World, project: str, region: str) -> list[Quota]:
    """`quotas` of one of its regions."""
    return [
        _shown(world, name, count(world, project, region), regional=True) for name, count in _REGIONAL.items()
    ]


def check(world: World, project: str, metric: str, region: str = "") -> None:
    """Raise ApiError 403 where one more of *metric* is more than the project may have."""
    used = _REGIONAL[metric](world, project, region) if region else _GLOBAL[metric](world, project)
    limit = _limit(world, metric, regional=bool(region))
    if used + 1 > limit:
        where = f"in region {region}" if region else "globally"
        raise ApiError(403, f"Quota '{metric}' exceeded.  Limit: {limit} {where}.", reason="quotaExceeded")


def enough_cpus(world: World, connector: Mapping[str, Any]) -> bool:
    """Whether the machines of *connector*, which is in the store, are within the region's quota."""
    _, project, _, region, *_ = str(connector["name"]).split("/")
    return _cpus(world, project, region) <= _limit(world, "CPUS", regional=True)


def _limit(world: World, metric: str, *, regional: bool) -> float:
    return world.conditions.limit(metric, (REGIONAL if regional else GLOBAL)[metric])


def _shown(world: World, metric: str, used: int, *, regional: bool = False) -> Quota:
    return {"metric": metric, "limit": _limit(world, metric, regional=regional), "usage": float(used)}


def _networks(world: World, project: str) -> int:
    return len(networks.listed(world, project))


def _addresses(world: World, project: str, place: str, kind: str) -> int:
    rows = world.store.list(networks.ADDRESS, f"projects/{project}/{place}/addresses/")
    return sum(body["addressType"] == kind for _, body in rows)


def _cpus(world: World, project: str, region: str) -> int:
    rows = world.store.list(CONNECTOR, f"projects/{project}/locations/{region}/connectors/")
    standing = (body for _, body in rows if body["state"] != "ERROR" and "minInstances" in body)
    return sum(body["minInstances"] * _CPUS[body["machineType"]] for body in standing)


_GLOBAL: Final[Mapping[str, Callable[[World, str], int]]] = {
    "NETWORKS": _networks,
    "STATIC_ADDRESSES": lambda world, project: _addresses(world, project, "global", "EXTERNAL"),
    "IN_USE_ADDRESSES": lambda _world, _project: 0,  # there is no machine to use one
    "GLOBAL_INTERNAL_ADDRESSES": lambda world, project: _addresses(world, project, "global", "INTERNAL"),
}
_REGIONAL: Final[Mapping[str, Callable[[World, str, str], int]]] = {
    "CPUS": _cpus,
    "STATIC_ADDRESSES": lambda world, project, region: _addresses(
        world, project, f"regions/{region}", "EXTERNAL"
    ),
    "IN_USE_ADDRESSES": lambda _world, _project, _region: 0,
    "INSTANCES": lambda _world, _project, _region: 0,
}
