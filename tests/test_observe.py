"""Reading what is there: side by side, only what can exist, every failure at once."""

from __future__ import annotations

import threading

import pytest

from reconciler import errors
from reconciler.gcp.cloud import Cloud
from reconciler.observe import Project, observe
from tests.builders import API, PROJECT, FakeKind, kinds, quick_cloud, ref


def test_what_is_there_is_observed_and_the_rest_left_out() -> None:
    """A resource that does not exist is simply missing from the answer."""
    fake = FakeKind()
    there = fake.put("a", x=1)
    assert observe(quick_cloud(), [ref("a"), ref("b")], kinds(fake), PROJECT) == {ref("a"): there}


def test_reads_run_side_by_side() -> None:
    """Reads that wait for each other all arrive: nothing is read one after the other."""
    names = [f"n{number}" for number in range(12)]
    together = threading.Barrier(len(names), timeout=10)
    fake = FakeKind(during={("observe", name): together.wait for name in names})
    observe(quick_cloud(), [ref(name) for name in names], kinds(fake), PROJECT)
    assert together.broken is False


def test_an_api_that_is_not_enabled_is_not_asked() -> None:
    """Of a disabled API nothing can exist; asking would be an error."""
    fake = FakeKind(api="off.googleapis.com")
    assert observe(quick_cloud(), [ref("a")], kinds(fake), PROJECT) == {}
    assert fake.calls == []


def test_service_usage_is_always_asked() -> None:
    """The API that says which APIs are enabled is not in its own list."""
    fake = FakeKind(api="serviceusage.googleapis.com")
    fake.put("a", x=1)
    assert observe(quick_cloud(), [ref("a")], kinds(fake), Project("1", frozenset())) != {}


def test_a_failure_is_raised_as_it_is() -> None:
    """One failure keeps its class and its words."""
    fake = FakeKind(failing={("observe", "a"): [errors.PermissionMissing("no", way_out="ask")]})
    with pytest.raises(errors.PermissionMissing, match=r"^no$"):
        observe(quick_cloud(), [ref("a"), ref("b")], kinds(fake), PROJECT)


def test_several_failures_are_told_at_once() -> None:
    """A reader who lacks two permissions hears of two, once every read has ended."""
    fake = FakeKind(
        failing={
            ("observe", "a"): [errors.PermissionMissing("no a", way_out="ask")],
            ("observe", "c"): [errors.PermissionMissing("no c")],
        }
    )
    with pytest.raises(errors.PermissionMissing) as failure:
        observe(quick_cloud(), [ref("a"), ref("b"), ref("c")], kinds(fake), PROJECT)
    assert str(failure.value) == "2 resources could not be read:\n- no a\n- no c"
    assert failure.value.way_out == "ask"
    assert len(fake.calls) == 3


def test_the_same_failure_is_told_once() -> None:
    """Twenty resources behind one broken proxy are one sentence."""
    fake = FakeKind(failing={("observe", name): [errors.Unreachable("no answer")] for name in "abc"})
    with pytest.raises(errors.Unreachable, match=r"^no answer$"):
        observe(quick_cloud(), [ref(name) for name in "abc"], kinds(fake), PROJECT)


@pytest.mark.parametrize("order", ["abc", "cab", "bca"])
def test_the_order_of_asking_does_not_matter(order: str) -> None:
    """The same resources give the same answer, also where some take longer than others."""
    slow = threading.Event()
    fake = FakeKind(during={("observe", "a"): lambda: slow.wait(10), ("observe", "c"): slow.set})
    for name in "abc":
        fake.put(name, x=name)
    found = observe(quick_cloud(), [ref(name) for name in order], kinds(fake), PROJECT)
    assert {one.short: seen.body["x"] for one, seen in found.items()} == {"a": "a", "b": "b", "c": "c"}


def test_reading_writes_nothing() -> None:
    """No verb but observe is called."""
    fake = FakeKind(api=API)
    observe(Cloud("p", "http://127.0.0.1:1"), [ref("a")], kinds(fake), PROJECT)
    assert fake.writes() == []
