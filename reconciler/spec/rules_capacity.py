"""Rules about size: CPU and memory as Cloud Run sells them, memory and connections as MLflow needs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.server import capacity, demand
from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Problem
from reconciler.spec.ways import Way, cheapest, with_database, with_scaling, with_server

GIB = 1024
LEAST_MEMORY = 512
"""MiB; the second-generation environment, which Cloud SQL's sockets want, takes no less."""

STEPS = (512, GIB, 2 * GIB, 4 * GIB, 8 * GIB, 16 * GIB, 32 * GIB)
"""Sizes of memory to propose, in MiB."""
MIB_OF_A_CONNECTION = 5
SHARE_FOR_CONNECTIONS = 0.5
"""What a connection takes of a database's memory, and which part of that memory may go to connections; estimated."""
SLOW_REQUEST = 2
"""Seconds that a search over very many runs may take; estimated."""
POOLS = (
    "scaling.max_instances",
    "server.workers",
    "server.pool_size",
    "server.pool_overflow",
    "database.tier",
)

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
    ways = [_larger(deployment, needed)]
    if workers := _most_workers(memory, job_runner=server.job_runner):
        ways.append(Way(f"server.workers: {workers}", with_server(deployment, workers=workers)))
    elif server.job_runner:
        ways.append(Way("server.job_runner: false", with_server(deployment, job_runner=False)))
    what = f"{server.workers} worker{'s' if server.workers > 1 else ''}"
    what += " and the job runner" if server.job_runner else ""
    message = f"{deployment.memory} is too little: {what} need {needed}Mi"
    keys = ("memory", "server.workers", "server.job_runner")
    yield Problem(keys, message, cheapest(deployment, ways))


def _larger(deployment: Deployment, needed: int) -> Way:
    """The next usual size of memory, with the CPUs that Cloud Run wants for it."""
    memory = capacity.quantity(next(step for step in STEPS if step >= needed))
    cpus = [cpu for cpu, (_, most) in (MEMORY_OF_CPU | MEMORY_OF_MANY_CPUS).items() if most >= needed]
    text, cpu = f"memory: {memory}", deployment.cpu
    if float(cpu) < cpus[0] and (float(cpu) >= 1 or needed > GIB):
        cpu = str(cpus[0])
        text += f" and cpu: {cpu}"
    return Way(text, replace(deployment, memory=memory, cpu=cpu))


def _most_workers(memory: int, *, job_runner: bool) -> int:
    """How many workers fit into *memory* MiB; 0 when none does."""
    spare = memory - capacity.memory_needed(1, job_runner=job_runner)
    return 0 if spare < 0 else 1 + spare // capacity.FURTHER_WORKER


def connections_fit(deployment: Deployment) -> Iterator[Problem]:
    """All instances and jobs together never ask for more connections than the database has."""
    try:
        usable = demand.usable_connections(deployment.database)
    except ValueError:
        return  # the tier's own rule says so
    needed = demand.connections_needed(deployment)
    if needed <= usable:
        return
    flagged = "database.flags.max_connections" if "max_connections" in deployment.database.flags else ""
    message = (
        f"{flagged or deployment.database.tier} leaves {usable} connections, {needed} are needed: "
        f"{demand.summed(deployment)}"
    )
    yield Problem(POOLS, message, cheapest(deployment, _fewer_or_more(deployment, usable)))


def _fewer_or_more(deployment: Deployment, usable: int) -> Iterator[Way]:
    """Ways to make connections fit: less of them, more of them from the same machine, a larger machine."""
    yield from _fewer(deployment, usable)
    needed = demand.connections_needed(deployment) + capacity.RESERVED_SLOTS
    database = deployment.database
    if needed * MIB_OF_A_CONNECTION <= capacity.tier_memory(database.tier) * GIB * SHARE_FOR_CONNECTIONS:
        flags = {**database.flags, "max_connections": str(needed)}
        text = f'database.flags.max_connections: "{needed}", which restarts the database'
        yield Way(text, with_database(deployment, flags=flags))
    plain = {name: value for name, value in database.flags.items() if name != "max_connections"}
    for tier in ENTERPRISE_PLUS if database.edition == "enterprise-plus" else ENTERPRISE:
        larger = with_database(deployment, tier=tier, flags=plain)
        if demand.usable_connections(larger.database) >= demand.connections_needed(deployment):
            also = " without that flag" if plain != database.flags else ""
            yield Way(f"database.tier: {tier}{also}", larger)
            return


def _fewer(deployment: Deployment, usable: int) -> Iterator[Way]:
    """The mildest way to need fewer connections: smaller pools, else fewer instances, else the least there is."""
    pools = deployment.server.pool_size + deployment.server.pool_overflow
    for size in range(pools - 2, 0, -1):
        smaller = with_server(deployment, pool_size=size, pool_overflow=1)
        if demand.connections_needed(smaller) <= usable:
            yield Way(f"server.pool_size: {size} and server.pool_overflow: 1", smaller)
            return
    for most in range(deployment.scaling.max_instances - 1, 0, -1):
        fewer = with_scaling(deployment, max_instances=most)
        if demand.connections_needed(fewer) <= usable:
            yield Way(f"scaling.max_instances: {most}", fewer)
            return
    for workers in range(deployment.server.workers, 0, -1):
        alone = with_scaling(deployment, max_instances=1)
        least = with_server(alone, workers=workers, pool_size=1, pool_overflow=1)
        if demand.connections_needed(least) <= usable:
            yield Way(f"scaling.max_instances: 1, server.workers: {workers} and a pool of 1 + 1", least)
            return


def pool_of(deployment: Deployment) -> int:
    """The most connections of one pool."""
    return deployment.server.pool_size + deployment.server.pool_overflow


def waiting_ends_in_time(deployment: Deployment) -> Iterator[Problem]:
    """Requests that wait for a connection get one before they fail, also while each is slow."""
    patience = demand.patience(deployment)
    if patience >= SLOW_REQUEST:
        return
    pool = pool_of(deployment)
    met = min(deployment.scaling.concurrency, capacity.THREADS)
    fewer = pool * (capacity.POOL_TIMEOUT // SLOW_REQUEST + 1)
    enough = -(-met // (capacity.POOL_TIMEOUT // SLOW_REQUEST + 1))
    message = (
        f"{met} requests at a time share {pool} connections, and one that waits {capacity.POOL_TIMEOUT} s fails: "
        f"so they do when each takes {patience:.1f} s, as a search over many runs may"
    )
    ways = (
        Way(f"scaling.concurrency: {fewer}", with_scaling(deployment, concurrency=fewer)),
        Way(f"server.pool_size: {enough - 1} and server.pool_overflow: 1",
            with_server(deployment, pool_size=enough - 1, pool_overflow=1)),
    )  # fmt: skip
    keys = ("scaling.concurrency", "server.pool_size", "server.pool_overflow")
    yield Problem(keys, message, cheapest(deployment, ways), "warning")


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

RULES = (
    memory_fits_cpu,
    part_of_a_cpu,
    memory_fits_server,
    connections_fit,
    waiting_ends_in_time,
)
