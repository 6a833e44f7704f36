"""The store's five verbs."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reconciler.sandbox.store import Exists, Missing, Store

WRITER = """
import sys
from pathlib import Path
from reconciler.sandbox.store import Store
store = Store(Path(sys.argv[1]))
for number in range(10**9):
    store.create("k", f"{number:09d}", {"number": number})
    print(number, flush=True)
"""


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state.db")


def test_the_five_verbs(store: Store) -> None:
    """Create, get, list, update and delete do what they say, and say when they cannot."""
    store.create("k", "a/1", {"n": 1})
    store.create("k", "a/2", {"n": 2})
    store.create("k", "b/1", {"n": 3})
    with pytest.raises(Exists):
        store.create("k", "a/1", {})
    assert store.list("k", "a/") == [("a/1", {"n": 1}), ("a/2", {"n": 2})]
    assert store.list("k", after="a/1", limit=1) == [("a/2", {"n": 2})]
    assert store.update("k", "a/1", lambda old: {"n": old["n"] + 1}) == {"n": 2}
    store.delete("k", "a/1")
    assert store.get("k", "a/1") is None
    with pytest.raises(Missing):
        store.delete("k", "a/1")
    with pytest.raises(Missing):
        store.update("k", "a/1", dict)


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    """An exception takes back everything inside, nested transactions too."""

    def half() -> None:
        with store.transaction():
            store.put("k", "a", {})
            with store.transaction():
                store.put("k", "b", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert store.list("k") == []


def test_updates_from_many_threads_are_not_lost(store: Store) -> None:
    """A read-modify-write is atomic."""
    store.create("k", "n", {"n": 0})

    def count() -> None:
        for _ in range(50):
            store.update("k", "n", lambda old: {"n": old["n"] + 1})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("k", "n") == {"n": 200}


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    """Everything that was answered before kill -9 is there afterwards."""
    path = tmp_path / "state.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    last = -1
    while last < 100:
        last = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    kept = Store(path).list("k")
    assert len(kept) > last
    assert [body["number"] for _, body in kept] == list(range(len(kept)))
