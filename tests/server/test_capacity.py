"""What a deployment needs, and what a machine gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.server import capacity, demand
from reconciler.spec.deployment import Deployment

Deployed = Callable[..., Deployment]


@pytest.mark.parametrize(
    ("tier", "connections"),
    [
        ("db-f1-micro", 25),
        ("db-g1-small", 50),
        ("db-custom-1-3840", 100),
        ("db-custom-1-6144", 200),
        ("db-custom-2-7680", 400),
        ("db-custom-4-15360", 500),
        ("db-custom-8-30720", 600),
        ("db-custom-16-61440", 800),
        ("db-custom-32-122880", 1000),
        ("db-perf-optimized-N-2", 500),
        ("db-perf-optimized-N-16", 1000),
    ],
)
def test_connections_of_a_tier(deployed: Deployed, tier: str, connections: int) -> None:
    """Cloud SQL's defaults by memory, unless a flag decides; three are kept for superusers."""
    edition = "enterprise-plus" if "perf" in tier else "enterprise"
    plain = deployed(f"database: {{tier: {tier}, edition: {edition}}}\nauth: {{mode: basic}}\n")
    assert capacity.max_connections(tier) == connections
    assert demand.usable_connections(plain.database) == connections - 3
    flagged = replace(plain.database, flags={"max_connections": "77"})
    assert demand.usable_connections(flagged) == 74


@pytest.mark.parametrize("tier", ["db-n1-standard-1", "micro", "db-custom-1", ""])
def test_an_unknown_tier_is_an_error(tier: str) -> None:
    """A guess would be worse than none."""
    with pytest.raises(ValueError, match="unknown Cloud SQL tier"):
        capacity.max_connections(tier)


def test_connections_match_what_was_measured(deployed: Deployed) -> None:
    """With a pool of 2 + 1 one worker held 6 under load at most; 2 workers with 3 + 1 held 16; users add a pool."""
    one = deployed("auth: {mode: basic}\nscaling: {max_instances: 1}\n")
    two = deployed("auth: {mode: basic}\nserver: {workers: 2, pool_size: 3}\nscaling: {max_instances: 1}\n")
    users = replace(one, auth=replace(one.auth, mode="mlflow"))
    shapes = [one, two, users]
    assert [demand.connections_per_instance(shape) for shape in shapes] == [6, 16, 9]
    assert [demand.connections_needed(shape) for shape in shapes] == [9, 19, 12]
    assert [demand.connections_during_rollout(shape) for shape in shapes] == [10, 28, 15]
    assert "474 of 1024 MiB" in demand.sums(users)[0]
    assert "96 to check passwords" in demand.sums(users)[0]


def test_jobs_beside_the_server_are_counted(deployed: Deployed) -> None:
    """The job runner's processes in each instance, and the job that deletes old runs once."""
    plain = deployed("auth: {mode: basic}\nscaling: {max_instances: 1}\n")
    running = replace(plain, server=replace(plain.server, job_runner=True))
    assert demand.connections_needed(running) == demand.connections_needed(plain) + 8
    retention = replace(plain.lifecycle.retention, delete_runs_after_days=30)
    kept = replace(plain, lifecycle=replace(plain.lifecycle, retention=retention))
    assert demand.connections_needed(kept) == demand.connections_needed(plain) + 2


def test_patience_is_the_pools_timeout_shared_by_all_who_wait(deployed: Deployed) -> None:
    """40 requests on 3 connections are 14 rounds: 13 of them are waited for; more than 40 never meet a pool."""
    plain = deployed("auth: {mode: basic}\nscaling: {concurrency: 80}\n")
    assert demand.patience(plain) == pytest.approx(30 / 13)
    assert demand.patience(replace(plain, scaling=replace(plain.scaling, concurrency=3))) == 30


def test_a_plan_shows_the_sums(deployed: Deployed) -> None:
    """One line for each thing that can run out: what is needed, of what there is, and why."""
    memory, connections, waiting = demand.sums(deployed("auth: {mode: basic}\n"))
    assert memory.startswith("Memory: 378 of 1024 MiB")
    assert connections.startswith("Database connections: 15 of 22: max_instances 2 ×")
    assert "less than 2.3 s" in waiting


def test_memory_is_never_less_than_what_was_measured() -> None:
    """Idle figures in MiB: 191, 382 and 717 with 1, 2 and 4 workers; 1523 with one and the job runner."""
    measured = {(1, False): 191, (2, False): 382, (4, False): 717, (1, True): 1523}
    for (workers, job_runner), idle in measured.items():
        assert idle <= capacity.idle_memory(workers, job_runner=job_runner) <= 1.4 * idle


def test_one_worker_fits_into_the_smallest_instance_with_an_artifact_of_any_size() -> None:
    """What streams holds pieces; before MLflow 3.15 a model of 200 MB (191 MiB) goes through 512Mi."""
    assert capacity.memory_needed(1, job_runner=False) <= 512
    assert capacity.largest_artifact(512, 1, job_runner=False, streams=True) is None
    assert (capacity.largest_artifact(512, 1, job_runner=False, streams=False) or 0) >= 191


def test_an_instance_that_is_full_takes_no_artifact() -> None:
    """Never less than nothing."""
    assert capacity.largest_artifact(256, 4, job_runner=True, streams=False) == 0


@pytest.mark.parametrize(
    ("text", "mebibytes"), [("512Mi", 512), ("1Gi", 1024), ("32Gi", 32768), ("1500Mi", 1500)]
)
def test_quantities_are_read_and_written(text: str, mebibytes: int) -> None:
    """Mi and Gi, whole Gi where it comes out even."""
    assert capacity.mebibytes(text) == mebibytes
    assert capacity.quantity(mebibytes) == text


@pytest.mark.parametrize("text", ["512", "1G", "1.5Gi", "Mi", "-1Gi"])
def test_other_quantities_are_errors(text: str) -> None:
    """Only whole numbers of Mi and Gi are quantities."""
    with pytest.raises(ValueError, match="not a whole number of Mi or Gi"):
        capacity.mebibytes(text)
