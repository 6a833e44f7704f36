"""Instances, memory and CPU: every key on a live deployment."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.keys.live import Case, Live, keys_of, living, prove

TEMPLATE = "~ run.service/mlflow-keys template"
CASES = {
    "scaling.min_instances": Case(1, (f"{TEMPLATE}.scaling.minInstanceCount: 0 -> 1",)),
    "scaling.max_instances": Case(2, (f"{TEMPLATE}.scaling.maxInstanceCount: 1 -> 2",)),
    "scaling.concurrency": Case(20, (f"{TEMPLATE}.maxInstanceRequestConcurrency: 40 -> 20",)),
    "scaling.timeout": Case(900, (f"{TEMPLATE}.timeout: 3600s -> 900s",)),
    "scaling.cpu_always_on": Case(True, (f"{TEMPLATE}.containers.resources.cpuIdle: True -> False",)),
    "scaling.startup_boost": Case(
        False, (f"{TEMPLATE}.containers.resources.startupCpuBoost: True -> False",)
    ),
    "memory": Case("2Gi", (f"{TEMPLATE}.containers.resources.limits.memory: 1Gi -> 2Gi",)),
    "cpu": Case("2", (f"{TEMPLATE}.containers.resources.limits.cpu: 1 -> 2",)),
}


@pytest.fixture(scope="module", name="live")
def _live(tmp_path_factory: pytest.TempPathFactory) -> Generator[Live]:
    with living(tmp_path_factory.mktemp("size")) as live:
        yield live


@pytest.mark.parametrize("key", keys_of("scaling", "memory", "cpu"))
def test_a_key_changes_exactly_what_it_says(live: Live, key: str) -> None:
    """Applied, it leaves nothing to say; applied again, nothing is written."""
    prove(live, key, CASES)
