"""How quickly the image's server starts and how much memory it holds, beside stock `mlflow server`, all in one run.

Both run from the same installed MLflow on the same PostgreSQL, whose database has its schema already. Prints the time
from the start of the process to the first answer of /health and to the first run that was made, the memory of all its
processes once idle (PSS: what they share is counted once), and the ratios.

    python -m bench.server [ROUNDS]
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.image import machine
from tests.image.machine import Postgres

IDLE_SECONDS = 15
"""After the first run: stock MLflow starts the last of its processes ten seconds after the first."""
MIB = 1024 * 1024


@dataclass(frozen=True)
class Figures:
    """Of one start: seconds, bytes, and the number of processes."""

    health: float
    first_run: float
    memory: int
    processes: int


def main(rounds: int) -> None:
    """Measure and print."""
    with machine.search_path() as path, machine.running_postgres() as postgres:
        postgres.sql("create database measured")
        variables = {"PATH": path, **postgres.variables("measured")}
        subprocess.run([machine.ENTRYPOINT, "migrate"], env=variables, check=True, capture_output=True)
        ours = [measure(lambda: image(path, postgres)) for _ in range(rounds)]
        stock = [measure(lambda: mlflow_server(path, postgres)) for _ in range(rounds)]
    print(f"medians of {rounds}, smallest and largest in brackets")
    print(f"{'':<26}{'image':>26}{'stock mlflow server':>26}{'image : stock':>16}")
    row("start to /health, s", [one.health for one in ours], [one.health for one in stock], "{:.2f}")
    row("start to first run, s", [one.first_run for one in ours], [one.first_run for one in stock], "{:.2f}")
    row("idle memory, MiB", [one.memory / MIB for one in ours], [one.memory / MIB for one in stock], "{:.0f}")
    row("processes", [one.processes for one in ours], [one.processes for one in stock], "{:.0f}")


def row(name: str, ours: list[float] | list[int], stock: list[float] | list[int], form: str) -> None:
    def cell(values: list[float] | list[int]) -> str:
        low, middle, high = (
            form.format(value) for value in (min(values), statistics.median(values), max(values))
        )
        return f"{middle} [{low} - {high}]"

    ratio = statistics.median(ours) / statistics.median(stock)
    print(f"{name:<26}{cell(ours):>26}{cell(stock):>26}{ratio:>16.2f}")


def measure(start: Callable[[], AbstractContextManager[tuple[int, str]]]) -> Figures:
    """Start a server, use it, let it idle, end it."""
    began = time.monotonic()
    with start() as (pid, url):
        with httpx.Client(base_url=url) as client:
            while not healthy(client):
                if time.monotonic() - began > 120:
                    raise SystemExit(f"{url} does not answer")
                time.sleep(0.005)
            health = time.monotonic() - began
            while not client.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}).is_success:
                time.sleep(0.005)
            first_run = time.monotonic() - began
        time.sleep(IDLE_SECONDS)
        pids = machine.descendants(pid)
        return Figures(health, first_run, machine.memory(pids), len(pids))


def healthy(client: httpx.Client) -> bool:
    try:
        return client.get("/health").is_success
    except httpx.TransportError:
        return False


@contextmanager
def image(path: str, postgres: Postgres) -> Generator[tuple[int, str]]:
    """The image's entrypoint, as it is deployed but without a login."""
    with machine.started(["serve"], {"PATH": path, **postgres.variables("measured")}) as server:
        yield server.process.pid, server.url
        server.stop()


@contextmanager
def mlflow_server(path: str, postgres: Postgres) -> Generator[tuple[int, str]]:
    """`mlflow server` with all its defaults, on the same database."""
    folder = Path(tempfile.mkdtemp(prefix="stock-"))
    port = machine.free_port()
    variables = {
        "PATH": path,
        "HOME": str(folder),
        "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg2://postgres:p%40ss%2Fw%3A%25r%20d@/measured?host={postgres.folder}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                f"{path.partition(':')[0]}/mlflow",
                "server",
                "--port",
                str(port),
                "--artifacts-destination",
                folder,
            ],
            env=variables,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        yield process.pid, f"http://127.0.0.1:{port}"
    finally:
        pids = machine.descendants(process.pid)
        process.terminate()
        process.wait(30)
        for pid in pids:
            subprocess.run(["kill", "-9", str(pid)], check=False, capture_output=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
