"""Replays takes: each in a project of its own, row after row, and says what was different."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, cast

from tests.conformance import given, users, weather
from tests.conformance.cloud import Got, Sandbox, token
from tests.conformance.compare import Difference, differences
from tests.conformance.completion import Step, complete
from tests.conformance.operations import done, is_operation, operation_path, settle
from tests.conformance.placeholders import Bindings
from tests.conformance.recordings import Row, Take, fields_of, in_own_project

VERSIONED: Final = frozenset(
    {"etag", "fingerprint", "labelFingerprint", "maintenanceVersion", "settingsVersion"}
)
"""Fields of a request that must be what the server said last; the authors rewrote all but maintenanceVersion."""


BEYOND: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""How a row that has another form than any before it makes the runner fail."""


@dataclass(frozen=True)
class Compared:
    """One row after its replay."""

    row: Row
    differences: Sequence[Difference]
    given: Sequence[str] = ()
    """What the runner had to make before the row could be asked."""


def replay(
    sandbox: Sandbox, take: Take, other_takes: Sequence[Take] = (), *, on_its_day: bool = True
) -> list[Compared]:
    """Replay *take*; other takes of the same case say how what it begins with was made.

    What the runner cannot do with a row is a difference of this row, which says so.
    """
    try:
        return _replay(sandbox, take, other_takes, on_its_day)
    except BEYOND as error:
        return [_beyond(row, error) for row in take.rows]


def _replay(sandbox: Sandbox, take: Take, other_takes: Sequence[Take], on_its_day: bool) -> list[Compared]:
    unique = token()
    project, number = sandbox.project(f"conform-{unique}")
    steps = complete(in_own_project(take), [in_own_project(one) for one in other_takes])
    bindings = Bindings([step.row for step in steps], project, number, unique)
    run = _Run(sandbox, bindings, steps)
    if on_its_day:
        sandbox.begin_on(take.rows[0].day)
    run.givens.begin()
    try:
        compared = [run.tried(index) for index in range(len(steps))]
    finally:
        run.givens.end()
        sandbox.begin_on("")
    return [one for one in compared if one is not None]


def _beyond(row: Row, error: Exception) -> Compared:
    return Compared(row, [Difference("", f"{row.status}", f"not asked: the runner cannot, for {error!r}")])


@dataclass
class _Run:
    sandbox: Sandbox
    bindings: Bindings
    steps: Sequence[Step]
    pending: tuple[str, str] | None = None
    """Host and path of the operation under way."""
    filled_in: list[str] = field(default_factory=list[str])

    @cached_property
    def givens(self) -> given.Givens:
        return given.Givens(self.sandbox, self.bindings, self._resolved)

    def tried(self, index: int) -> Compared | None:
        """As `one`, and the difference that says so where the runner cannot carry it out."""
        step = self.steps[index]
        try:
            return self.one(index)
        except BEYOND as error:
            return _beyond(step.row, error) if step.own else None

    def one(self, index: int) -> Compared | None:
        """Carry out one step; None where it is not the take's own."""
        row = self.steps[index].row
        self._weather(index)
        about_operation = "/operations/" in row.path
        goes_on = about_operation and not given.unstarted(self.bindings.rows, index)
        if not goes_on and not weather.under_way(row):
            self._settle()
        path = self.bindings.resolve(row.path, index)
        query = {key: self.bindings.resolve(value, index) for key, value in row.query.items()}
        body = self._resolved(users.with_host(self.bindings.rows, index), index)
        made = self.givens.before(index, path, query, body)
        if about_operation and made:
            path = self.bindings.resolve(row.path, index)
        path, body = self.bindings.renumbered(path), self.bindings.renumbered(body)
        if fields := fields_of(body):
            body = self._versioned(row, path, fields)
        if about_operation and done(row.answer):
            got = settle(self.sandbox, row.host, path, query)
            self.pending = None
        else:
            got = self.sandbox.call(row.method, row.host, path, query, body)
            if got.status != row.status and weather.by_chance(self.bindings.rows, index):
                got = self.sandbox.call(row.method, row.host, path, query, body)
        self._note(row, path, got)
        if not self.steps[index].own:
            self.filled_in += [*made, f"{row.method} {path}, as another take shows it"]
            return None
        said, self.filled_in = [*self.filled_in, *made], []
        return Compared(
            row,
            differences(row, got, self.bindings.fill, lambda text: self.bindings.pattern(text, index)),
            said,
        )

    def _weather(self, index: int) -> None:
        wanted = weather.conditions(self.bindings.rows, index)
        if wanted != self.sandbox.world.conditions.show():
            self.sandbox.world.conditions.replace(wanted)

    def _resolved(self, value: Any, index: int) -> Any:
        if isinstance(value, str):
            return self.bindings.resolve(value, index)
        if isinstance(value, list):
            return [self._resolved(item, index) for item in cast("list[Any]", value)]
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value).items()
            return {self.bindings.resolve(key, index): self._resolved(item, index) for key, item in items}
        return value

    def _versioned(self, row: Row, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if not _mentions(body):
            return body
        if path.endswith(":setIamPolicy"):
            policy = self._policy(row.host, path.removesuffix(":setIamPolicy") + ":getIamPolicy")
            return {**body, "policy": _live(body["policy"], policy)}
        live = self.sandbox.call("GET", row.host, re.sub(r"/set\w+$|:\w+$", "", path)).body
        # IAM's PATCH of an account wraps the account, and says beside it which fields are meant.
        return _live(body, {**fields_of(live), "serviceAccount": live} if "serviceAccount" in body else live)

    def _policy(self, host: str, path: str) -> Any:
        """The policy as it is: APIs differ in how they are asked for it."""
        query = {"options.requestedPolicyVersion": "3"}
        body = {"options": {"requestedPolicyVersion": 3}}
        tries: tuple[tuple[str, dict[str, str], Any], ...] = (
            ("POST", {}, body),
            ("POST", query, None),
            ("GET", query, None),
        )
        answers = (self.sandbox.call(method, host, path, asked, sent) for method, asked, sent in tries)
        return next((got.body for got in answers if got.status == 200), None)

    def _note(self, row: Row, path: str, got: Got) -> None:
        body = fields_of(got.body)
        if got.status == 200 and is_operation(body):
            name = str(body["name"])
            self.bindings.operations[row.service] = name.rpartition("operations/")[2]
            if not done(body):
                self.pending = (row.host, operation_path(row.path, body))
        elif got.status == 200:
            self.bindings.learn(row, body)
        if row.method == "DELETE" and got.status < 300:
            self.bindings.forget(row, path)

    def _settle(self) -> None:
        """Wait for the operation under way: the recordings leave the polls out."""
        if self.pending is not None:
            host, path = self.pending
            self.pending = None
            settle(self.sandbox, host, path)


def _mentions(body: Mapping[str, Any]) -> bool:
    return any(
        (key in VERSIONED and value) or (isinstance(value, dict) and _mentions(cast("dict[str, Any]", value)))
        for key, value in body.items()
    )


def _live(body: Mapping[str, Any], live: Any) -> dict[str, Any]:
    """*body* with the versions that *live*, the resource as it is, has at the same places."""
    now = fields_of(live)
    changed: dict[str, Any] = {}
    for key, value in body.items():
        if key in VERSIONED and value and key in now:
            changed[key] = now[key]
        elif isinstance(value, dict):
            changed[key] = _live(cast("dict[str, Any]", value), now.get(key))
        else:
            changed[key] = value
    return changed
