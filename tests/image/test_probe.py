"""The path that anybody may ask whether MLflow answers from its database: what it tells, and how little it costs."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.image import machine
from tests.image.machine import Postgres

SOURCE = Path(__file__).parents[2] / "image" / "serving" / "probe.py"


@pytest.fixture(scope="module", name="probe")
def _probe() -> ModuleType:
    """The module, from its file: the image is no package of this project."""
    spec = importlib.util.spec_from_file_location("probe", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _behind(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 299, "headers": []})


def _asked(
    module: ModuleType, ask: Callable[[], object], *requests: tuple[str, str], at_once: int = 1
) -> list[int]:
    """The statuses of *requests* (method and path), each sent *at_once* times side by side."""
    statuses: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def run() -> None:
        app = module.Probe(_behind, ask)
        for method, path in requests:
            scope = {"type": "http", "method": method, "path": path}
            await asyncio.gather(*(app(scope, None, send) for _ in range(at_once)))

    asyncio.run(run())
    return statuses


def test_a_hundred_at_once_are_one_question(probe: ModuleType) -> None:
    """And a hundred more within five seconds are none."""
    count = [0]
    once = threading.Lock()

    def ask() -> None:
        with once:
            count[0] += 1
        time.sleep(0.05)

    asked = _asked(probe, ask, ("GET", probe.PATH), ("HEAD", probe.PATH), at_once=100)
    assert (set(asked), len(asked), count[0]) == ({200}, 200, 1)


def test_a_failure_is_a_503_without_its_words(probe: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The log has the kind of error and nothing that may be in it."""

    def ask() -> None:
        raise ConnectionError("password=hunter2")

    assert _asked(probe, ask, ("GET", probe.PATH)) == [503]
    assert "ConnectionError" in capsys.readouterr().err
    assert "hunter2" not in capsys.readouterr().err


def test_a_database_that_hangs_is_a_503(probe: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks does not wait for ever, and nobody else asks meanwhile."""
    monkeypatch.setattr(probe, "PATIENCE_SECONDS", 0.05)
    hanging, count = threading.Event(), [0]

    def ask() -> None:
        count[0] += 1
        hanging.wait(5)

    threading.Timer(0.5, hanging.set).start()
    assert _asked(probe, ask, ("GET", probe.PATH), ("GET", probe.PATH)) == [503, 503]
    assert count == [1]


def test_everything_else_is_mlflows(probe: ModuleType) -> None:
    """Only this path, to the letter; and it takes no other method."""
    others = (("GET", "/"), ("GET", "/health"), ("POST", f"{probe.PATH}/"), ("POST", probe.PATH))
    assert _asked(probe, lambda: None, *others) == [299, 299, 299, 405]


def test_it_needs_no_login_and_tells_nothing(postgres: Postgres, search_path: str, migrated: str) -> None:
    """Behind the real nginx with a login, from the real MLflow: yes, and not one word more."""
    variables = {"PATH": search_path, **machine.basic(postgres, migrated)}
    with machine.started(["serve"], variables) as server:
        server.wait_until_open()
        with machine.client(server, login=None) as client:
            answer = client.get("/health/database")
            assert (answer.status_code, answer.text) == (200, "OK\n")
            assert client.get("/health/database/../../api/2.0/mlflow/experiments/search").status_code != 200
            assert client.get("/").status_code == 401
    assert "probe" not in sys.modules
