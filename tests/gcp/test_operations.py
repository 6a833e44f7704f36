"""Long-running operations: four shapes, a growing interval, failures inside a 200, and an end of patience."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler import errors
from reconciler.gcp import operations
from reconciler.gcp.cloud import Cloud
from reconciler.gcp.operations import Pace, await_operation
from tests.builders import quick_cloud

PACE = Pace(first=5, longest=20, budget=600)


@dataclass
class Slow:
    """An operation that answers *answers* one after the other; pauses move the clock."""

    answers: list[dict[str, Any]]
    endpoint: str = ""
    now: float = 0.0
    pauses: list[float] = field(default_factory=list[float])
    notes: list[str] = field(default_factory=list[str])

    def wait(self, monkeypatch: pytest.MonkeyPatch, pace: Pace = PACE) -> Mapping[str, Any]:
        """Await it, from its first answer on."""
        cloud = Cloud("p", self.endpoint)

        def pause(seconds: float) -> None:
            self.pauses.append(seconds)
            self.now += seconds

        cloud.pause = pause
        cloud.report_to(self.notes.append)
        monkeypatch.setattr(operations.time, "monotonic", lambda: self.now)
        try:
            return await_operation(cloud, "creating x", pace, self.look(""), self.look, self.phase)
        finally:
            cloud.report_to(None)

    def look(self, _name: str) -> dict[str, Any]:
        """The next answer; the last one over and over."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @staticmethod
    def phase(operation: Mapping[str, Any]) -> str:
        """What it is doing."""
        return str(operation.get("status") or operation.get("metadata"))


SQL = [
    {"name": "o", "status": "PENDING"},
    {"name": "o", "status": "RUNNING"},
    {"name": "o", "status": "DONE"},
]
LONG_RUNNING = [{"name": "o", "metadata": "m"}, {"name": "o", "metadata": "m"}, {"name": "o", "done": True}]
SPELT_OUT = [{"name": "o", "done": False}, {"name": "o", "done": False}, {"name": "o", "done": True}]
AT_ONCE = [{"name": "operations/noop.DONE_OPERATION", "done": True}]


@pytest.mark.parametrize("shape", [SQL, LONG_RUNNING, SPELT_OUT, AT_ONCE])
def test_an_operation_is_awaited_to_its_end(
    shape: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status: DONE`, `done: true` with `done` absent or false before, and an operation that never ran."""
    slow = Slow(list(shape))
    assert slow.wait(monkeypatch) == shape[-1]
    assert len(slow.pauses) == len(shape) - 1


def test_the_interval_grows_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half as much again each time, and never more than the pace allows; for Cloud SQL at least 5 s."""
    slow = Slow([SQL[0]] * 6 + [SQL[2]])
    slow.wait(monkeypatch, operations.SQL)
    assert slow.pauses == [5, 7.5, 11.25, 16.875, 20, 20]


def test_the_sandbox_is_asked_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint on this machine has no quota to spare."""
    slow = Slow([SQL[0], SQL[0], SQL[2]], endpoint="http://127.0.0.1:1")
    slow.wait(monkeypatch)
    assert slow.pauses == pytest.approx([0.05, 0.075])  # pyright: ignore[reportUnknownMemberType] -- pytest leaves it untyped


@pytest.mark.parametrize(
    ("error", "text", "reason"),
    [
        ({"errors": [{"code": "QUOTA", "message": "no quota"}]}, "creating x: no quota", "QUOTA"),
        ({"errors": [{"code": "A"}, {"code": "B", "message": "b"}]}, "creating x: A; b", "A"),
        ({"code": 9, "message": "the image was not found"}, "creating x: the image was not found", "9"),
        ({"code": 13}, "creating x: 13", "13"),
    ],
)
def test_a_failure_inside_a_success_is_a_failure(
    error: dict[str, Any], text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operation that failed is answered with 200; its own words are told."""
    done = {"name": "o", "status": "DONE", "done": True, "error": error}
    with pytest.raises(errors.OperationFailed) as failure:
        Slow([LONG_RUNNING[0], done]).wait(monkeypatch)
    assert (str(failure.value), failure.value.reason) == (text, reason)


def test_an_operation_that_never_ends_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its budget the run ends with exit 9, and says that the work goes on."""
    slow = Slow([SQL[1]])
    with pytest.raises(errors.OutOfTime, match="still running after 10 minutes") as late:
        slow.wait(monkeypatch)
    assert late.value.exit_code == 9
    assert PACE.budget < slow.now <= PACE.budget + PACE.longest


def test_each_look_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who waits hears what phase it is in."""
    slow = Slow(list(SQL))
    slow.wait(monkeypatch)
    assert slow.notes == ["PENDING", "RUNNING"]


def test_a_look_that_fails_once_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost answer while waiting does not lose the operation."""
    slow, broken = Slow([LONG_RUNNING[0], LONG_RUNNING[2]]), [ConnectionResetError("reset")]
    look = slow.look

    def fragile(name: str) -> dict[str, Any]:
        if slow.pauses and broken:
            raise broken.pop()
        return look(name)

    monkeypatch.setattr(slow, "look", fragile)
    assert slow.wait(monkeypatch) == LONG_RUNNING[2]


def test_waiting_ends_with_the_interruption() -> None:
    """Ctrl-C is not waited out."""
    cloud = quick_cloud()
    cloud.stopped.set()
    with pytest.raises(errors.Interrupted):
        await_operation(cloud, "x", PACE, SQL[0], lambda _name: SQL[0], lambda _running: "")


class _Reader:
    """Cloud Run's operations as the discovery client reads them: one answer after the other."""

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        self.answers = answers

    def projects(self) -> _Reader:
        """One step of the path to them."""
        return self

    locations = operations = projects

    def get(self, *, name: str) -> _Reader:
        """The request for one."""
        assert name == "o"
        return self

    def execute(self) -> dict[str, Any]:
        """The next answer."""
        return self.answers.pop(0)


def _run_done(monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any]) -> Any:
    cloud = quick_cloud()
    reader = _Reader(list(answers))

    def api(_name: str, _version: str) -> _Reader:
        return reader

    monkeypatch.setattr(cloud, "api", api)
    return operations.run_done(cloud, "x", {"name": "o"})


def test_cloud_runs_operations_end_in_the_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is awaited at our pace, and what it made is handed on, with fields that no library knows."""
    made = {"name": "the service", "ofNextYear": 1}
    assert _run_done(monkeypatch, {"name": "o"}, {"name": "o", "done": True, "response": made}) == made


def test_cloud_runs_failures_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the operation is an error of ours."""
    failed = {"name": "o", "done": True, "error": {"code": 9, "message": "revision is not ready"}}
    with pytest.raises(errors.OperationFailed, match="revision is not ready"):
        _run_done(monkeypatch, failed)
