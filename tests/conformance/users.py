"""Where a database user may connect from: the recordings' authors put 10.1.2.3 in place of every `host` in a body.

The user is told apart by its host later on, in queries, which they left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tests.conformance.recordings import Row, fields_of

REWRITTEN: Final = "10.1.2.3"
ANYWHERE: Final = "%"


def with_host(rows: Sequence[Row], index: int) -> Any:
    """The body of row *index*, with the host that a later row of the same user asks for."""
    row = rows[index]
    body = fields_of(row.body)
    if not row.path.endswith("/users") or body.get("host") != REWRITTEN:
        return row.body
    said = [
        one.query.get("host") for one in rows[index + 1 :] if _about(one, row.path, str(body.get("name")))
    ]
    return {**body, "host": next((host for host in said if host), ANYWHERE)}


def _about(row: Row, path: str, name: str) -> bool:
    return row.path == path and row.query.get("name") == name
