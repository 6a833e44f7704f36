"""Trouble at the requests of a command: it is killed there, or a request meets a fault."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from tests.laws.forks import Forks, Run
from tests.relay import READ_BY_POST, Reply, relay
from tests.scenarios.command import Bench, Ended

TIMEOUT = 600
_POLL = re.compile(r"/(operations|builds)/")
_CHANCE = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=operation-)[0-9a-f-]+|(?<!\d)\d{13,}(?!\d)"
)
_POLLED = 2
"""How many readings of one operation count; the later ones are like the second."""


class Sort(StrEnum):
    """What happens to the request, or to who sent it."""

    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    TOO_MANY = "429"
    INTERNAL = "500"
    UNAVAILABLE = "503"
    RESET_BEFORE = "reset before"
    RESET_AFTER = "reset after"

    @property
    def kills(self) -> bool:
        """Whether the command itself ends there."""
        return self in KILLS


KILLS = (Sort.KILLED_BEFORE, Sort.KILLED_AFTER)
_ANSWERS = {
    Sort.TOO_MANY: (429, "Too Many Requests", "RESOURCE_EXHAUSTED"),
    Sort.INTERNAL: (500, "Internal Server Error", "INTERNAL"),
    Sort.UNAVAILABLE: (503, "Service Unavailable", "UNAVAILABLE"),
}


@dataclass(frozen=True, slots=True)
class Point:
    """The trouble of this *sort* at a *request*: the one that matches this pattern of "METHOD PATH" for the *turn*-th
    time. Requests arrive side by side, so that a number would not be the same request each time.
    """

    sort: Sort
    request: str
    turn: int = 1

    def __str__(self) -> str:
        """In words, as a report and the command line's --point have it."""
        return f"{self.sort.value}:{self.request}" + (f"#{self.turn}" if self.turn > 1 else "")

    @property
    def reads(self) -> bool:
        """Whether the request changes nothing."""
        return self.request.startswith("GET ") or any(f":{read}" in self.request for read in READ_BY_POST)


@dataclass(slots=True)
class Met:
    """How a command with troubles ended, which of them were *met*, and what it asked."""

    ended: Ended
    met: frozenset[Point]
    asked: tuple[tuple[str, int], ...]
    """Each request: the pattern that finds it again, and its turn among those with the same one."""
    arguments: frozenset[str] = field(repr=False)
    """The argument lists of all processes while it worked."""


@dataclass
class _Meddler:
    """The hinder of one command's requests; the command is told to it once it has begun."""

    points: tuple[Point, ...]
    client: Run | None = None
    met: set[Point] = field(default_factory=set[Point])
    asked: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    arguments: set[str] = field(default_factory=set[str])
    begun: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    polls: Counter[str] = field(default_factory=Counter[str])
    turns: Counter[str] = field(default_factory=Counter[str])

    def __call__(self, method: str, path: str, forward: Callable[[], Reply]) -> Reply | None:
        due = self._due(method, f"{method} {path}")
        return self._trouble(due[0].sort, forward) if due else forward()

    def _due(self, method: str, request: str) -> list[Point]:
        """The troubles that are due at *request*, which is noted."""
        with self.lock:
            if not self._counts(method, request):
                return []
            self.arguments |= argument_lists()
            pattern = _CHANCE.sub("*", request)
            matching = {pattern, *(p.request for p in self.points if fnmatchcase(request, p.request))}
            self.turns.update(matching)
            self.asked.append((pattern, self.turns[pattern]))
            due = [p for p in self.points if p.request in matching and p.turn == self.turns[p.request]]
            self.met.update(due)
            return due

    def _counts(self, method: str, request: str) -> bool:
        """Not so what only asks once more how an operation goes."""
        if method == "GET" and _POLL.search(request):
            self.polls[request] += 1
            return self.polls[request] <= _POLLED
        return True

    def _trouble(self, sort: Sort, forward: Callable[[], Reply]) -> Reply | None:
        if sort in _ANSWERS:
            status, reason, word = _ANSWERS[sort]
            error = {"error": {"code": status, "message": f"{reason}: made by a test.", "status": word}}
            kind = ("Content-Type", "application/json; charset=UTF-8")
            return Reply(status, reason, json.dumps(error).encode(), (kind,))
        if sort in {Sort.KILLED_AFTER, Sort.RESET_AFTER}:
            forward()
        if sort.kills:
            self.begun.wait(TIMEOUT)
            if self.client is not None:
                self.client.kill()
                self.client.over.wait(TIMEOUT)
        return None


def run_troubled(forks: Forks, bench: Bench, command: tuple[str, ...], points: tuple[Point, ...]) -> Met:
    """Run `mlflow-reconcile` with *command* in *bench*, with the troubles at *points*."""
    meddler = _Meddler(points)
    with relay(bench.endpoint, hinder=meddler) as through:
        env = {**bench.env, "MLFLOW_RECONCILE_ENDPOINT": through.url}
        meddler.client = client = forks.run(*command, env=env)
        meddler.begun.set()
        ended = client.wait(TIMEOUT)
    return Met(ended, frozenset(meddler.met), tuple(meddler.asked), frozenset(meddler.arguments))


def argument_lists() -> set[str]:
    """What `ps` shows of every process of this machine."""
    found: set[str] = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return found
