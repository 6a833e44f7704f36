"""What a deployment costs while nobody uses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.server.prices import TIER_2_REGIONS, monthly_estimate
from reconciler.spec.deployment import Deployment
from reconciler.spec.regions import REGIONS

Deployed = Callable[[str], Deployment]


def item(deployment: Deployment, name: str) -> float:
    """The price of the item that begins with *name*."""
    return next(price for item, price in monthly_estimate(deployment) if item.startswith(name))


@pytest.mark.parametrize(
    ("database", "price"),
    [
        ("tier: db-f1-micro", 7.67),
        ("tier: db-g1-small", 25.55),
        ("tier: db-custom-1-3840", 49.31),
        ("tier: db-custom-2-7680", 98.62),
        ("tier: db-perf-optimized-N-2, edition: enterprise-plus", 184.68),
    ],
)
def test_the_databases_machine(deployed: Deployed, database: str, price: float) -> None:
    """List prices: the first two as Google prints them, the others from vCPUs and memory."""
    assert item(deployed(f"database: {{{database}}}\n"), "Cloud SQL db-") == price


def test_a_small_server_at_rest(deployed: Deployed) -> None:
    """Nothing runs, so only what is kept costs: largest first, nothing at 0."""
    assert monthly_estimate(deployed("")) == [
        ("Cloud SQL db-f1-micro", 7.67),
        ("Cloud SQL disk, 10 GB", 1.7),
        ("Cloud SQL backups, 7 kept", 0.8),
        ("Artifact Registry, 5 images", 0.2),
        ("Secret Manager", 0.12),
    ]


def test_warm_instances_cost_by_cpu_memory_and_billing(deployed: Deployed) -> None:
    """One idle vCPU with 1 GiB for 730 hours; always on it is dearer, and dearer still in some regions."""
    assert item(deployed("scaling: {min_instances: 1}\n"), "Cloud Run") == 13.14
    always_on = deployed("scaling: {min_instances: 1, cpu_always_on: true}\n")
    assert item(always_on, "Cloud Run") == 52.56
    assert item(replace(always_on, region="europe-west3"), "Cloud Run") == 63.07
    assert item(deployed("scaling: {min_instances: 2}\nmemory: 2Gi\n"), "Cloud Run") == 39.42


def test_what_is_off_costs_nothing(deployed: Deployed) -> None:
    """No backups, a given image, no login: none of them is listed."""
    digest = f"gcr.io/acme-ml/mlflow@sha256:{'0' * 64}"
    text = f"database: {{backups: {{enabled: false}}}}\nimage: {{digest: '{digest}'}}\n"
    names = [name for name, _ in monthly_estimate(deployed(text))]
    assert names == ["Cloud SQL db-f1-micro", "Cloud SQL disk, 10 GB", "Secret Manager"]


def test_price_groups_are_of_regions_that_exist() -> None:
    """A region that is misspelt there would silently be cheap."""
    assert TIER_2_REGIONS < REGIONS


@pytest.mark.parametrize(("machine", "price"), [("e2-micro", 12.23), ("e2-standard-4", 195.67)])
def test_the_connectors_machines_always_run(deployed: Deployed, machine: str, price: float) -> None:
    """As many as there are at least; with direct egress there are none."""
    private = f"database_ip: private, connector: {{machine_type: {machine}}}"
    assert item(deployed(f"networking: {{{private}, egress: connector}}\n"), "VPC connector") == price
    direct = monthly_estimate(deployed(f"networking: {{{private}}}\n"))
    assert [name for name, _ in direct if name.startswith("VPC connector")] == []
