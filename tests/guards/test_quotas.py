"""Quotas: what a plan takes, held against what is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.guards import quotas
from tests.guards.asking import Google, deployed, from_nothing

PRIVATE = "networking: {database_ip: private}\n"
CONNECTED = """\
networking:
  database_ip: private
  egress: connector
  connector: {min_instances: 2, max_instances: 3, machine_type: MACHINE}
"""


def left(**metrics: tuple[float, float]) -> dict[str, Any]:
    """An answer with usage and limit of *metrics*."""
    return {
        "quotas": [{"metric": name, "usage": used, "limit": most} for name, (used, most) in metrics.items()]
    }


def found(google: Google, folder: Path, text: str) -> list[str]:
    """What stands in the way of a deployment in an empty project."""
    plan = from_nothing(deployed(folder, text))
    return [one.says for question in quotas.questions(google.cloud(), plan.wanted) for one in question()]


@pytest.mark.parametrize(("used", "fits"), [(4999, True), (5000, False), (5001, False)])
def test_a_range_takes_one(tmp_path: Path, used: float, fits: bool) -> None:
    """Of the addresses that Compute Engine counts for the project."""
    google = Google({"get": left(GLOBAL_INTERNAL_ADDRESSES=(used, 5000))})
    said = found(google, tmp_path, PRIVATE)
    assert google.asked == [("get", {"project": "acme-ml"})]
    assert (said == []) is fits
    if not fits:
        assert "the quota GLOBAL_INTERNAL_ADDRESSES of acme-ml has 0 left" in said[0]
        assert f"takes 1 ({tmp_path}/mlflow.yaml:5 networking.database_ip)" in said[0]


MACHINES = [
    ("e2-micro", 2, True),
    ("e2-micro", 1, False),
    ("e2-standard-4", 8, True),
    ("e2-standard-4", 7, False),
]


@pytest.mark.parametrize(("machine", "free", "fits"), MACHINES)
def test_a_connector_takes_cpus_of_its_region(tmp_path: Path, machine: str, free: int, fits: bool) -> None:
    """A machine that shares a core counts for one at least."""
    google = Google({"get": left(GLOBAL_INTERNAL_ADDRESSES=(0, 1), CPUS=(24 - free, 24))})
    said = found(google, tmp_path, CONNECTED.replace("MACHINE", machine))
    assert ("get", {"project": "acme-ml", "region": "europe-west1"}) in google.asked
    assert (said == []) is fits
    assert fits or f"the quota CPUS of acme-ml in europe-west1 has {free} left" in said[0]


def test_nothing_that_is_counted_asks_for_nothing(tmp_path: Path) -> None:
    """A public database takes nothing of Compute Engine's."""
    google = Google()
    assert found(google, tmp_path, "") == []
    assert google.asked == []


def test_a_metric_that_is_not_told_is_left_to_google(tmp_path: Path) -> None:
    """No number, no refusal."""
    assert found(Google({"get": {}}), tmp_path, PRIVATE) == []


def test_only_our_own_apis_are_waited_for(tmp_path: Path) -> None:
    """In a host project nobody enables Compute Engine for us; in our own, this very run does."""
    google = Google({"get": errors.ApiDisabled("Compute Engine is disabled")})
    with pytest.raises(errors.ApiDisabled):
        found(google, tmp_path, PRIVATE)
    shared = (
        "networking: {database_ip: private, host_project: acme-net, network: shared, subnetwork: servers}\n"
    )
    assert found(google, tmp_path, shared) == []
    assert google.asked[-1] == ("get", {"project": "acme-net"})
