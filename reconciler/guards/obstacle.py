"""What stands in the way of a plan, found before its first write."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.change import Change


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing: what it *says*, and the *way_out*. *permissions* are those that the caller lacks, where it is that."""

    says: str
    way_out: str
    permissions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.says}; {self.way_out[:1].lower()}{self.way_out[1:]}"


Question: TypeAlias = Callable[[], Iterable[Obstacle]]
"""Asks Google Cloud one thing. Where nobody may ask it, the answer comes with Google's own refusal."""


def asked_for(change: Change, field: str = "") -> str:
    """The spec line that asks for *field* of *change*, else for the whole: "spec.yaml:12 database.tier"."""
    if change.desired is None:
        return ""
    origin = change.desired.origins.get(field) or change.desired.origins.get("")
    return f" ({origin})" if origin else ""
