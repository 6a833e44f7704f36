"""Differences that stay, each with its reason. A pair all of whose differences stand here is excused, not equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from tests.conformance.compare import Difference, plain
from tests.conformance.recordings import Row


@dataclass(frozen=True)
class Excuse:
    """A difference that stays."""

    row: str
    """A pattern over "service kind case METHOD path"."""
    field: str
    """A pattern over the field's path, without indices."""
    reason: str


EXCUSES: Final[Sequence[Excuse]] = ()

LEFT_OUT: Final[dict[str, str]] = {}
"""Kinds, as "service kind", of things that the product does not use, each with its reason. They are counted."""


def excuse(excuses: Sequence[Excuse], row: Row, difference: Difference) -> Excuse | None:
    """The line that excuses a difference, or None."""
    where = f"{row.api} {row.case} {row.method} {row.path}"
    for one in excuses:
        if fnmatchcase(where, one.row) and fnmatchcase(plain(difference.field), one.field):
            return one
    return None
