"""Every edit by others that is tried, and why a kind has none of a sort."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.laws.hands import granted, networked, running, stored, watched
from tests.laws.hands.edit import Edit, Sort

EDITS: Final[tuple[Edit, ...]] = (
    *granted.EDITS,
    *stored.EDITS,
    *running.EDITS,
    *networked.EDITS,
    *watched.EDITS,
)
WITHOUT: Final[Mapping[tuple[str, Sort], str]] = {
    ("compute.network", Sort.OURS): "it is somebody else's: we want it there and nothing of it",
    ("compute.subnetwork", Sort.OURS): "the same; what it must be like is refused before the first write",
    ("sqladmin.public_address", Sort.THEIRS): "it is one setting of an instance, and has no other",
    (
        "sqladmin.database",
        Sort.OURS,
    ): "a database's character set never changes, and nothing else of it is declared",
    ("vpcaccess.connector", Sort.THEIRS): "a connector has neither labels nor a setting that is not declared",
}
"""Of what a kind has no edit: neither ours (a field, or the thing itself deleted) nor theirs; and why."""


def missing(kinds: set[str]) -> set[tuple[str, Sort]]:
    """What of *kinds* is neither edited nor accounted for: of each, something of ours and something of others."""
    ours = {edit.kind for edit in EDITS if edit.sort in {Sort.OURS, Sort.GONE}}
    theirs = {edit.kind for edit in EDITS if edit.sort is Sort.THEIRS}
    found = {(kind, Sort.OURS) for kind in kinds - ours} | {(kind, Sort.THEIRS) for kind in kinds - theirs}
    return found - set(WITHOUT)
