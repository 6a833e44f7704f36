"""What a deployment needs, and what a machine gives."""

from __future__ import annotations

import pytest

from reconciler.server import capacity


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
def test_connections_of_a_tier(tier: str, connections: int) -> None:
    """Cloud SQL's defaults by memory; three are kept for superusers."""
    assert capacity.max_connections(tier) == connections
    assert capacity.usable_connections(tier) == connections - 3


@pytest.mark.parametrize("tier", ["db-n1-standard-1", "micro", "db-custom-1", ""])
def test_an_unknown_tier_is_an_error(tier: str) -> None:
    """A guess would be worse than none."""
    with pytest.raises(ValueError, match="unknown Cloud SQL tier"):
        capacity.max_connections(tier)


def test_connections_match_what_was_measured() -> None:
    """With a pool of 2 + 1 one worker held 8 under load at most; 2 workers with 3 + 1 held 18."""
    assert capacity.connections_per_instance(1, 2, 1) == 8
    assert capacity.connections_per_instance(2, 3, 1) == 18


def test_memory_is_never_less_than_what_was_measured() -> None:
    """Idle figures in MiB: one worker 246; the job runner took 1748 with one worker under MLflow's own command."""
    assert 246 <= capacity.idle_memory(1, job_runner=False) <= 260
    assert capacity.idle_memory(2, job_runner=False) >= 246 + 182
    assert capacity.idle_memory(1, job_runner=True) >= 246 + 1331 - 1


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
