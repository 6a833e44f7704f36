"""What was asked of IAM: who was held against which permission, on what, and with which answer.

It is how the smallest set of roles for somebody is found: let them work as the owner, and look here.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

Question = tuple[str, str, str, bool]


class Questions:
    """Every different question since the start, in the order of their first time; kept in memory only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._questions: dict[Question, int] = {}

    def note(self, member: str, permission: str, places: Sequence[str], *, granted: bool) -> None:
        """Remember that *member* was held against *permission* on the first of *places*."""
        question = (member, permission, places[0] if places else "", granted)
        with self._lock:
            self._questions[question] = self._questions.get(question, 0) + 1

    def show(self) -> list[dict[str, Any]]:
        """Each question as {member, permission, resource, granted, times}."""
        with self._lock:
            found = list(self._questions.items())
        return [
            {
                "member": member,
                "permission": permission,
                "resource": resource,
                "granted": granted,
                "times": times,
            }
            for (member, permission, resource, granted), times in found
        ]

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._questions.clear()
