"""Long-running operations."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.operations import Busy, Operations, Progress, Work
from reconciler.sandbox.store import Store

NOW = "2026-01-01T00:00:00Z"


def operations(folder: Path) -> Operations:
    """Operations over the state in *folder*."""
    return Operations(Store(folder / "state.db"), lambda: NOW)


def waiting(gate: threading.Event) -> Work:
    """Work that is done when *gate* opens."""

    def work(_arguments: Mapping[str, Any], _progress: Progress) -> None:
        gate.wait()

    return work


def test_a_longrunning_operation_leaves_done_out_until_it_is(tmp_path: Path) -> None:
    """While it runs there is no `done`; afterwards there is the response."""
    gate = threading.Event()

    def work(arguments: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
        progress({"phase": "half"})
        gate.wait()
        return {"got": arguments["x"]}

    subject = operations(tmp_path)
    subject.register("k", work)
    assert subject.start("k", "operations/1", {"x": 1}) == {"name": "operations/1"}
    gate.set()
    expected = {"name": "operations/1", "metadata": {"phase": "half"}, "done": True, "response": {"got": 1}}
    assert subject.wait("operations/1", 10) == expected


@pytest.mark.parametrize(
    ("shape", "key", "expected"),
    [
        ("longrunning", "error", {"code": 9, "message": "no"}),
        (
            "sql",
            "error",
            {
                "kind": "sql#operationErrors",
                "errors": [{"kind": "sql#operationError", "code": "because", "message": "no"}],
            },
        ),
    ],
)
def test_a_failure_is_told_in_the_shape_of_the_api(
    tmp_path: Path, shape: Any, key: str, expected: Any
) -> None:
    """An ApiError in the work becomes a Status, or Cloud SQL's errors."""

    def work(_arguments: Mapping[str, Any], _progress: Progress) -> None:
        raise ApiError(400, "no", rpc_status="FAILED_PRECONDITION", reason="because")

    subject = operations(tmp_path)
    subject.register("k", work)
    subject.start("k", "o", {}, shape=shape)
    ended = subject.wait("o", 10)
    assert ended is not None
    assert ended[key] == expected


def test_a_sql_operation_goes_from_pending_to_done(tmp_path: Path) -> None:
    """Its status and times are Cloud SQL's."""
    subject = operations(tmp_path)
    subject.register("k", lambda _arguments, _progress: None)
    started = subject.start("k", "o", {}, shape="sql", wire={"targetId": "db"})
    assert started == {"name": "o", "targetId": "db", "status": "PENDING"}
    ended = subject.wait("o", 10)
    assert ended == {"name": "o", "targetId": "db", "status": "DONE", "startTime": NOW, "endTime": NOW}


def test_one_lock_is_held_by_one_operation(tmp_path: Path) -> None:
    """A second start says who is busy; once that one is done, the way is free."""
    gate = threading.Event()
    subject = operations(tmp_path)
    subject.register("k", waiting(gate))
    subject.start("k", "one", {}, lock="instance")
    with pytest.raises(Busy) as raised:
        subject.start("k", "two", {}, lock="instance")
    assert raised.value.running == "one"
    gate.set()
    subject.wait("one", 10)
    subject.start("k", "two", {}, lock="instance")
    ended = subject.wait("two", 10)
    assert ended is not None
    assert ended["done"]


def test_an_interrupted_operation_runs_again_after_a_restart(tmp_path: Path) -> None:
    """What was running when the process died is finished by the next one."""
    before = operations(tmp_path)
    before.register("k", waiting(threading.Event()))
    before.start("k", "o", {"x": 7}, lock="l")
    after = operations(tmp_path)
    after.register("k", lambda arguments, _progress: {"x": arguments["x"]})
    after.resume()
    ended = after.wait("o", 10)
    assert ended == {"name": "o", "done": True, "response": {"x": 7}}
    assert after.running("l") is None


def test_a_failure_of_the_sandbox_itself_leads_to_its_log(tmp_path: Path) -> None:
    """What was raised is in the message, and where the rest of it is."""

    def work(_arguments: Mapping[str, Any], _progress: Progress) -> None:
        raise RuntimeError("out of luck")

    subject = Operations(Store(tmp_path / "state.db"), lambda: NOW, "/home/logs/sandbox.log")
    subject.register("k", work)
    subject.start("k", "operations/1", {})
    done = subject.wait("operations/1", 10)
    assert done is not None
    text = "The sandbox failed: RuntimeError('out of luck'); /home/logs/sandbox.log has the details."
    assert done["error"]["message"] == text
