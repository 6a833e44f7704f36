"""Deletions that a recording leaves out: what a network must have been rid of before it could be deleted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from tests.conformance.cloud import Got
from tests.conformance.recordings import Row, fields_of

HOST: Final = "compute.googleapis.com"
NETWORK: Final = re.compile(r"/compute/v1/(projects/[^/]+)/global/networks/([^/]+)")
Ask = Callable[..., Got]


def deleted(row: Row) -> bool:
    """Whether a row says that Google deleted a network, or will."""
    answer = fields_of(row.answer)
    return row.status == 200 and str(answer.get("operationType")) == "delete" and "error" not in answer


def sweep(ask: Ask, path: str, later: Sequence[str]) -> list[str]:
    """Delete what is in the network at *path* and nothing in *later*, the requests that follow, speaks of."""
    found = NETWORK.fullmatch(path)
    if found is None:
        return []
    gone = [one for one in _inside(ask, found[1], found[2]) if not any(one in text for text in later)]
    for one in gone:
        ask("DELETE", HOST, f"/compute/v1/{one}")
    return [f"deletion of {one}, which is not recorded" for one in gone]


def _inside(ask: Ask, project: str, network: str) -> Iterator[str]:
    """The subnetworks and the ranges for services of a network, by relative name."""
    live = fields_of(ask("GET", HOST, f"/compute/v1/{project}/global/networks/{network}").body)
    if not live.get("autoCreateSubnetworks"):
        yield from (link.partition("/compute/v1/")[2] for link in live.get("subnetworks", ()))
    listed = fields_of(ask("GET", HOST, f"/compute/v1/{project}/global/addresses").body)
    items: list[dict[str, Any]] = listed.get("items", [])
    for item in items:
        if str(item.get("network", "")).endswith(f"/{network}"):
            yield f"{project}/global/addresses/{item['name']}"


def requests(rows: Sequence[Row], resolved: Callable[[Any, int], Any], after: int) -> list[str]:
    """What the rows after number *after* ask, as text with their names resolved."""
    return [
        json.dumps([resolved(row.path, number), resolved(row.body, number)])
        for number, row in enumerate(rows)
        if number > after
    ]
