"""Long-running operations: started by a service, finished by a thread, resumed after a crash.

A service registers what an operation does under a kind ("artifactregistry.create") when its `methods(world)` is built,
and starts one with JSON arguments. An operation that was running when the sandbox died runs again at the next start,
so a work function must be able to run twice.

How long one takes, and whether it fails on Google's side, is asked for when it starts (`Pace`): its time passes before
its work is done, so what a reader must see meanwhile is stored before `start`.

Shapes: `longrunning` is google.longrunning.Operation (`done` left out while false; an error is a google.rpc.Status);
`sql` is sql#operation (status PENDING, RUNNING, DONE; errors under `error.errors[]`);
`compute` is compute#operation (status RUNNING and progress 0 until DONE and 100; the error's HTTP status beside it).
"""

from __future__ import annotations

import re
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Literal

from reconciler.sandbox.errors import ApiError, rpc
from reconciler.sandbox.networking import compute_names
from reconciler.sandbox.store import Body, Exists, Missing, Store

Shape = Literal["longrunning", "sql", "compute"]
Progress = Callable[[Mapping[str, Any]], None]
"""Replaces the metadata of a longrunning operation, or merges fields into one of another shape."""
Work = Callable[[Mapping[str, Any], Progress], Mapping[str, Any] | None]
"""(arguments, progress) -> the response of a longrunning operation, or extra fields of another. Raises ApiError."""
Undone = Callable[[Mapping[str, Any], ApiError], None]
"""(arguments, error): leave what an operation was about as it is when Google fails half-way."""
KIND: Final = "operation"
LOCK: Final = "operation.lock"
CALLING: ContextVar[tuple[str, str]] = ContextVar("CALLING", default=("", ""))
"""What this thread answers: "API.METHOD_ID" and "POST /v1/…"."""


@dataclass(frozen=True)
class Pace:
    """How an operation will go: it takes *seconds*, and then ends with *error* in place of its work."""

    seconds: float = 0.0
    error: ApiError | None = None


def at_once() -> Pace:
    """The pace of a world in which nothing takes time or fails."""
    return Pace()


class Operations:
    """The operations of every API, by their full name. Names are unique over all APIs."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], str],
        output: str = "what it printed",
        pace: Callable[[], Pace] = at_once,
    ) -> None:
        """*output* says where a person finds the sandbox's own failures, such as the path of its log.

        *pace* is asked at each start.
        """
        self._store = store
        self._now = now
        self._output = output
        self._pace = pace
        self._stopping = threading.Event()
        self._work: dict[str, Work] = {}
        self._undone: dict[str, Undone] = {}
        self._changed = threading.Condition()
        self._threads: set[threading.Thread] = set()

    def register(self, kind: str, work: Work, undone: Undone | None = None) -> None:
        """Say what operations of *kind* do, and what is left where Google fails one in place of its work."""
        self._work[kind] = work
        if undone is not None:
            self._undone[kind] = undone

    def start(
        self,
        kind: str,
        name: str,
        arguments: Mapping[str, Any],
        *,
        shape: Shape = "longrunning",
        wire: Mapping[str, Any] | None = None,
        lock: str = "",
    ) -> dict[str, Any]:
        """Begin an operation and return its wire form, not done.

        *wire* holds the fields it starts with (metadata, or a sql operation's targetId and so on). *lock*: while one
        operation with this lock runs, another start raises Busy.
        """
        first: dict[str, Any] = {"name": name, **(wire or {})}
        if shape == "sql":
            first.setdefault("status", "PENDING")
        if shape == "compute":
            first |= {"status": "RUNNING", "progress": 0}
        record: Body = {
            "kind": kind,
            "api": _api(),
            "shape": shape,
            "arguments": dict(arguments),
            "lock": lock,
            "wire": first,
            "due": time.time() + (pace := self._pace()).seconds,
            "done": False,
        }
        if pace.error:
            record["fails"] = {"message": pace.error.message, "reason": pace.error.reason}
        with self._store.transaction():
            if lock and (other := self.running(lock)):
                raise Busy(other)
            self._store.create(KIND, name, record)
            if lock:
                self._store.put(LOCK, lock, {"operation": name})
        self._spawn(name)
        return first

    def finished(self, name: str, wire: Mapping[str, Any]) -> dict[str, Any]:
        """Keep an operation that was over at once, and return its wire form."""
        whole = {"name": name, **wire}
        record: Body = {
            "kind": "",
            "api": _api(),
            "shape": "longrunning",
            "arguments": {},
            "lock": "",
            "wire": whole,
            "done": True,
        }
        try:
            self._store.create(KIND, name, record)
        except Exists:
            self._store.put(KIND, name, record)
        return whole

    def has(self, name: str, api: str) -> bool:
        """Whether *api* has an operation *name*; on a shared port a path alone does not say which API it means."""
        return (self._store.get(KIND, name) or {"api": None})["api"] in (api, "")

    def get(self, name: str) -> dict[str, Any] | None:
        """The wire form as of now, or None."""
        record = self._store.get(KIND, name)
        return None if record is None else record["wire"]

    def list(self, prefix: str) -> list[dict[str, Any]]:
        """The wire forms of all operations whose name starts with *prefix*."""
        return [record["wire"] for _, record in self._store.list(KIND, prefix)]

    def running(self, lock: str) -> str | None:
        """The name of the operation that holds *lock*, or None."""
        held = self._store.get(LOCK, lock)
        return None if held is None else held["operation"]

    def wait(self, name: str, seconds: float) -> dict[str, Any] | None:
        """The wire form once the operation is done or *seconds* are over."""
        with self._changed:
            self._changed.wait_for(lambda: self._done(name), seconds)
        return self.get(name)

    def resume(self) -> None:
        """Run again whatever was running when the sandbox stopped. Call once, after all kinds are registered."""
        for name, record in self._store.list(KIND):
            if not record["done"]:
                self._spawn(name)

    def join(self, seconds: float) -> None:
        """Wait for the running operations, at most *seconds* for each: part of stopping in order.

        One whose time is not over is left for the next start.
        """
        self._stopping.set()
        for thread in list(self._threads):
            thread.join(seconds)

    def _done(self, name: str) -> bool:
        record = self._store.get(KIND, name)
        return record is None or bool(record["done"])

    def _spawn(self, name: str) -> None:
        thread = threading.Thread(target=self._run, args=(name,), name=f"operation {name}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _run(self, name: str) -> None:
        try:
            record = self._store.get(KIND, name)
            if record is not None:
                self._finish(name, record)
        finally:
            self._threads.discard(threading.current_thread())
            with self._changed:
                self._changed.notify_all()

    def _finish(self, name: str, record: Body) -> None:
        shape: Shape = record["shape"]
        progress = self._progress(name, merge=shape != "longrunning")
        if shape == "sql":
            progress({"status": "RUNNING", "startTime": self._now()})
        if self._stopping.wait(record.get("due", 0.0) - time.time()):
            return
        error: ApiError | None = None
        answer: Mapping[str, Any] | None = None
        try:
            answer = self._do(record, progress)
        except ApiError as raised:
            error = raised
        except Exception as raised:
            traceback.print_exc()
            error = ApiError(500, f"The sandbox failed: {raised!r}; {self._output} has the details.")

        def close(current: Body) -> Body:
            wire: dict[str, Any] = current["wire"]
            wire.update(_end(shape, answer, error, self._now()))
            return {**current, "wire": wire, "done": True}

        with self._store.transaction():
            self._store.update(KIND, name, close)
            if record["lock"]:
                self._store.delete(LOCK, record["lock"])

    def _do(self, record: Body, progress: Progress) -> Mapping[str, Any] | None:
        kind, arguments = record["kind"], record["arguments"]
        if "fails" not in record:
            return self._work[kind](arguments, progress)
        error = ApiError(500, record["fails"]["message"], reason=record["fails"]["reason"])
        if kind in self._undone:
            self._undone[kind](arguments, error)
        raise error

    def _progress(self, name: str, *, merge: bool) -> Progress:
        def report(fields: Mapping[str, Any]) -> None:
            def change(current: Body) -> Body:
                wire = {**current["wire"], **(dict(fields) if merge else {"metadata": dict(fields)})}
                return {**current, "wire": wire}

            try:
                self._store.update(KIND, name, change)
            except Missing:
                return  # reset or deleted while it ran; its end has nobody to tell either

        return report


class Busy(Exception):
    """Another operation holds the lock; *running* is its name."""

    def __init__(self, running: str) -> None:
        super().__init__(running)
        self.running = running


def _end(shape: Shape, answer: Mapping[str, Any] | None, error: ApiError | None, now: str) -> dict[str, Any]:
    if shape == "sql":
        return _sql_end(answer, error, now)
    if shape == "compute":
        return _compute_end(answer, error, now)
    return _longrunning_end(answer, error)


def _api() -> str:
    """The API that is being called: "run"; "" where none is."""
    return CALLING.get()[0].partition(".")[0]


def _longrunning_end(answer: Mapping[str, Any] | None, error: ApiError | None) -> dict[str, Any]:
    if error is not None:
        return {"done": True, "error": rpc(error)}
    return {"done": True, "response": dict(answer or {})}


def _sql_end(answer: Mapping[str, Any] | None, error: ApiError | None, now: str) -> dict[str, Any]:
    end: dict[str, Any] = {"status": "DONE", "endTime": now, **(answer or {})}
    if error is not None:
        entry = {"kind": "sql#operationError", "code": error.reason, "message": error.message}
        end["error"] = {"kind": "sql#operationErrors", "errors": [entry]}
    return end


def _compute_end(answer: Mapping[str, Any] | None, error: ApiError | None, now: str) -> dict[str, Any]:
    local = compute_names.local_time(datetime.fromisoformat(now))
    end: dict[str, Any] = {"status": "DONE", "progress": 100, "endTime": local, **(answer or {})}
    if error is not None:
        code = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", error.reason).upper()
        end["error"] = {"errors": [{"code": code, "message": error.message}]}
        end["httpErrorStatusCode"] = error.status
        end["httpErrorMessage"] = HTTPStatus(error.status).phrase.upper()
    return end
