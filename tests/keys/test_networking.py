"""How the server and its database are reached: every key on a live deployment."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.keys.live import Case, Live, keys_of, living, prove
from tests.sandbox.calls import new_project

HOST = "mlflow-keys-NUMBER.europe-west1.run.app"
SERVICE, JOB = "~ run.service/mlflow-keys template", "~ run.job/mlflow-keys-migrate template.template"
SUBNETS = "projects/every-key/regions/europe-west1/subnetworks"
CONNECTOR = "projects/every-key/locations/europe-west1/connectors/mlflowkeys-2a3b44"
ENABLED = "~ serviceusage.services/services"


def _both(field: str, change: str) -> tuple[str, str]:
    """The service and the job go the same way."""
    return (f"{SERVICE}.vpcAccess.{field}: {change}", f"{JOB}.vpcAccess.{field}: {change}")


def _hosts(prefix: str) -> str:
    return f"{prefix}{HOST} -> {prefix}{HOST},{prefix}mlflow.acme.example"


CASES = {
    "networking.database_ip": Case(
        "private",
        (
            "+ compute.address/every-key-mlflow-keys-range",
            "+ servicenetworking.connection/every-key-mlflow-keys-range",
            "~ compute.network/default",
            "~ compute.subnetwork/default addresses: None -> 64",
            "~ compute.subnetwork/default network: None -> projects/every-key/global/networks/default",
            f"{ENABLED} compute.googleapis.com: DISABLED -> ENABLED",
            f"{ENABLED} servicenetworking.googleapis.com: DISABLED -> ENABLED",
            "~ sqladmin.instance/mlflow-keys settings.ipConfiguration.privateNetwork: "
            "None -> projects/every-key/global/networks/default",
            "~ sqladmin.public_address/mlflow-keys settings.ipConfiguration.ipv4Enabled: True -> False",
            *_both("egress", "None -> PRIVATE_RANGES_ONLY"),
            *_both("networkInterfaces", f"None -> {SUBNETS}/default"),
        ),
    ),
    "networking.egress": Case(
        "connector",
        (
            "+ vpcaccess.connector/mlflowkeys-2a3b44",
            f"{ENABLED} vpcaccess.googleapis.com: DISABLED -> ENABLED",
            *_both("connector", f"None -> {CONNECTOR}"),
            *_both("networkInterfaces", f"{SUBNETS}/default -> None"),
        ),
    ),
    "networking.vpc_egress": Case("all-traffic", _both("egress", "PRIVATE_RANGES_ONLY -> ALL_TRAFFIC")),
    "networking.network": Case(
        "nowhere", refused="projects/every-key/global/networks/nowhere does not exist"
    ),
    "networking.subnetwork": Case(
        "other",
        _both("networkInterfaces", f"{SUBNETS}/default -> {SUBNETS}/other"),
        given={"networking.egress": "direct", "networking.vpc_egress": "private-ranges-only"},
    ),
    "networking.host_project": Case(
        "host-project",
        refused="projects/host-project/regions/europe-west1/subnetworks/other does not exist",
    ),
    "networking.peering_range": Case("mine", ("+ servicenetworking.connection/mine",)),
    "networking.peering_prefix_length": Case(
        22,
        refused="prefixLength cannot change on a live resource",
        given={"networking.peering_range": ""},
    ),
    "networking.connector.range": Case(
        "10.9.0.0/28",
        refused="ipCidrRange cannot change on a live resource",
        given={"networking.egress": "connector", "networking.subnetwork": ""},
    ),
    "networking.connector.subnetwork": Case("small", refused="subnet.name"),
    "networking.connector.machine_type": Case(
        "e2-standard-4", ("~ vpcaccess.connector/mlflowkeys-2a3b44 machineType: e2-micro -> e2-standard-4",)
    ),
    "networking.connector.min_instances": Case(
        4,
        ("~ vpcaccess.connector/mlflowkeys-2a3b44 minInstances: 2 -> 4",),
        given={"networking.connector.max_instances": 5},
    ),
    "networking.connector.max_instances": Case(
        6, ("~ vpcaccess.connector/mlflowkeys-2a3b44 maxInstances: 5 -> 6",)
    ),
    "networking.allowed_hosts": Case(
        ["mlflow.acme.example"],
        (
            f"{SERVICE}.containers.env.MLFLOW_SERVER_ALLOWED_HOSTS: {_hosts('')}",
            f"{SERVICE}.containers.env.MLFLOW_SERVER_CORS_ALLOWED_ORIGINS: {_hosts('https://')}",
        ),
    ),
    "networking.ingress": Case(
        "internal",
        ("~ run.service/mlflow-keys ingress: INGRESS_TRAFFIC_ALL -> INGRESS_TRAFFIC_INTERNAL_ONLY",),
    ),
}


@pytest.fixture(scope="module", name="live")
def _live(tmp_path_factory: pytest.TempPathFactory) -> Generator[Live]:
    with living(tmp_path_factory.mktemp("networking"), mlflow=False) as live:
        yield live


@pytest.mark.parametrize("key", keys_of("networking"))
def test_a_key_changes_exactly_what_it_says(live: Live, key: str) -> None:
    """Applied, it leaves nothing to say; applied again, nothing is written."""
    if key == "networking.subnetwork":
        _make_networks(live)
    prove(live, key, CASES)


def _make_networks(live: Live) -> None:
    """What belongs to others and may be named: a subnet, a range for Google's services, a host project."""
    own, base = new_project(live.port, project="every-key"), "/compute/v1/projects/every-key"
    network = f"{base.removeprefix('/compute/v1/')}/global/networks/default"
    for place, body in {
        "regions/europe-west1/subnetworks": {
            "name": "other",
            "network": network,
            "ipCidrRange": "10.77.0.0/24",
        },
        "global/addresses": {
            "name": "mine",
            "network": network,
            "purpose": "VPC_PEERING",
            "addressType": "INTERNAL",
            "prefixLength": 20,
        },
    }.items():
        own.ok("POST", f"{base}/{place}", body)
    new_project(live.port, "compute", "servicenetworking", project="host-project")
