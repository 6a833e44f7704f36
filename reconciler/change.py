"""What is to be done about one resource."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model import Desired, Observed, Origin, Ref, Value


class Action(StrEnum):
    """Closed: every resource of a deployment gets exactly one of these, so counts add up."""

    KEEP = "keep"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field's way from *old* (observed) to *new* (desired), who asks for it and what it does.

    It is *grave* where what was found opens the deployment to strangers, or loses data.
    """

    field: str
    old: Value
    new: Value
    origin: Origin | None = None
    effect: str = ""
    forces_replacement: bool = False
    grave: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """Everything that a plan, a renderer and apply need to know about one resource.

    *reason* says why it is replaced, deleted, refused or left alone. *blocked* holds the sentence of a guard
    that forbids it: a plan with a blocked change is never carried out. What is *foreign* is there and not ours.
    """

    ref: Ref
    action: Action
    fields: tuple[FieldChange, ...] = ()
    desired: Desired | None = None
    observed: Observed | None = None
    reason: str = ""
    blocked: str = ""
    foreign: bool = False

    @property
    def grave(self) -> bool:
        """Whether something of it opens the deployment to strangers, or loses data."""
        return any(field.grave for field in self.fields)

    @property
    def effects(self) -> tuple[str, ...]:
        """What this change does to users, each sentence once, in field order."""
        return tuple(dict.fromkeys(f.effect for f in self.fields if f.effect))
