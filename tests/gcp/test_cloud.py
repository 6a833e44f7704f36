"""Sessions and calls: retried, explained, remembered once, never shared between threads."""

from __future__ import annotations

import threading

import pytest

from reconciler import errors
from reconciler.gcp import retries
from reconciler.gcp.cloud import Cloud
from tests.builders import quick_cloud


def test_a_call_is_repeated_until_it_is_answered() -> None:
    """Transient failures are nobody's business but the policy's."""
    broken: list[Exception] = [ConnectionResetError("reset"), TimeoutError("late")]

    def request() -> dict[str, str]:
        if broken:
            raise broken.pop()
        return {"name": "x"}

    assert quick_cloud().call("reading x", request) == {"name": "x"}


def test_a_page_in_place_of_an_answer_is_no_answer() -> None:
    """A portal's 200 is not Google's: the read is tried again."""
    answers: list[object] = [{"name": "x"}, "<html>log in to the guest network</html>"]
    assert quick_cloud().call("reading x", answers.pop) == {"name": "x"}


def test_a_failure_keeps_its_cause_through_nested_calls() -> None:
    """The library's own error is the cause, however many calls it passed through."""
    cloud = quick_cloud()
    policy = retries.Policy(lambda _error: False, budget=1, first=1, longest=1, what="", source="")

    def inner() -> None:
        raise ConnectionResetError("reset")

    with pytest.raises(errors.Unreachable) as failure:
        cloud.call("outer", lambda: cloud.call("inner", inner, policy), policy)
    assert isinstance(failure.value.__cause__, ConnectionResetError)
    assert failure.value.message.startswith("inner: ")


def test_what_is_not_there_is_none_and_other_failures_are_not() -> None:
    """Only "not there" is an answer to a read; a missing permission is an error."""

    def gone() -> None:
        raise errors.NotThere("gone")

    def forbidden() -> None:
        raise errors.PermissionMissing("no")

    assert quick_cloud().found("reading x", gone) is None
    with pytest.raises(errors.PermissionMissing):
        quick_cloud().found("reading x", forbidden)


def test_a_pause_ends_with_the_interruption() -> None:
    """A wait of an hour ends at once when the run is stopped."""
    cloud = Cloud("p")
    cloud.stopped.set()
    with pytest.raises(errors.Interrupted):
        cloud.pause(3600)


def test_who_carries_out_a_change_sends_nothing_more_once_stopped() -> None:
    """Not even the next request of a change that is under way; others, such as giving the lease back, still may."""
    cloud, sent = quick_cloud(), list[str]()
    cloud.stopped.set()
    cloud.call("giving the lease back", lambda: sent.append("lease"))
    cloud.report_to(lambda _text: None)
    try:
        with pytest.raises(errors.StoppedBefore, match="interrupted before setting labels"):
            cloud.call("setting labels", lambda: sent.append("labels"))
    finally:
        cloud.report_to(None)
    assert sent == ["lease"]


def test_a_shared_read_is_asked_once() -> None:
    """Threads that ask for the same thing at once get one answer."""
    cloud, asked = Cloud("p"), list[int]()
    together = threading.Barrier(4, timeout=10)

    def ask() -> None:
        together.wait()
        cloud.once("key", lambda: asked.append(1))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [1]


def test_a_read_that_failed_is_asked_again() -> None:
    """A failure is not remembered."""
    cloud, answers = Cloud("p"), [1]

    def read() -> int:
        if answers:
            answers.pop()
            raise errors.Unavailable("busy")
        return 2

    with pytest.raises(errors.Unavailable):
        cloud.once("key", read)
    assert cloud.once("key", read) == 2


def test_what_was_read_before_a_write_is_forgotten() -> None:
    """After `forget` everything is asked anew."""
    cloud = Cloud("p")
    assert [cloud.once("key", lambda: 1), cloud.once("key", lambda: 2)] == [1, 1]
    cloud.forget()
    assert cloud.once("key", lambda: 2) == 2


def test_a_read_that_a_write_overtakes_is_not_remembered() -> None:
    """An answer that was on its way while something was written may be of before the write."""
    cloud = Cloud("p")

    def overtaken() -> str:
        cloud.forget()
        return "old"

    assert cloud.once("key", overtaken) == "old"
    assert cloud.once("key", lambda: "new") == "new"


def test_notes_reach_the_thread_that_asked_for_them() -> None:
    """Two changes under way at once do not hear each other's progress."""
    heard: dict[str, list[str]] = {"a": [], "b": []}
    together = threading.Barrier(2, timeout=10)

    def work(name: str) -> None:
        Cloud.report_to(heard[name].append)
        together.wait()
        Cloud.note(f"working on {name}")

    threads = [threading.Thread(target=work, args=(name,)) for name in heard]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {"a": ["working on a"], "b": ["working on b"]}


def test_every_thread_has_a_connection_of_its_own() -> None:
    """Google's httplib2 mixes answers up when threads share it; requests are built on their thread's own."""
    cloud = Cloud("p", "http://127.0.0.1:1")
    get = cloud.api("sqladmin", "v1").instances().get
    used: dict[str, object] = {}

    def ask(name: str) -> None:
        used[name] = get(project="p", instance="i").http

    for name in ("a", "b"):
        thread = threading.Thread(target=ask, args=(name,))
        thread.start()
        thread.join()
    ask("main")
    again = get(project="p", instance="i").http
    assert len({id(connection) for connection in used.values()}) == 3
    assert again is used["main"]


def test_with_an_endpoint_nobody_needs_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in for Google Cloud gets anonymous calls, also on a machine that has a login."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent.json")
    assert type(Cloud("p", "http://127.0.0.1:1").credentials).__name__ == "AnonymousCredentials"


def test_without_credentials_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a login: exit 4, the command that makes one, and how to go without."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent.json")
    with pytest.raises(errors.CredentialsMissing) as missing:
        _ = Cloud("p").credentials
    assert missing.value.exit_code == 4
    assert "--sandbox" in missing.value.way_out
