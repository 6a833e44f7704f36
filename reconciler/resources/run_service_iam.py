"""Who may call the service: everybody, where the server asks for the login itself; with IAM before it, invokers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Body, Desired, Ref
from reconciler.policy_kind import PolicyKind
from reconciler.resources import monitoring_uptime_check, run_service
from reconciler.server import alerts
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

TIMEOUT = 60
INVOKER = "roles/run.invoker"
EVERYBODY = policy.grant(INVOKER, "allUsers")
PUBLIC = "anyone on the internet reaches the server"
INVOKERS = "only invokers reach the server; others get 403"
IAP = "nobody reaches the server any more but through Google's login page, once that stands"

NAME: Final = "run.service_iam"


def _wanted(deployment: Deployment, names: Names) -> Iterable[Desired]:
    """`allUsers` where the server asks for the login itself; with IAM before it, the invokers of the spec."""
    auth = deployment.auth
    invokers = {policy.grant(INVOKER, member): policy.GRANTED for member in auth.invokers}
    prober = policy.grant(INVOKER, alerts.agent_member(names))
    probed = alerts.is_probed(deployment) and alerts.caller(deployment) == "agent"
    body: Body = {
        EVERYBODY: policy.GRANTED if auth.public else None,
        prober: policy.GRANTED if probed else None,
        **(invokers if auth.asks_iam else {}),
    }
    yield Desired(
        ref(names),
        body,
        # Google makes the agent with the first check that shows itself as it.
        needs=(run_service.ref(names), *((monitoring_uptime_check.ref(names),) if probed else ())),
        empties=True,
        opens=frozenset({EVERYBODY}),
        complete=(f"{INVOKER} ",) if auth.asks_iam and auth.exclusive else (),
        plain=(f"{INVOKER} ",),
        watched=(f"{INVOKER} ",) if auth.asks_iam and not auth.exclusive else (),
        effects={
            EVERYBODY: PUBLIC if auth.public else IAP if auth.mode == "iap" else INVOKERS,
            prober: "Google's uptime check may call the server, as an invoker may",
        },
        origins={
            "": deployment.origin("auth.mode"),
            **{field: deployment.origin("auth.invokers") for field in invokers},
            prober: deployment.origin("monitoring.uptime_minutes"),
        },
        part_of=run_service.ref(names),
    )


def ref(names: Names) -> Ref:
    """The policy of the deployment's service."""
    return Ref(NAME, names.service)


def read(cloud: Cloud, ref: Ref) -> dict[str, Any]:
    """The policy of the service that *ref* names, with its etag."""
    request = {"resource": ref.name, "options": {"requested_policy_version": 3}}
    return policy.from_message(
        cloud.run_services.get_iam_policy(request=request, retry=None, timeout=TIMEOUT)
    )


def write(cloud: Cloud, ref: Ref, changed: policy.Policy) -> object:
    """Write the policy of the service that *ref* names, on its etag."""
    request = {"resource": ref.name, "policy": policy.as_message(changed)}
    return cloud.run_services.set_iam_policy(request=request, retry=None, timeout=TIMEOUT)


SERVICE_IAM: Final = PolicyKind(NAME, "run.googleapis.com", _wanted, read, write)
"""`run.service_iam`: the policy of the service. Additive, but for `allUsers`, which the mode decides."""
