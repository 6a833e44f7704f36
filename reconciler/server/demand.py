"""What a deployment asks of its instances and its database, held against what `capacity` says there is."""

from __future__ import annotations

from math import ceil

from reconciler.server import capacity, passwords
from reconciler.spec.deployment import Database, Deployment


def connections(database: Database) -> int:
    """PostgreSQL's max_connections as the spec has it: the flag's, else the tier's. Raises ValueError."""
    given = database.flags.get("max_connections", "")
    return int(given) if given.isdecimal() else capacity.max_connections(database.tier)


def usable_connections(database: Database) -> int:
    """What of max_connections an ordinary user gets. Raises ValueError."""
    return connections(database) - capacity.RESERVED_SLOTS


def connections_for_users(deployment: Deployment) -> int:
    """What a worker holds beside its two pools, to the database of people who log in at MLflow or a provider."""
    if deployment.auth.mode == "oidc":
        return capacity.PROVIDED_USERS
    own = deployment.auth.mode == "mlflow"
    return deployment.server.pool_size + deployment.server.pool_overflow if own else 0


def connections_per_instance(deployment: Deployment) -> int:
    """The most connections that one instance of the server holds at a time."""
    server = deployment.server
    pools = capacity.ENGINES * (server.pool_size + server.pool_overflow)
    jobs = capacity.JOB_PROCESSES if server.job_runner else 0
    return server.workers * (pools + connections_for_users(deployment)) + jobs


def connections_beside(deployment: Deployment) -> int:
    """The connections of jobs that run beside the server."""
    return capacity.MIGRATION + (
        capacity.RETENTION if deployment.lifecycle.retention.delete_runs_after_days else 0
    )


def connections_needed(deployment: Deployment) -> int:
    """The most connections that everything of *deployment* holds at a time."""
    return deployment.scaling.max_instances * connections_per_instance(deployment) + connections_beside(
        deployment
    )


def connections_during_rollout(deployment: Deployment) -> int:
    """The most while a new revision takes over: the old one's instances keep their pools until they end."""
    server, most = deployment.server, deployment.scaling.max_instances
    users = connections_for_users(deployment)
    kept = server.workers * (capacity.ENGINES * server.pool_size + max(0, users - server.pool_overflow))
    return most * (connections_per_instance(deployment) + kept)


def patience(deployment: Deployment) -> float:
    """For how many seconds each request may keep its connection, so that none waits too long for one.

    The worst case: one worker gets all requests of an instance, all want the same engine, and all take equally long.
    """
    pool = deployment.server.pool_size + deployment.server.pool_overflow
    rounds = ceil(min(deployment.scaling.concurrency, capacity.THREADS) / pool) - 1
    return capacity.POOL_TIMEOUT / rounds if rounds else float(capacity.POOL_TIMEOUT)


def summed(deployment: Deployment) -> str:
    """How the connections that are needed come together, in the words of the spec."""
    server = deployment.server
    pools = (
        f"{capacity.ENGINES} engines × (pool_size {server.pool_size} + pool_overflow {server.pool_overflow})"
    )
    if users := connections_for_users(deployment):
        pools = f"({pools} + {users} for users)"
    runner = f" + {capacity.JOB_PROCESSES} of the job runner" if server.job_runner else ""
    each = f"workers {server.workers} × {pools}{runner}"
    return f"max_instances {deployment.scaling.max_instances} × ({each}) + {connections_beside(deployment)} for jobs"


def sums(deployment: Deployment) -> tuple[str, ...]:
    """What is needed of what there is, a sentence each. Raises ValueError for an unknown tier."""
    server, scaling, database = deployment.server, deployment.scaling, deployment.database
    memory = capacity.mebibytes(deployment.memory)
    checks = passwords.memory(deployment)
    needed = capacity.memory_needed(server.workers, job_runner=server.job_runner) + checks
    jobs = f" + job runner {capacity.JOB_RUNNER}" if server.job_runner else ""
    processes = (
        f"first worker {capacity.FIRST_WORKER} + {server.workers - 1} more × {capacity.FURTHER_WORKER}{jobs}"
    )
    usable, rollout = usable_connections(database), connections_during_rollout(deployment)
    crowded = (
        f"While a new revision takes over under full load, the old one's instances keep their pools for some minutes: "
        f"up to {rollout} connections are wanted of {usable} then, and requests may fail."
    )
    return (
        f"Memory: {needed} of {memory} MiB in each instance: "
        f"{processes} + {capacity.WORKING_ROOM} to work in{f' + {checks} to check passwords' if checks else ''}.",
        f"Database connections: {connections_needed(deployment)} of {usable}: {summed(deployment)}.",
        f"Waiting: {min(scaling.concurrency, capacity.THREADS)} requests at a time may meet one worker's pool of "
        f"{server.pool_size + server.pool_overflow}; none fails while each takes less than "
        f"{patience(deployment):.1f} s of the database.",
        *((crowded,) if rollout > usable else ()),
    )
