"""Rules about size: CPU and memory as Cloud Run sells them, memory and connections as MLflow needs them."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.server import capacity
from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Problem

GIB = 1024
LEAST_MEMORY = 512
"""MiB; the second-generation environment, which Cloud SQL's sockets want, takes no less."""

MEMORY_OF_CPU = {1: (LEAST_MEMORY, 4 * GIB), 2: (LEAST_MEMORY, 8 * GIB), 4: (2 * GIB, 16 * GIB)}
MEMORY_OF_MANY_CPUS = {6: (4 * GIB, 24 * GIB), 8: (4 * GIB, 32 * GIB)}
"""MiB that Cloud Run sells with so many vCPUs, from and to."""


def memory_fits_cpu(deployment: Deployment) -> Iterator[Problem]:
    """Cloud Run sells memory and CPU in certain pairs."""
    memory, cpu = capacity.mebibytes(deployment.memory), float(deployment.cpu)
    keys = ("memory", "cpu")
    if memory < LEAST_MEMORY:
        yield Problem(keys, f"{deployment.memory} is less than Cloud Run takes", ("memory: 512Mi",))
    elif cpu < 0.5 and memory > 512:
        yield Problem(keys, f"{deployment.memory} needs at least half a vCPU", ("cpu: 1", "memory: 512Mi"))
    elif cpu < 1 and memory > GIB:
        yield Problem(keys, f"{deployment.memory} needs at least one vCPU", ("cpu: 1", "memory: 1Gi"))
    elif cpu >= 1:
        least, most = (MEMORY_OF_CPU | MEMORY_OF_MANY_CPUS)[int(cpu)]
        if memory < least:
            message = f"{deployment.memory} is too little for {deployment.cpu} vCPUs on Cloud Run"
            yield Problem(keys, message, (f"memory: {capacity.quantity(least)}", "cpu: 1"))
        if memory > most:
            enough = [
                str(n) for n, (_, top) in (MEMORY_OF_CPU | MEMORY_OF_MANY_CPUS).items() if top >= memory
            ]
            ways = (f"memory: {capacity.quantity(most)}", *(f"cpu: {n}" for n in enough[:1]))
            message = f"{deployment.memory} is too much for {deployment.cpu} vCPU on Cloud Run"
            yield Problem(keys, message, ways)


def part_of_a_cpu(deployment: Deployment) -> Iterator[Problem]:
    """Less than one vCPU takes one request at a time, and is paid by the request."""
    if float(deployment.cpu) >= 1:
        return
    if deployment.scaling.concurrency > 1:
        message = f"{deployment.cpu} vCPU takes one request at a time on Cloud Run"
        yield Problem(("cpu", "scaling.concurrency"), message, ("cpu: 1", "scaling.concurrency: 1"))
    if deployment.scaling.cpu_always_on:
        message = f"{deployment.cpu} vCPU cannot be always on"
        yield Problem(("cpu", "scaling.cpu_always_on"), message, ("cpu: 1", "scaling.cpu_always_on: false"))


def memory_fits_server(deployment: Deployment) -> Iterator[Problem]:
    """The server's processes fit into an instance, with room to work."""
    server, memory = deployment.server, capacity.mebibytes(deployment.memory)
    needed = capacity.memory_needed(server.workers, job_runner=server.job_runner)
    if memory < LEAST_MEMORY or memory >= needed:
        return
    steps = (512, GIB, 2 * GIB, 4 * GIB, 8 * GIB, 16 * GIB, 32 * GIB)
    ways = [f"memory: {capacity.quantity(next(step for step in steps if step >= needed))}"]
    workers = _most_workers(memory, job_runner=server.job_runner)
    if workers:
        ways.append(f"server.workers: {workers}")
    elif server.job_runner:
        ways.append("server.job_runner: false")
    what = f"{server.workers} worker{'s' if server.workers > 1 else ''}"
    what += " and the job runner" if server.job_runner else ""
    message = f"{deployment.memory} is too little: {what} need {needed}Mi"
    yield Problem(("memory", "server.workers", "server.job_runner"), message, tuple(ways))


def _most_workers(memory: int, *, job_runner: bool) -> int:
    """How many workers fit into *memory* MiB; 0 when none does."""
    spare = memory - capacity.memory_needed(1, job_runner=job_runner)
    return 0 if spare < 0 else 1 + spare // capacity.FURTHER_WORKER


def connections_fit(deployment: Deployment) -> Iterator[Problem]:
    """All instances together never ask for more connections than the database has."""
    server, most = deployment.server, deployment.scaling.max_instances
    try:
        usable = capacity.usable_connections(deployment.database.tier)
    except ValueError:
        return  # the tier's own rule says so
    users = capacity.users_connections(deployment.auth.mode)
    each = capacity.connections_per_instance(server.workers, server.pool_size, server.pool_overflow, users)
    if most * each <= usable:
        return
    message = (
        f"{deployment.database.tier} has {usable} connections to give, {most * each} are needed: "
        f"max_instances {most} × (workers {server.workers} × {'(' if users else ''}{capacity.ENGINES} engines × "
        f"(pool_size {server.pool_size} + pool_overflow {server.pool_overflow}) "
        f"{f'+ {users} for users) ' if users else ''}+ {capacity.BESIDE_THE_POOLS})"
    )
    keys = (
        "scaling.max_instances",
        "server.workers",
        "server.pool_size",
        "server.pool_overflow",
        "database.tier",
    )
    yield Problem(keys, message, _fewer_or_larger(deployment, usable, each))


def _fewer_or_larger(deployment: Deployment, usable: int, each: int) -> tuple[str, ...]:
    """The two cheapest ways to make connections fit: less of them, and a larger tier."""
    server, most = deployment.server, deployment.scaling.max_instances
    users = capacity.users_connections(deployment.auth.mode)
    per_worker = (usable // most - capacity.BESIDE_THE_POOLS) // server.workers
    per_engine = (per_worker - users) // capacity.ENGINES
    ways: list[str] = []
    if per_engine >= 2:
        ways.append(f"server.pool_size: {per_engine - 1} and server.pool_overflow: 1")
    elif usable >= each:
        ways.append(f"scaling.max_instances: {usable // each}")
    else:
        alone = (usable - capacity.BESIDE_THE_POOLS) // (capacity.ENGINES * 2 + users)
        ways.append(
            f"scaling.max_instances: 1, server.workers: {min(server.workers, alone)} and a pool of 1 + 1"
        )
    plus = deployment.database.edition == "enterprise-plus"
    tiers = ENTERPRISE_PLUS if plus else ENTERPRISE
    larger = [tier for tier in tiers if capacity.usable_connections(tier) >= most * each]
    if larger:
        ways.append(f"database.tier: {larger[0]}")
    return tuple(ways)


ENTERPRISE = (
    *("db-g1-small", "db-custom-1-3840", "db-custom-1-6144", "db-custom-2-7680", "db-custom-4-15360"),
    *("db-custom-8-30720", "db-custom-16-61440", "db-custom-32-122880"),
)
ENTERPRISE_PLUS = (
    "db-perf-optimized-N-2",
    "db-perf-optimized-N-4",
    "db-perf-optimized-N-8",
    "db-perf-optimized-N-16",
)
"""Tiers to propose, cheapest first."""

RULES = (memory_fits_cpu, part_of_a_cpu, memory_fits_server, connections_fit)
