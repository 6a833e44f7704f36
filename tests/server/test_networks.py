"""Names in networks: what is given, what is made, and how long a name may be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.server import networks
from reconciler.server.naming import names_of
from reconciler.spec.deployment import Deployment

Deployed = Callable[[str], Deployment]
PRIVATE = "networking: {database_ip: private"


@pytest.mark.parametrize("name", ["ml", "mlflow-prod", "a-b-c-d-e-f-g-h-i-j-k-l-m", "m" * 24])
def test_a_connectors_name_is_one_that_every_page_of_googles_allows(deployed: Deployed, name: str) -> None:
    """At most 25 characters by the API's pattern, under 21 by the docs, which count hyphens twice."""
    deployment = replace(deployed(""), name=name)
    short = networks.connector(names_of(deployment, "1")).rpartition("/")[2]
    assert re.fullmatch(r"[a-z][-a-z0-9]{0,23}[a-z0-9]", short)
    assert len(short) + short.count("-") < 21


def test_two_deployments_share_no_connector_and_no_range(deployed: Deployed) -> None:
    """However alike their names begin, and in one host project, too."""
    first = replace(deployed(""), name="mlflow-production-a")
    others = [replace(first, name="mlflow-production-b"), replace(first, project="acme-other")]
    for other in others:
        assert networks.connector(names_of(first, "1")) != networks.connector(names_of(other, "1"))
        assert networks.own_range(first) != networks.own_range(other)


def test_a_range_has_room_for_the_longest_names(deployed: Deployed) -> None:
    """Compute Engine's names end at 63 characters."""
    deployment = replace(deployed(""), name="m" * 24, project="p" * 30)
    assert len(networks.range_name(deployment)) <= 63


def test_a_shared_network_lies_in_its_host_project(deployed: Deployed) -> None:
    """Network, subnet and range; and Google's agents that are let in are those of the deployment's own project."""
    deployment = deployed(f"{PRIVATE}, host_project: acme-net, network: shared, subnetwork: ml}}\n")
    assert networks.network(deployment) == "projects/acme-net/global/networks/shared"
    assert networks.subnetwork(deployment).startswith("projects/acme-net/regions/")
    assert networks.own_range(deployment).startswith("projects/acme-net/global/addresses/")
    (agent,) = networks.agents(deployment, "12345")
    assert agent == "service-12345@serverless-robot-prod.iam.gserviceaccount.com"


def test_the_subnet_is_named_like_the_network_unless_said(deployed: Deployed) -> None:
    """As in networks that make their subnets themselves."""
    assert networks.subnetwork(deployed(f"{PRIVATE}}}\n")).endswith("/subnetworks/default")


def test_a_range_that_is_named_is_used_as_it_is(deployed: Deployed) -> None:
    """Under its own name."""
    assert networks.range_name(deployed(f"{PRIVATE}, peering_range: theirs}}\n")) == "theirs"


@pytest.mark.parametrize(("instances", "needed"), [(1, 64), (28, 64), (100, 208)])
def test_a_subnet_has_room_for_two_revisions(deployed: Deployed, instances: int, needed: int) -> None:
    """And never less than Cloud Run takes."""
    deployment = deployed("")
    scaling = replace(deployment.scaling, max_instances=instances)
    assert networks.addresses_needed(replace(deployment, scaling=scaling)) == needed
