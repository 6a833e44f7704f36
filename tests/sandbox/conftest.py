"""One sandbox for all tests of this folder; each test works in a project of its own."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from reconciler.sandbox import control
from reconciler.sandbox.control import Running
from tests.sandbox.calls import APIS, Cloud, new_project


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(name="home")
def _home() -> Generator[Path]:
    """A short folder under /tmp for a sandbox of a test's own; whatever runs there is stopped."""
    folder = Path(tempfile.mkdtemp(prefix="ms", dir="/tmp"))
    yield folder / "h"
    control.stop(folder / "h")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(name="port")
def _port() -> int:
    """A free port."""
    return free_port()


@pytest.fixture(scope="session", name="running")
def _running() -> Generator[Running]:
    """The sandbox that the tests share."""
    folder = Path(tempfile.mkdtemp(prefix="ms", dir="/tmp"))
    yield control.start(folder / "h", free_port(), "shared-project").running
    control.stop(folder / "h")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(name="cloud")
def _cloud(running: Running) -> Cloud:
    """A project with the usual APIs enabled."""
    return new_project(running.port, *APIS)


@pytest.fixture(name="fresh")
def _fresh(running: Running) -> Cloud:
    """A project in which nothing was enabled yet."""
    return new_project(running.port)
