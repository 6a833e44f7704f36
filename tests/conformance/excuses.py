"""Differences that stay, each with its reason. A pair all of whose differences stand here is excused, not equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from tests.conformance.causes import RECORDING, STAND_IN
from tests.conformance.compare import Difference, plain
from tests.conformance.excuses_compute import CAUSES, COMPUTE
from tests.conformance.recordings import Row


@dataclass(frozen=True)
class Excuse:
    """A difference that stays."""

    row: str
    """A pattern over "service kind case METHOD path"."""
    field: str
    """A pattern over the field's path, without indices."""
    reason: str
    recorded: str = "*"
    sandbox: str = "*"
    """Patterns over what either side has there, as the report prints it."""
    cause: str = RECORDING
    """Of what sort the reason is."""


EXCUSES: Final[Sequence[Excuse]] = (
    *(Excuse(*line, cause=CAUSES.get(line[2], RECORDING)) for line in COMPUTE),
    Excuse(
        "serviceusage services * GET */services",
        "services",
        "enabling Compute Engine enables OS Login as well in real projects; the recorded project shows neither this "
        "nor any of the services that a new project starts with",
        recorded="absent",
        sandbox='{"name": "projects/*/services/oslogin.googleapis.com"}',
    ),
    *(
        Excuse(
            "serviceusage services * GET */services",
            f"services.{field}",
            "asked for names alone (fields=services/name), this one recorded list answers more than names",
            sandbox="absent",
        )
        for field in ("parent", "state")
    ),
    Excuse(
        "serviceusage services * POST *:enable",
        "metadata",
        "of two recordings of this call one has empty metadata while the operation runs, the other has none",
        sandbox="absent",
    ),
    Excuse(
        "cloudsql instances * GET *",
        "settings.ipConfiguration.authorizedNetworks",
        "the authors' tool looks for a list of texts there and, finding messages, writes an empty list",
        recorded="absent",
    ),
    Excuse(
        "storage objects * GET */o",
        "prefixes",
        "a list without a delimiter has no prefixes, and the two names stand in lists of five buckets that hold "
        "nothing: the authors' own stand-in answered",
        recorded='*"testfolder", "testmanagedfolder"*',
        sandbox="absent",
        cause=STAND_IN,
    ),
    *(
        Excuse(
            "storage buckets *storagebucketautoclass__http PATCH *",
            field,
            "of five recordings of a PATCH of a bucket with uniform access this one alone shows lists, which such a "
            "bucket does not have",
            sandbox="absent",
        )
        for field in ("acl", "defaultObjectAcl", "owner")
    ),
)

LEFT_OUT: Final[Mapping[str, str]] = {}
"""Patterns over "service kind METHOD path" of what the product does not use, each with its reason. They are counted."""


def excuse(excuses: Sequence[Excuse], row: Row, difference: Difference) -> Excuse | None:
    """The line that excuses a difference, or None."""
    where = f"{row.api} {row.case} {row.method} {row.path}"
    for one in excuses:
        fits = fnmatchcase(where, one.row) and fnmatchcase(plain(difference.field), one.field)
        if (
            fits
            and fnmatchcase(difference.recorded, one.recorded)
            and fnmatchcase(difference.sandbox, one.sandbox)
        ):
            return one
    return None


def left_out(patterns: Mapping[str, str], row: Row) -> bool:
    """Whether a row is about something that the product does not use."""
    return any(fnmatchcase(f"{row.api} {row.method} {row.path}", pattern) for pattern in patterns)
