"""How much a deployment needs and a machine gives: memory in MiB, database connections, seconds of waiting.

Measured with MLflow 3.17.2 as the image serves it on Linux (proportional set size, idle): 191 MiB with one worker, 382
with two, 717 with four; 214, 432 and 784 after 80 clients at a time; the job runner with its consumers 1340 more. Under
that load each worker held at most engines × (pool + overflow) connections, and never more. What stands here is a little
more than that; `tests/server/test_capacity_load.py` measures both again.
"""

from __future__ import annotations

FIRST_WORKER = 250
FURTHER_WORKER = 200
JOB_RUNNER = 1350
WORKING_ROOM = 128
"""MiB that requests need beside the idle processes: results of searches, one upload's buffers."""

ENGINES = 2
"""A worker opens one pool for tracking and one for the model registry."""
PROVIDED_USERS = 3
"""The plugin of mode oidc has one pool in each worker: 2 connections, and 1 more under load."""
JOB_PROCESSES = 8
"""The job runner and its consumers; each keeps one connection once it has had work."""
MIGRATION = 3
"""Connections of the job that makes or migrates the schema, as observed; it runs beside the server in use."""
RETENTION = 2
"""Connections of the job that deletes old runs: its lock, and the one that it works with."""
RESERVED_SLOTS = 3
"""PostgreSQL keeps these for superusers (superuser_reserved_connections)."""

THREADS = 40
"""Requests that a worker works on at a time (anyio's default); further ones wait without a connection, in no hurry."""
POOL_TIMEOUT = 30
"""Seconds after which SQLAlchemy gives up waiting for a connection; MLflow leaves it at that."""

SHARED_CORE = {"db-f1-micro": 25, "db-g1-small": 50}
BY_MEMORY = ((120, 1000), (60, 800), (30, 600), (15, 500), (7.5, 400), (6, 200), (3.75, 100))
"""Cloud SQL's default max_connections for PostgreSQL: from this many GiB of memory on, that many."""


def tier_memory(tier: str) -> float:
    """The memory of a Cloud SQL *tier* in GiB. Raises ValueError for a tier this module does not know."""
    match tier.split("-"):
        case ["db", "f1", "micro"]:
            return 0.6
        case ["db", "g1", "small"]:
            return 1.7
        case ["db", "custom", _, megabytes]:
            return int(megabytes) / 1024
        case ["db", "perf", "optimized", "N", cpus]:
            return int(cpus) * 8.0
        case _:
            raise ValueError(f"unknown Cloud SQL tier {tier}")


def max_connections(tier: str) -> int:
    """PostgreSQL's max_connections on *tier*, as Cloud SQL sets it by default. Raises ValueError."""
    if tier in SHARED_CORE:
        return SHARED_CORE[tier]
    memory = tier_memory(tier)
    return next(
        (connections for least, connections in BY_MEMORY if memory >= least), SHARED_CORE["db-f1-micro"]
    )


def idle_memory(workers: int, *, job_runner: bool) -> int:
    """MiB that an instance holds when nobody asks it anything."""
    return FIRST_WORKER + (workers - 1) * FURTHER_WORKER + (JOB_RUNNER if job_runner else 0)


def memory_needed(workers: int, *, job_runner: bool) -> int:
    """The least MiB that an instance works in."""
    return idle_memory(workers, job_runner=job_runner) + WORKING_ROOM


def largest_artifact(memory: int, workers: int, *, job_runner: bool, streams: bool) -> int | None:
    """The largest artifact, in MiB, that passes through an instance with *memory* MiB; None for any.

    One that *streams* holds pieces only: 100 MiB and 1 GiB took 15 MiB above idle, which is part of the working room.
    Otherwise the whole file lies in a temporary folder meanwhile, which is memory on Cloud Run, one at a time; the
    upload to the bucket takes about 24 MiB beside it with the chunk size that we set.
    """
    if streams:
        return None
    return max(0, memory - idle_memory(workers, job_runner=job_runner) - 24)


def mebibytes(memory: str) -> int:
    """A quantity such as 512Mi or 2Gi in MiB. Raises ValueError."""
    number, unit = memory[:-2], memory[-2:]
    if unit not in {"Mi", "Gi"} or not number.isdecimal():
        raise ValueError(f"{memory} is not a whole number of Mi or Gi")
    return int(number) * (1024 if unit == "Gi" else 1)


def quantity(memory: int) -> str:
    """MiB as Cloud Run writes them: whole Gi where it comes out even."""
    return f"{memory // 1024}Gi" if memory % 1024 == 0 else f"{memory}Mi"
