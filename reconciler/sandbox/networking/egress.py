"""How what runs in Cloud Run reaches a VPC network: through a connector, or from a subnetwork (direct VPC egress)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.iam import run_agent
from reconciler.sandbox.networking import vpc
from reconciler.sandbox.world import World

CONNECTOR: Final = "vpcaccess.connector"
"""The store's kind of a connector, by "projects/P/locations/R/connectors/NAME"."""
_SERVICE: Final = "run.service"
_REVISION: Final = "run.revision"
_JOB: Final = "run.job"


class Unreachable(Exception):
    """A template asks for a way into a network that is not there; the text is what Cloud Run says of it."""


def findings(access: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """What is wrong with a template's `vpcAccess` as it stands: (field, sentence) pairs."""
    if access is None:
        return
    interfaces: Sequence[Mapping[str, Any]] = access.get("networkInterfaces", ())
    if bool(access.get("connector")) == bool(interfaces):
        yield "connector", "one and only one of connector and network_interfaces must be set."
    elif len(interfaces) > 1:
        yield "network_interfaces", "only one network interface can be set."
    elif interfaces and not (interfaces[0].get("network") or interfaces[0].get("subnetwork")):
        yield "network_interfaces[0]", "at least one of network and subnetwork must be set."


def network_of(world: World, project: str, region: str, access: Mapping[str, Any]) -> str:
    """The full name of the network that a template's `vpcAccess` leads into; "" where it asks for none.

    Raises Unreachable.
    """
    if connector := access.get("connector"):
        return _through_connector(world, project, connector_name(world, project, region, connector), region)
    interfaces: Sequence[Mapping[str, Any]] = access.get("networkInterfaces", ())
    return _from_subnetwork(world, project, region, interfaces[0]) if interfaces else ""


def connector_name(world: World, project: str, region: str, reference: str) -> str:
    """The full name of a connector, by project id; a short name is one of the same project and region."""
    parts = reference.split("/")
    if len(parts) == 1:
        return f"projects/{project}/locations/{region}/connectors/{reference}"
    known = world.projects.get(parts[1])
    return "/".join(["projects", known.project_id if known else parts[1], *parts[2:]])


def users_of(world: World, connector: str) -> list[str]:
    """The full names of the services, with a revision that serves or is the latest, and jobs that use *connector*."""
    _, project, _, region, _, _ = connector.split("/")
    prefix = f"projects/{project}/locations/{region}/"
    found: list[str] = []
    for name, templates in (*_services(world, prefix), *_jobs(world, prefix)):
        used = [template.get("vpcAccess", {}).get("connector", "") for template in templates]
        if connector in [connector_name(world, project, region, one) for one in used if one]:
            found.append(name)
    return found


def _through_connector(world: World, project: str, name: str, region: str) -> str:
    connector = world.store.get(CONNECTOR, name)
    usable = run_agent.may(world, project, "vpcaccess.connectors.get", name)
    if connector is None or name.split("/")[3] != region or not usable:
        raise Unreachable(
            f"VPC connector {name} does not exist, or Cloud Run does not have permission to use it."
        )
    if connector["state"] not in ("READY", "UPDATING"):
        raise Unreachable(f"VPC connector {name} is not ready: its state is {connector['state']}.")
    return network_of_connector(world, connector)


def network_of_connector(world: World, connector: Mapping[str, Any]) -> str:
    """The full name of the network that a connector lies in; "" where its subnetwork is gone."""
    project = connector["name"].split("/")[1]
    if "network" in connector:
        return vpc.full_name(world, project, "global/networks", connector["network"])
    found = vpc.subnetwork(world, subnetwork_of(world, connector))
    return vpc.full_name(world, project, "global/networks", found["network"]) if found else ""


def subnetwork_of(world: World, connector: Mapping[str, Any]) -> str:
    """The full name of the subnetwork that a connector was given."""
    _, project, _, region, _, _ = connector["name"].split("/")
    owner = connector["subnet"].get("projectId") or project
    return vpc.full_name(world, owner, f"regions/{region}/subnetworks", connector["subnet"]["name"])


def _from_subnetwork(world: World, project: str, region: str, interface: Mapping[str, Any]) -> str:
    """Where one of the two is given, the other one has the same name, or is the subnetwork's own."""
    reference = interface.get("subnetwork") or str(interface.get("network", "")).rsplit("/", 1)[-1]
    name = vpc.full_name(world, project, f"regions/{region}/subnetworks", reference)
    found = vpc.subnetwork(world, name)
    usable = run_agent.may(world, project, "compute.subnetworks.use", name)
    if found is None or name.split("/")[3] != region or not usable:
        raise Unreachable(
            f"VPC subnetwork {name} does not exist, or Cloud Run does not have permission to use it."
        )
    network = vpc.full_name(world, project, "global/networks", found["network"])
    asked = interface.get("network")
    if asked and vpc.full_name(world, project, "global/networks", asked) != network:
        raise Unreachable(f"VPC subnetwork {name} is not in the network {asked}.")
    return network


def _services(world: World, prefix: str) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    for name, stored in world.store.list(_SERVICE, f"{prefix}services/"):
        service = stored["resource"]
        targets = [*service.get("traffic", ()), *service.get("trafficStatuses", ())]
        needed = {f"{name}/revisions/{target['revision']}" for target in targets if target.get("revision")}
        needed |= {service.get("latestReadyRevision", ""), service.get("latestCreatedRevision", "")}
        revisions = [world.store.get(_REVISION, revision) for revision in needed if revision]
        yield name, [revision["resource"] for revision in revisions if revision]


def _jobs(world: World, prefix: str) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    for name, job in world.store.list(_JOB, f"{prefix}jobs/"):
        yield name, [job["template"]["template"]]
