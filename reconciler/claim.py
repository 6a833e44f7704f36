"""What the annotations of a lease's secret say: who holds it and until when, who did last, and what is others'."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from reconciler import holder

_OWN = "lease-"
"""What our annotations of the secret begin with; others have theirs."""
_OWNER, _PROCESS, _RUN = "lease-owner", "lease-process", "lease-run"
_LAST = "lease-last"
"""The last run that gave it back or lost it: by that, a run in between is told from somebody's label."""
_TAKEN, _RENEWED, _UNTIL = "lease-taken", "lease-renewed", "lease-until"


@dataclass(frozen=True, slots=True)
class Standing:
    """Who holds a lease: the *owner* in words, the *process*, the *run*'s random name, and times in UTC."""

    owner: str
    process: str
    run: str
    taken: datetime
    renewed: datetime
    until: datetime

    def over(self, now: datetime) -> bool:
        """Whether it has expired, or its process on this machine has ended."""
        return now >= self.until or holder.ended(self.process)

    def told(self, now: datetime) -> str:
        """Owner and age in a sentence."""
        return (
            f"{self.owner} holds it since {span(now - self.taken)}, renewed {span(now - self.renewed)} ago; "
            f"unrenewed, it expires in {span(self.until - now)}"
        )


def claimed(run: str, taken: datetime, now: datetime, lasts: float) -> dict[str, str]:
    """The annotations while *run*, of this process, has it: since *taken*, for *lasts* seconds from *now*."""
    return {
        _OWNER: holder.in_words(),
        _PROCESS: holder.process(os.getpid()),
        _RUN: run,
        _TAKEN: taken.isoformat(),
        _RENEWED: now.isoformat(),
        _UNTIL: (now + timedelta(seconds=lasts)).isoformat(),
    }


def given_back(run: str) -> dict[str, str]:
    """The annotations when *run* does not hold it any more."""
    return {_LAST: run}


def standing_of(secret: Mapping[str, Any] | None) -> Standing | None:
    """What the annotations of *secret* say; None where they say nothing that can be understood."""
    said: Mapping[str, str] = (secret or {}).get("annotations") or {}
    try:
        taken, renewed, until = (datetime.fromisoformat(said[key]) for key in (_TAKEN, _RENEWED, _UNTIL))
        return Standing(said[_OWNER], said[_PROCESS], said[_RUN], taken, renewed, until)
    except (KeyError, ValueError):
        return None


def turn_of(secret: Mapping[str, Any]) -> tuple[str, str]:
    """Which run holds it, and which did last: what every run changes, and nobody else."""
    said: Mapping[str, str] = secret.get("annotations") or {}
    return said.get(_RUN, ""), said.get(_LAST, "")


def others_of(secret: Mapping[str, Any]) -> dict[str, str]:
    """The annotations of *secret* that somebody else has made."""
    annotations: Mapping[str, str] = secret.get("annotations") or {}
    return {key: value for key, value in annotations.items() if not key.startswith(_OWN)}


def span(length: timedelta) -> str:
    """*length* in whole seconds or minutes, for a person."""
    seconds = max(0, round(length.total_seconds()))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
