"""Service Networking: the private connection of a VPC network to Google's services.

There is one for each network, without a GET of its own: it is found in the list. Networks are named by their project's
number. Everything is checked in the operation, as recorded and as users report; the request itself is only parsed.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox import errors
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import agents
from reconciler.sandbox.networking import peering, vpc
from reconciler.sandbox.networking.peering import PEERING, SERVICE
from reconciler.sandbox.operations import CALLING, Busy
from reconciler.sandbox.world import Method, Request, World

API: Final = "servicenetworking"
VERSIONS: Final = ("v1",)
CREATE: Final = "servicenetworking.create"
PATCH: Final = "servicenetworking.patch"
DELETE: Final = "servicenetworking.delete"
TYPE: Final = "type.googleapis.com/google.cloud.servicenetworking.v1.Connection"
NEEDED: Final = "compute.globalAddresses.list"
"""What the API's agent needs in the network's project before anything else."""
_NETWORK: Final = re.compile(r"projects/(\d+)/global/networks/([a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)")


def methods(world: World) -> dict[str, Method]:
    """What of Service Networking is emulated."""
    for kind, work in ((CREATE, _do_create), (PATCH, _do_patch), (DELETE, _do_delete)):
        world.operations.register(kind, lambda arguments, _, work=work: work(world, arguments))
    return {
        "services.connections.list": lambda request: _list(world, request),
        "services.connections.create": lambda request: _create(world, request),
        "services.connections.patch": lambda request: _patch(world, request),
        "services.connections.deleteConnection": lambda request: _delete(world, request),
    }


def _list(world: World, request: Request) -> Mapping[str, Any]:
    _service(request, "parent", "-")
    network = _network(world, str(request.params.get("network", "")))
    if vpc.network(world, network) is None:
        raise ApiError(404, f"The resource '{network}' was not found")
    kept = peering.connection(world, network)
    if kept is None or not peering.connected(world, network):
        return {}
    return {"connections": [{**_shown(world, network, kept), "service": f"services/{SERVICE}"}]}


def _create(world: World, request: Request) -> Mapping[str, Any]:
    _service(request, "parent")
    return _start(world, CREATE, "pssn.p24", request.body.get("network", ""), _ranges(request))


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    _service(request, "name")
    mask = str(request.params.get("updateMask", "")).replace(
        "reserved_peering_ranges", "reservedPeeringRanges"
    )
    if mask not in ("", "*", "reservedPeeringRanges"):
        raise ApiError(400, f"Invalid update mask: {mask}. Only reserved_peering_ranges can be updated.")
    given = {**_ranges(request), "force": bool(request.params.get("force"))}
    return _start(world, PATCH, "pssn.p24", request.body.get("network", ""), given)


def _delete(world: World, request: Request) -> Mapping[str, Any]:
    _service(request, "name")
    return _start(world, DELETE, "dcf.p40", request.body.get("consumerNetwork", ""), {})


def _service(request: Request, parameter: str, *others: str) -> None:
    """Check the service and the connection in a name such as services/S/connections/C."""
    parts = str(request.params[parameter]).split("/")
    if parts[1] not in (SERVICE, *others):
        raise errors.not_emulated(request.http_method, request.path, f"connections to {parts[1]}")
    if len(parts) == 4 and parts[3] not in ("-", PEERING):
        raise ApiError(404, f"Connection {parts[3]} not found for service {parts[1]}.")


def _ranges(request: Request) -> dict[str, Any]:
    return {"ranges": list(request.body.get("reservedPeeringRanges", ()))}


def _network(world: World, sent: str) -> str:
    """ "projects/P/global/networks/n", by project id. The API itself takes the project's number alone."""
    found = _NETWORK.fullmatch(sent)
    known = world.projects.get(found[1]) if found else None
    if found is None or known is None:
        text = (
            f"Invalid network: '{sent}'. The network must be in the form of projects/{{project}}/global/networks/"
            "{network}, where {project} is a project number, as in '12345', and {network} is the network name."
        )
        raise ApiError(400, text)
    return f"projects/{known.project_id}/global/networks/{found[2]}"


def _start(
    world: World, kind: str, prefix: str, sent: str, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    network = _network(world, sent)
    name = f"operations/{prefix}-{sent.split('/')[1]}-{uuid.uuid4()}"
    slow = world.conditions.seconds(CALLING.get()[0]) > 0
    try:
        given = {**arguments, "network": network}
        return world.operations.start(kind, name, given, lock=f"peering/{network}" if slow else "")
    except Busy as error:
        # Compute Engine's words, as users report them; what Service Networking makes of them is not recorded.
        text = "There is a peering operation in progress on the local or peer network. Try again later."
        raise _precondition(text) from error


def _do_create(world: World, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    network, wanted = arguments["network"], arguments["ranges"]
    _check_network(world, network)
    kept = peering.connection(world, network)
    if kept is not None and wanted and set(wanted) != set(kept["reservedPeeringRanges"]):
        there = ", ".join(kept["reservedPeeringRanges"])
        raise _precondition(
            "Cannot modify allocated ranges in CreateConnection. Please use UpdateConnection.\n"
            f"Existing allocated IP ranges: [{there}]."
        )
    # "If the peering was disconnected on the consumer side, leaving this field empty restores the allocated ranges."
    return _connect(world, network, wanted or (kept or {}).get("reservedPeeringRanges", ()))


def _do_patch(world: World, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    network, wanted, force = arguments["network"], arguments["ranges"], arguments["force"]
    _check_network(world, network)
    kept = peering.connection(world, network)
    if not force and (kept is None or not peering.connected(world, network)):
        raise _precondition("There is no connection to update. Please use CreateConnection, or force.")
    if not force and kept is not None and not set(kept["reservedPeeringRanges"]) <= set(wanted):
        raise _precondition("Removing allocated IP ranges from a connection requires force.")
    return _connect(world, network, wanted)


def _connect(world: World, network: str, ranges: Sequence[str]) -> Mapping[str, Any]:
    if not ranges:
        raise _precondition("At least one allocated IP range must be given.")
    for name in ranges:
        if vpc.reserved_range(world, network, name) is None:
            raise _precondition(f"allocated IP range '{name}' not found in network")
    kept = peering.connect(world, network, ranges)
    return {"@type": TYPE, **_shown(world, network, kept)}


def _do_delete(world: World, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    network = arguments["network"]
    _check_network(world, network)
    if peering.connection(world, network) is None:
        raise ApiError(404, f"There is no connection of {network} to {SERVICE}.")
    if peering.in_use(world, network):
        raise _precondition(
            "Failed to delete connection; Producer services (e.g. CloudSQL, Cloud Memstore, etc.) are still using this "
            "connection.",
            "FLOW_SN_DC_RESOURCE_PREVENTING_DELETE_CONNECTION",
        )
    peering.disconnect(world, network)
    return {"@type": "type.googleapis.com/google.protobuf.Empty"}


def _check_network(world: World, network: str) -> None:
    """The network is there, and the API's own agent may look at it: the role that it was given can be taken away."""
    project = network.split("/")[1]
    if vpc.network(world, network) is None:
        raise ApiError(404, f"The resource '{network}' was not found")
    number = _number(world, project)
    agent = agents.at_work(world.store, world.policies, project, number, SERVICE)
    if not world.policies.allowed(agent, NEEDED, [f"projects/{project}"]):
        raise ApiError(403, f"Required '{NEEDED}' permission for 'projects/{number}'")


def _shown(world: World, network: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    _, project, _, _, short = network.split("/")
    return {
        "network": f"projects/{_number(world, project)}/global/networks/{short}",
        "peering": PEERING,
        "reservedPeeringRanges": kept["reservedPeeringRanges"],
    }


def _number(world: World, project: str) -> str:
    known = world.projects.get(project)
    return known.number if known else project


def _precondition(text: str, reason: str = "") -> ApiError:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": SERVICE,
    }
    return ApiError(400, text, rpc_status="FAILED_PRECONDITION", details=[info] if reason else [])
