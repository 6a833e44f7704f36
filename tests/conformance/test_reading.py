"""What was sent is what is read back, whatever the server makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.reading import ReadBack, read_back
from tests.conformance.recordings import Row, find, read, takes

FOLDER = find()
ABSENT = "no recordings of the real APIs are on this machine; make conformance says where they come from"


def row(seq: int, method: str, body: Any, answer: Any) -> Row:
    """A row about a bucket."""
    path = "/storage/v1/b"
    return Row("storage", "buckets", "case", "take", seq, method, "", path, {}, body, 200, answer)


def made(answered: dict[str, Any]) -> ReadBack:
    """A bucket that was asked for in Paris, with a label and versions, and read as *answered*."""
    sent = {"name": "b", "location": "europe-west9", "labels": {"a": "b"}, "versioning": {"enabled": True}}
    rows = [row(1, "POST", sent, {}), row(2, "GET", None, {"name": "b", **answered})]
    return next(read_back(takes(rows)))


def test_a_servers_spelling_and_additions_are_no_difference() -> None:
    """Capitals and fields of the server's own are expected; the three fields that were set are compared."""
    live = {
        "location": "EUROPE-WEST9",
        "labels": {"a": "b"},
        "versioning": {"enabled": True},
        "rpo": "DEFAULT",
    }
    assert (made(live).compared, made(live).different) == (3, [])


def test_a_field_that_comes_back_as_something_else_is_found() -> None:
    """It is named with what was sent and what was read."""
    live = {"location": "EUROPE-WEST9", "labels": {"a": "b"}, "versioning": {"enabled": False}}
    assert made(live).different == ["versioning: sent True, read False"]


@pytest.mark.skipif(FOLDER is None, reason=ABSENT)
def test_every_recorded_resource_of_ours_is_read_as_it_was_sent() -> None:
    """Buckets, secrets, instances, accounts and jobs of the real APIs."""
    assert FOLDER is not None
    results = list(read_back(takes(read(FOLDER))))
    assert len({result.row.api for result in results}) == 5
    assert [result for result in results if result.different] == []
