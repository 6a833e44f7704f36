"""Rules about networks: where a connector fits, which keys mean something together, who still reaches the server."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv4Network

from reconciler.server import networks
from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Problem

BELOW = "networking."
MOST_MACHINES = 10
PRIVATE_ONLY = (
    "egress",
    "vpc_egress",
    "network",
    "subnetwork",
    "host_project",
    "peering_range",
    "peering_prefix_length",
)
"""What means something with a private database alone, like everything below `connector`."""
CONNECTOR = ("range", "subnetwork", "machine_type", "min_instances", "max_instances")
REACHABLE = tuple(
    IPv4Network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "198.18.0.0/15",
    )
)
"""Of the ranges that a subnet may have, those that are nobody's on the internet."""


def connector_grows(deployment: Deployment) -> Iterator[Problem]:
    """Google asks for more machines at most than at least."""
    connector = deployment.networking.connector
    least, most = connector.min_instances, connector.max_instances
    if least >= most:
        keys = (f"{BELOW}connector.min_instances", f"{BELOW}connector.max_instances")
        ways = (f"min_instances: {most - 1}", f"max_instances: {min(MOST_MACHINES, least + 1)}")
        yield Problem(keys, f"{least} is not less than max_instances ({most})", ways)


def connector_has_a_place(deployment: Deployment) -> Iterator[Problem]:
    """A range begins where a /28 begins, and is private; in another project's network only a subnet will do."""
    networking, key = deployment.networking, f"{BELOW}connector.range"
    connector = networking.connector
    if connector.subnetwork:
        if key in deployment.origins:
            message = "means nothing beside a subnetwork, whose range the connector takes"
            yield Problem((key, f"{BELOW}connector.subnetwork"), message, ("remove it",), "warning")
        return
    if networks.connected(deployment) and networking.host_project:
        message = (
            f"a connector gets into a network of another project ({networking.host_project}) only by a subnet"
        )
        ways = ("connector.subnetwork: a /28 subnet of that network", "egress: direct")
        keys = (f"{BELOW}connector.subnetwork", f"{BELOW}host_project")
        yield Problem(keys, message, ways)
        return
    try:
        begins = IPv4Interface(connector.range).network
    except ValueError:
        message = (
            f"{connector.range} is no range of addresses: four numbers up to 255, none with a zero in front"
        )
        yield Problem((key,), message, ("write it as in 10.8.0.0/28",))
        return
    if str(begins) != connector.range:
        message = f"{connector.range} lies inside {begins}: a /28 begins at a multiple of 16"
        yield Problem((key,), message, (f"did you mean {begins}?",))
    elif not any(begins.subnet_of(private) for private in REACHABLE):
        message = f"{connector.range} is part of the internet"
        yield Problem((key,), message, ("choose one below 10.0.0.0/8, as in 10.8.0.0/28",))


def keys_mean_something(deployment: Deployment) -> Iterator[Problem]:
    """What stands in the spec and changes nothing is probably meant to change something."""
    networking = deployment.networking
    if not networking.private:
        for key in _standing(deployment, (*PRIVATE_ONLY, *(f"connector.{one}" for one in CONNECTOR))):
            yield _idle(key, "database_ip", "public", ("database_ip: private", "remove it"))
    elif networking.egress == "direct":
        for key in _standing(deployment, tuple(f"connector.{one}" for one in CONNECTOR)):
            yield _idle(key, "egress", "direct", ("egress: connector", "remove it"))
    elif networking.subnetwork:
        ways = ("connector.subnetwork, for a /28 of its own", "remove it")
        yield _idle(f"{BELOW}subnetwork", "egress", "connector", ways)
    if networking.private and networking.peering_range:
        for key in _standing(deployment, ("peering_prefix_length",)):
            yield _idle(key, "peering_range", networking.peering_range, ("remove it",))


def _standing(deployment: Deployment, keys: tuple[str, ...]) -> Iterator[str]:
    """Those of *keys* that stand in the spec and say something."""
    empty = {
        key
        for key, value in (
            ("subnetwork", deployment.networking.subnetwork),
            ("host_project", deployment.networking.host_project),
            ("peering_range", deployment.networking.peering_range),
            ("connector.subnetwork", deployment.networking.connector.subnetwork),
        )
        if not value
    }
    for key in keys:
        if key not in empty and f"{BELOW}{key}" in deployment.origins:
            yield f"{BELOW}{key}"


def _idle(key: str, other: str, value: str, ways: tuple[str, ...]) -> Problem:
    return Problem((key, f"{BELOW}{other}"), f"means nothing with {other}: {value}", ways, "warning")


def ingress_lets_users_in(deployment: Deployment) -> Iterator[Problem]:
    """Who is turned away at the door does not come to the login."""
    ingress, key = deployment.networking.ingress, f"{BELOW}ingress"
    if ingress == "all":
        return
    if deployment.auth.mode in {"iap", "oidc"} and ingress == "internal":
        message = (
            "internal sends browsers away with 404 unless they come through the project's networks (VPN, "
            f"Interconnect), and logging in with {deployment.auth.mode} takes a browser"
        )
        ways = ("ingress: all, with the login in front", "ingress: internal-and-load-balancer")
        yield Problem((key, "auth.mode"), message, ways, "warning")
    if ingress == "internal-and-load-balancer" and not deployment.networking.allowed_hosts:
        message = "MLflow answers 403 to what comes under a load balancer's own name"
        ways = ("list that name in networking.allowed_hosts", "ingress: internal")
        yield Problem((key, f"{BELOW}allowed_hosts"), message, ways, "warning")


RULES = (connector_grows, connector_has_a_place, keys_mean_something, ingress_lets_users_in)
