"""One PostgreSQL, one environment and one deployed-like server for all tests of the image."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.image import machine
from tests.image.machine import Postgres, Server


@pytest.fixture(scope="session")
def search_path() -> Iterator[str]:
    """A PATH with MLflow's Python and nginx."""
    if sys.platform != "linux":
        pytest.skip("these tests look at processes through /proc")
    with machine.search_path() as path:
        yield path


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL."""
    with machine.running_postgres() as running:
        yield running


@pytest.fixture(scope="session")
def pristine(postgres: Postgres, search_path: str) -> str:
    """The name of a database with MLflow's schema that nobody connects to, so that it can be copied."""
    postgres.sql("create database pristine")
    subprocess.run(
        [machine.ENTRYPOINT, "migrate"],
        env={"PATH": search_path, **postgres.variables("pristine")},
        check=True,
        capture_output=True,
    )
    return "pristine"


@pytest.fixture(scope="session")
def migrated(postgres: Postgres, pristine: str) -> str:
    """The name of a database with MLflow's schema."""
    postgres.sql(f"create database migrated template {pristine}")
    return "migrated"


@pytest.fixture
def new_database(postgres: Postgres, request: pytest.FixtureRequest) -> Callable[[str | None], str]:
    """Makes a database, empty or a copy of another, and says its name."""
    numbers = itertools.count()

    def make(template: str | None = None) -> str:
        name = f"{request.node.name[:40]}_{next(numbers)}".replace("[", "_").replace("]", "").lower()  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType,reportUnknownArgumentType] -- pytest leaves node untyped
        postgres.sql(f'create database "{name}" template {template or "template0"}')
        return name

    return make


@pytest.fixture(scope="session")
def server(postgres: Postgres, search_path: str, migrated: str) -> Iterator[Server]:
    """A server with a login, one allowed host and its origin."""
    with machine.started(["serve"], {"PATH": search_path, **machine.basic(postgres, migrated)}) as running:
        running.wait_until_open()
        yield running
