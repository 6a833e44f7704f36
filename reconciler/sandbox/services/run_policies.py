"""What an organisation forbids of services and jobs: traffic from everywhere, and traffic past its network.

On Google Cloud both are lists of allowed values. Here `run.allowedIngress` allows "internal" and
"internal-and-cloud-load-balancing", and `run.allowedVPCEgress` allows "all-traffic": what an organisation writes that
wants its services unseen. A service that is there already is held to them with its next change.
"""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.world import World

_INGRESS: Final = "run.allowedIngress"
_EGRESS: Final = "run.allowedVPCEgress"
_WORDS: Final = {"ALL_TRAFFIC": "all-traffic", "PRIVATE_RANGES_ONLY": "private-ranges-only"}


def check_ingress(world: World, attempt: str, body: Mapping[str, Any]) -> None:
    """Raise ApiError where the service, its defaults filled in, may be asked by everybody.

    *attempt* is the method by its RPC's name ("CreateService").
    """
    if world.conditions.forbids(_INGRESS) and body["ingress"] == "INGRESS_TRAFFIC_ALL":
        raise _violated(_INGRESS, attempt, "ingress", "the default value all")


def check_egress(world: World, attempt: str, template: Mapping[str, Any]) -> None:
    """Raise ApiError where the *template*'s containers reach anything otherwise than through the network."""
    if world.conditions.forbids(_EGRESS):
        egress = template.get("vpcAccess", {}).get("egress", "")
        if egress != "ALL_TRAFFIC":
            raise _violated(_EGRESS, attempt, "vpc-access-egress", _WORDS.get(egress, "null"))


def _violated(constraint: str, attempt: str, annotation: str, value: str) -> ApiError:
    where = f'for attempting {attempt} with annotation "run.googleapis.com/{annotation}" set to {value}'
    return ApiError(
        400, f"Constraint constraints/{constraint} violated {where}.", rpc_status="FAILED_PRECONDITION"
    )
