"""What the capacity rules call safe holds, and what they refuse fails: a real MLflow, a real PostgreSQL, 80 clients.

PostgreSQL has 25 connections, as the smallest tier of Cloud SQL; MLflow is served by the image's own entrypoint.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

import httpx
import pytest

from reconciler.server import capacity, demand
from reconciler.spec import rules_capacity
from reconciler.spec.deployment import Deployment
from tests.image import machine
from tests.image.machine import Postgres, Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory and processes are read from /proc")

TIER, CONNECTIONS, CLIENTS, REQUESTS = "db-f1-micro", 25, 80, 4
ROLE = DATABASE = "mlflow"
COUNT = "select count(*) from pg_stat_activity where usename = 'mlflow'"
READ = "runs, registered_models, model_versions"
HELD_SECONDS = 20
"""How long requests wait at most; less than the 30 s after which SQLAlchemy gives up."""
GROWN = 20
"""Looks, ten a second, after which connections that were not added are not going to be."""
DRAWS = 5
"""The kernel deals the clients to the workers. A worker that got few leaves its pools half empty, which holds by luck;
so often do they come anew until one deal is even enough."""
MIB = 1024 * 1024
QUIET = 40
"""Looks, ten a second, after which what has not grown has stopped to grow."""
SAFE = [(1, 1, 8, 1), (1, 2, 3, 1), (2, 1, 3, 1), (3, 1, 2, 1)]
"""Instances, workers, pool_size, pool_overflow: up to the most that the rules let pass."""
REFUSED = [(1, 2, 5, 1), (2, 1, 5, 1)]
COUNTED = threading.Lock()
Deployed = Callable[..., Deployment]


@dataclass(frozen=True)
class Bench:
    """PostgreSQL with MLflow's schema, and where MLflow's programs are."""

    postgres: Postgres
    path: str

    @contextmanager
    def servers(self, shape: tuple[int, int, int, int], *, jobs: bool = False) -> Generator[list[Server]]:
        """So many instances, each as Cloud Run would start it; they all answer."""
        instances, workers, pool_size, overflow = shape
        variables = {
            **self.postgres.variables(DATABASE),
            "MLFLOW_DB_USER": ROLE,
            "PATH": self.path,
            "MLFLOW_WORKERS": str(workers),
            "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": str(pool_size),
            "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": str(overflow),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true" if jobs else "false",
        }
        machine.until(lambda: self.connections() == 0, 30)
        with ExitStack() as stack:
            started = [stack.enter_context(machine.started(["serve"], variables)) for _ in range(instances)]
            for server in started:
                server.wait_until_open()
            yield started

    def steady(self) -> Callable[[], bool]:
        """Whether there are connections, and none was added for a while."""
        seen: list[int] = []

        def holds() -> bool:
            seen.append(self.connections())
            return not threading.Event().wait(0.1) and len(seen) > GROWN and 0 < seen[-1] <= seen[-GROWN]

        return holds

    def connections(self) -> int:
        """How many connections MLflow has, asked through one of those that are kept for superusers."""
        return int(self.postgres.sql(COUNT))

    @contextmanager
    def watched(self) -> Generator[list[int]]:
        """Count MLflow's connections fifty times a second; the list is complete afterwards."""
        psql = [
            str(self.postgres.programs / "psql"),
            "-XAtq",
            "-h",
            str(self.postgres.folder),
            "-U",
            "postgres",
        ]
        counts: list[int] = []
        process = subprocess.Popen(
            [*psql, "postgres"], env={"PGPASSWORD": machine.DATABASE_PASSWORD, "PATH": os.defpath},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        lines = process.stdout
        assert lines is not None
        reader = threading.Thread(target=lambda: counts.extend(int(line) for line in lines if line.strip()))
        reader.start()
        process.stdin.write(f"{COUNT}\n\\watch 0.02\n")
        process.stdin.flush()
        try:
            yield counts
        finally:
            process.kill()
            process.wait()
            reader.join()

    @contextmanager
    def slow(self, enough: Callable[[], bool]) -> Generator[None]:
        """Let nobody read runs or models until it is enough, so that every pool fills up, however fast the machine is.

        The requests wait in PostgreSQL, each with its connection.
        """
        psql = [
            str(self.postgres.programs / "psql"),
            "-XAtq",
            "-h",
            str(self.postgres.folder),
            "-U",
            "postgres",
        ]
        process = subprocess.Popen(
            [*psql, DATABASE], env={"PGPASSWORD": machine.DATABASE_PASSWORD, "PATH": os.defpath},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"begin; lock table {READ}; select 'held';\n")
        process.stdin.flush()
        assert process.stdout.readline().strip() == "held"
        with ThreadPoolExecutor(1) as beside:
            held = beside.submit(machine.until, enough, HELD_SECONDS)
            held.add_done_callback(lambda _: process.kill())  # its transaction ends with it
            try:
                yield
            finally:
                process.kill()
                process.wait()

    def migrate(self) -> int:
        """Run the migration job, and say how it ended."""
        variables = {"PATH": self.path, **self.postgres.variables(DATABASE), "MLFLOW_DB_USER": ROLE}
        return subprocess.run(
            [machine.ENTRYPOINT, "migrate"], env=variables, capture_output=True, check=False
        ).returncode


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    """PostgreSQL with 25 connections, and MLflow's schema in it, owned by an ordinary role."""
    with machine.search_path() as path, machine.running_postgres(CONNECTIONS) as postgres:
        postgres.sql(f"create role {ROLE} login password '{machine.DATABASE_PASSWORD}'")
        postgres.sql(f"create database {DATABASE} owner {ROLE}")
        bench = Bench(postgres, path)
        with bench.watched() as counts:
            assert bench.migrate() == 0
        assert max(counts) <= capacity.MIGRATION
        yield bench


def _ask(servers: list[Server], ended: Counter[int], number: int) -> None:
    """One client's requests, to both stores; how each ended is counted."""
    with httpx.Client(base_url=servers[number % len(servers)].url, timeout=120) as client:
        api = "/api/2.0/mlflow"
        kinds = (
            lambda: client.post(f"{api}/runs/search", json={"experiment_ids": ["0"], "max_results": 5}),
            lambda: client.get(f"{api}/registered-models/search"),
            lambda: client.post(f"{api}/runs/create", json={"experiment_id": "0"}),
            lambda: client.get(f"{api}/model-versions/search"),
        )
        for turn in range(REQUESTS):
            code = kinds[(number // len(servers) + turn) % len(kinds)]().status_code
            with COUNTED:
                ended[code] += 1


def _load(servers: list[Server], ended: Counter[int]) -> None:
    """Count how the requests of all clients end, all at a time."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(partial(_ask, servers, ended), range(CLIENTS)))


def _deployment(deployed: Deployed, shape: tuple[int, int, int, int]) -> Deployment:
    """The spec of this shape on the smallest tier, whether or not the rules let it pass."""
    instances, workers, pool_size, overflow = shape
    plain = deployed(f"auth: {{mode: basic}}\nmemory: 4Gi\ndatabase: {{tier: {TIER}}}\n")
    server = replace(plain.server, workers=workers, pool_size=pool_size, pool_overflow=overflow)
    return replace(plain, server=server, scaling=replace(plain.scaling, max_instances=instances))


@pytest.mark.parametrize("shape", SAFE, ids=str)
def test_what_is_called_safe_holds_under_80_clients_and_a_migration(
    bench: Bench, deployed: Deployed, shape: tuple[int, int, int, int]
) -> None:
    """No request fails, and there are never more connections, and never more memory, than the formulas say."""
    deployment = _deployment(deployed, shape)
    assert list(rules_capacity.connections_fit(deployment)) == []
    ended = Counter[int]()
    with bench.servers(shape) as servers, bench.watched() as counts, ThreadPoolExecutor(1) as beside:
        idle = [_memory(server) for server in servers]
        with bench.slow(bench.steady()):
            migration = beside.submit(bench.migrate)
            _load(servers, ended)
            assert migration.result() == 0
        loaded = [_memory(server) for server in servers]
    computed = capacity.idle_memory(deployment.server.workers, job_runner=False)
    assert max(idle) <= computed <= 1.5 * min(idle)
    assert max(loaded) <= capacity.memory_needed(deployment.server.workers, job_runner=False)
    assert ended == Counter({200: CLIENTS * REQUESTS})
    assert (
        max(counts) <= demand.connections_needed(deployment) <= demand.usable_connections(deployment.database)
    )


@pytest.mark.parametrize("shape", REFUSED, ids=str)
def test_what_is_refused_fails(bench: Bench, deployed: Deployed, shape: tuple[int, int, int, int]) -> None:
    """One connection more in each pool than the rules let pass is already too many."""
    (refused,) = rules_capacity.connections_fit(_deployment(deployed, shape))
    assert "connections" in refused.message
    ended = Counter[int]()
    with bench.servers(shape) as servers:
        for _ in range(DRAWS):
            steady = bench.steady()
            with bench.slow(lambda steady=steady: ended[503] > 0 or steady()):
                _load(servers, ended)
            if ended[503]:
                break
    assert ended[503] > 0  # too many clients already; some requests have no better word for it than 500
    assert set(ended) <= {200, 500, 503}


def test_four_workers_take_what_is_computed(bench: Bench) -> None:
    """What the formula allows for is enough, and no luxury."""
    with bench.servers((1, 4, 1, 1)) as (server,):
        machine.until(lambda: sum("spawn_main" in line for line in server.processes().values()) == 4, 60)
        idle = _settled(server)
    assert idle <= capacity.idle_memory(4, job_runner=False) <= 1.5 * idle


def test_the_job_runner_takes_what_is_computed(bench: Bench) -> None:
    """Its processes start one after the other; all of them are counted, and so are their connections."""
    with bench.servers((1, 1, 1, 1), jobs=True) as (server,):
        consumers = capacity.JOB_PROCESSES

        def parts() -> int:
            return sum("mlflow.server.jobs" in line or "huey" in line for line in server.processes().values())

        machine.until(lambda: parts() == consumers, 60)
        idle, held = _settled(server), bench.connections()
    assert idle <= capacity.idle_memory(1, job_runner=True) <= 1.3 * idle
    assert held <= capacity.ENGINES * 2 + capacity.JOB_PROCESSES


def _memory(server: Server) -> float:
    """MiB of all its processes."""
    return machine.memory(list(server.processes())) / MIB


def _settled(server: Server) -> float:
    """MiB of all its processes, once they have stopped to grow: none for four seconds."""
    seen: list[float] = []

    def stopped() -> bool:
        seen.append(_memory(server))
        return len(seen) > QUIET and seen[-1] - seen[-QUIET] < 1

    machine.until(lambda: not threading.Event().wait(0.1) and stopped(), 120)
    return seen[-1]
