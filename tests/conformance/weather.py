"""What Google Cloud was like while a take was recorded: eventual consistency, and reads in the middle of an operation.

The sandbox does everything at once unless it is told otherwise. Where a recorded answer can only be had while a change
is on its way, the sandbox is told to take its time for as long as the rows say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.conformance.recordings import Row, fields_of

HELD: Final = 1.0
"""Seconds that an operation lasts which is looked at while it runs."""
LAGGING: Final = 3600.0
"""Seconds: a new account is seen as soon as the rows say so, and not before."""
UNDER_WAY: Final = frozenset({"PENDING_CREATE", "CREATING", "UPDATING", "PENDING_DELETE", "DELETING"})


def conditions(rows: Sequence[Row], index: int) -> dict[str, Any]:
    """How the sandbox has to behave while it answers row *index*: the document of its /sandbox/v1/conditions."""
    wanted: dict[str, Any] = {}
    if any(_lags(rows, made, index) for made in range(index + 1)):
        wanted["propagation"] = {"accounts": LAGGING}
    after = rows[index + 1] if index + 1 < len(rows) else None
    watched = rows[index].method != "GET" and after is not None and under_way(after)
    if watched or refused_for_now(rows[index]):
        wanted["operations"] = {"*": HELD}
    if rows[index].method != "GET" and _fails(rows[index + 1 :]):
        wanted["faults"] = [{"method": "*", "fault": "operation-error"}]
    return wanted


def refused_for_now(row: Row) -> bool:
    """Whether a row is refused because an operation on the same thing is still going on."""
    error = fields_of(fields_of(row.answer).get("error"))
    entries: list[dict[str, Any]] = error.get("errors", [])
    return row.method != "GET" and any(entry.get("reason") == "resourceNotReady" for entry in entries)


def by_chance(rows: Sequence[Row], index: int) -> bool:
    """Whether row *index* reads a new account that comes and goes: the recordings leave out reads that repeat."""
    return rows[index].method == "GET" and "propagation" in conditions(rows, index)


def under_way(row: Row) -> bool:
    """Whether a row shows a resource in the middle of an operation."""
    answer = fields_of(row.answer)
    reads = row.method == "GET" and row.status == 200 and "/operations/" not in row.path
    return reads and (answer.get("state") in UNDER_WAY or _reconciling(answer))


def _fails(following: Sequence[Row]) -> bool:
    """Whether the operation of the row before these came to nothing, for reasons that only Google knows."""
    until = next((number for number, row in enumerate(following) if row.method != "GET"), len(following))
    return any(fields_of(row.answer).get("state") == "FAILED" for row in following[:until])


def _reconciling(answer: Mapping[str, Any]) -> bool:
    return answer.get("reconciling") is True


def _lags(rows: Sequence[Row], made: int, index: int) -> bool:
    """Whether the account that row *made* makes is looked for in vain at row *index* or later."""
    row = rows[made]
    if row.method != "POST" or row.status != 200 or not re.search(r"/serviceAccounts$", row.path):
        return False
    path = f"{row.path}/{fields_of(row.answer).get('email')}"
    looks = [number for number in range(made + 1, len(rows)) if rows[number].path == path]
    deleted = next((number for number in looks if rows[number].method == "DELETE"), len(rows))
    return any(index <= number < deleted and rows[number].status == 404 for number in looks)
