"""What a take left out, filled in from another take of the same case.

A recording keeps only the rows that its commit changed. Another take of the same case shows the rest: its writes are
carried out where the two takes, laid side by side, have them, and are not compared a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.conformance.recordings import Row, Take, fields_of

Place = tuple[str, str, str]


@dataclass(frozen=True)
class Step:
    """One row to carry out; *own* where it belongs to the take and is compared."""

    row: Row
    own: bool


def complete(take: Take, others: Sequence[Take]) -> list[Step]:
    """The take's rows, with the writes that come before its last row in the fullest other take of its case."""
    own = [Step(row, own=True) for row in take.rows]
    donor = max(others, key=lambda one: (len(one.rows), one.name), default=None)
    if donor is None or len(donor.rows) <= len(take.rows):
        return own
    pairs = _aligned(take.rows, donor.rows)
    steps: list[Step] = []
    at = 0
    for index, row in enumerate(take.rows):
        room = row.seq - take.rows[index - 1].seq - 1 if index else row.seq
        until = pairs.get(index, _start_of(row, donor.rows, at))
        missing = [one for one in donor.rows[at:until] if _writes(one)]
        steps += [Step(one, own=False) for one in missing[:room]]
        at = pairs[index] + 1 if index in pairs else max(at, until)
        steps.append(Step(row, own=True))
    return steps


def _place(row: Row) -> Place:
    body = fields_of(row.body)
    said = body.get("name") or body.get("accountId") or "" if row.method == "POST" else ""
    answer = fields_of(row.answer)
    about = (
        f"{answer.get('operationType')} {answer.get('targetLink')}" if "/operations/" in row.path else said
    )
    return (row.service, f"{row.method} {row.path}", str(about))


def _start_of(row: Row, rows: Sequence[Row], at: int) -> int:
    """Where, from *at* on, the operation that *row* reads was started, plus one; *at* where it was not."""
    wanted = fields_of(row.answer)
    if "/operations/" in row.path:
        for number in range(at, len(rows)):
            answer = fields_of(rows[number].answer)
            same = all(
                answer.get(key) == wanted.get(key) for key in ("operationType", "targetLink", "targetId")
            )
            if rows[number].method != "GET" and "operationType" in answer and same:
                return number + 1
    return at


def _writes(row: Row) -> bool:
    read = row.path.endswith(":getIamPolicy")
    return row.method != "GET" and row.status < 300 and not read


def _aligned(one: Sequence[Row], other: Sequence[Row]) -> dict[int, int]:
    """The longest common subsequence, as index in *one* -> index in *other*; of several the least askew one."""
    weights = [[_weight(row, its) for its in other] for row in one]
    best = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i in range(len(one) - 1, -1, -1):
        for j in range(len(other) - 1, -1, -1):
            same = best[i + 1][j + 1] + weights[i][j] if weights[i][j] else 0
            best[i][j] = max(same, best[i + 1][j], best[i][j + 1])
    pairs: dict[int, int] = {}
    i = j = 0
    while i < len(one) and j < len(other):
        if weights[i][j] and best[i][j] == best[i + 1][j + 1] + weights[i][j]:
            pairs[i] = j
            i, j = i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs


def _weight(one: Row, other: Row) -> int:
    """0 for rows that are not the same; 1000 for those that are, and a little more the nearer their numbers lie."""
    return 1000 + 100 // (1 + abs(one.seq - other.seq)) if _place(one) == _place(other) else 0
