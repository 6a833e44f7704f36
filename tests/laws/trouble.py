"""One trouble at one request of a command: it is killed there, or that request meets a fault."""

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
from tests.relay import Reply, relay
from tests.scenarios.command import Bench, Ended

TIMEOUT = 600
_POLL = re.compile(r"/(operations|builds)/")
_CHANCE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<!\d)\d{13,}(?!\d)")
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
    """The trouble of this *sort* at the request with this *number*, by arrival, from 1.

    Requests arrive side by side, so that a number is not the same request each time. To come back to one, there is
    *request*, a pattern of "METHOD PATH": the first request that matches is meant then, whatever its number.
    """

    sort: Sort
    number: int
    request: str = ""

    def __str__(self) -> str:
        """In words, as a report and the command line's --point have it."""
        return f"{self.sort.value}:{self.request or self.number}"

    def meets(self, number: int, request: str) -> bool:
        """Whether the trouble is due at the request with this number."""
        return fnmatchcase(request, self.request) if self.request else number == self.number


@dataclass(slots=True)
class Met:
    """How a command with a trouble ended: which request *met* it ("" for none), and how many had a number."""

    ended: Ended
    met: str
    requests: int
    writes: tuple[str, ...]
    """Each write once, in order, as a pattern that finds it again."""
    arguments: frozenset[str] = field(repr=False)
    """The argument lists of all processes while it worked."""


@dataclass
class _Meddler:
    """The hinder of one command's requests; the command is told to it once it has begun."""

    point: Point | None
    client: Run | None = None
    met: str = ""
    requests: int = 0
    arguments: set[str] = field(default_factory=set[str])
    begun: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: Counter[str] = field(default_factory=Counter[str])

    def __call__(self, method: str, path: str, forward: Callable[[], Reply]) -> Reply | None:
        with self.lock:
            number = self._number(method, path)
            if number:
                self.arguments |= argument_lists()
            due = self.point is not None and not self.met and self.point.meets(number, f"{method} {path}")
            if due:
                self.met = f"{method} {path}"
        if self.point is None or not due:
            return forward()
        return self._trouble(self.point.sort, forward)

    def _number(self, method: str, path: str) -> int:
        """The number of this request; 0 where it only asks once more how an operation goes."""
        if method == "GET" and _POLL.search(path):
            self.seen[path] += 1
            if self.seen[path] > _POLLED:
                return 0
        self.requests += 1
        return self.requests

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


def run_troubled(forks: Forks, bench: Bench, command: tuple[str, ...], point: Point | None) -> Met:
    """Run `mlflow-reconcile` with *command* in *bench*; the one trouble at *point*, none for None."""
    meddler = _Meddler(point)
    with relay(bench.endpoint, hinder=meddler) as through:
        env = {**bench.env, "MLFLOW_RECONCILE_ENDPOINT": through.url}
        meddler.client = client = forks.run(*command, env=env)
        meddler.begun.set()
        ended = client.wait(TIMEOUT)
    writes = dict.fromkeys(_CHANCE.sub("*", f"{one.method} {one.path}") for one in through.writes)
    return Met(ended, meddler.met, meddler.requests, tuple(writes), frozenset(meddler.arguments))


def argument_lists() -> set[str]:
    """What `ps` shows of every process of this machine."""
    found: set[str] = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return found
