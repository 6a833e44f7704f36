"""Compute Engine's lists: filtered, ordered, in pages, of one place or of all places at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.networking import compute_names
from reconciler.sandbox.networking.regions import REGIONS
from reconciler.sandbox.paging import page
from reconciler.sandbox.services import compute_filters
from reconciler.sandbox.world import Request

MOST: Final = 500


def listed(
    request: Request, kind: str, collection: str, bodies: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The answer of a list method: *kind* is "network", *collection* its relative name; *bodies* as they are shown."""
    items, token = _page(request, [(str(number), one) for number, one in enumerate(_chosen(request, bodies))])
    answer = {
        "kind": f"compute#{kind}List",
        "id": collection,
        **({"items": items} if items else {}),
        **({"nextPageToken": token} if token else {}),
        "selfLink": compute_names.link(collection),
    }
    return compute_names.in_version(answer, request.version)


def aggregated(
    request: Request, kind: str, key: str, places: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """The answer of an aggregatedList method: *places* maps "regions/us-central1" to what is there.

    Places with nothing in them say so in a warning, unless partial success is asked for without them.
    """
    shown: dict[str, Any] = {}
    for place in [*(["global"] if "global" in places else []), *(f"regions/{name}" for name in REGIONS)]:
        found = _chosen(request, places.get(place, ()))
        shown[place] = {key: list(found)} if found else {"warning": _nothing(place)}
    answer = {
        "kind": f"compute#{kind}AggregatedList",
        "id": f"projects/{request.project}/aggregated/{key}",
        "items": shown,
        "selfLink": compute_names.link(f"projects/{request.project}/aggregated/{key}"),
    }
    return compute_names.in_version(answer, request.version)


def _nothing(place: str) -> dict[str, Any]:
    text = f"There are no results for scope '{place}' on this page."
    return {
        "code": "NO_RESULTS_ON_PAGE",
        "message": text,
        "data": [{"key": "scope", "value": place}],
    }


def _chosen(request: Request, bodies: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    test = compute_filters.parse(str(request.params.get("filter", "")))
    chosen = [body for body in bodies if test(body)]
    order = str(request.params.get("orderBy", ""))
    if order == "creationTimestamp desc":
        chosen.sort(key=lambda body: str(body.get("creationTimestamp", "")), reverse=True)
    elif order not in ("", "name"):
        text = f"Invalid value for field 'orderBy': '{order}'. Invalid order by."
        raise ApiError(400, text, reason="invalid")
    return chosen


def _page(request: Request, named: Sequence[tuple[str, Any]]) -> tuple[list[Any], str]:
    ordered = [(name.zfill(8), one) for name, one in named]
    return page(ordered, request.params, default=MOST, most=MOST, size="maxResults")
