"""What an organisation forbids of services and jobs: traffic from everywhere, and traffic past its network.

Both are lists of allowed values (`weather.constraints`). A service that is there already is held to them with its next
change.
"""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.weather.constraints import ALLOWED
from reconciler.sandbox.world import World

_INGRESS: Final = "run.allowedIngress"
_EGRESS: Final = "run.allowedVPCEgress"
_EGRESSES: Final = {"ALL_TRAFFIC": "all-traffic", "PRIVATE_RANGES_ONLY": "private-ranges-only"}
_INGRESSES: Final = {
    "INGRESS_TRAFFIC_ALL": "all",
    "INGRESS_TRAFFIC_INTERNAL_ONLY": "internal",
    "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER": "internal-and-cloud-load-balancing",
}


def check_ingress(world: World, attempt: str, body: Mapping[str, Any]) -> None:
    """Raise ApiError where the service, its defaults filled in, may be asked by everybody.

    *attempt* is the method by its RPC's name ("CreateService").
    """
    ingress = _INGRESSES.get(body["ingress"], "null")
    if world.conditions.forbids(_INGRESS) and ingress not in ALLOWED[_INGRESS]:
        value = "the default value all" if ingress == "all" else ingress
        raise _violated(_INGRESS, attempt, "ingress", value)


def check_egress(world: World, attempt: str, template: Mapping[str, Any]) -> None:
    """Raise ApiError where the *template*'s containers reach anything otherwise than through the network."""
    if world.conditions.forbids(_EGRESS):
        egress = _EGRESSES.get(template.get("vpcAccess", {}).get("egress", ""), "null")
        if egress not in ALLOWED[_EGRESS]:
            raise _violated(_EGRESS, attempt, "vpc-access-egress", egress)


def _violated(constraint: str, attempt: str, annotation: str, value: str) -> ApiError:
    where = f'for attempting {attempt} with annotation "run.googleapis.com/{annotation}" set to {value}'
    return ApiError(
        400, f"Constraint constraints/{constraint} violated {where}.", rpc_status="FAILED_PRECONDITION"
    )
