"""Identity-Aware Proxy's own account, and its right to call the service: what passes the login goes on in its name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from reconciler.gcp import operations, policy, retries
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Ref
from reconciler.policy_kind import PolicyKind
from reconciler.resources import run_service, run_service_iam, serviceusage_services
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

NAME: Final = "iap.service_agent"
API: Final = serviceusage_services.IAP
PASSES = "who passes Google's login page reaches the server"
STOPS = "nobody reaches the server through Google's login page any more"


def _wanted(deployment: Deployment, names: Names) -> Iterable[Desired]:
    """The right to call the service while the login page stands before it, and not a moment longer."""
    wanted = deployment.auth.mode == "iap"
    field = policy.grant(run_service_iam.INVOKER, names.iap_agent_member)
    yield Desired(
        ref(names),
        {field: policy.GRANTED if wanted else None},
        needs=(run_service.ref(names),),
        empties=True,
        effects={field: PASSES if wanted else STOPS},
        origins={"": deployment.origin("auth.mode")},
        part_of=run_service.ref(names),
    )


def ref(names: Names) -> Ref:
    """The agent, as far as it is about the deployment's service."""
    return Ref(NAME, names.service)


def _write(cloud: Cloud, ref: Ref, changed: policy.Policy) -> object:
    """A policy cannot name an account that Google has not made yet, and enabling the API does not make this one."""
    if any("@gcp-sa-iap." in grant for grant in policy.grants_of(changed)):
        _make(cloud)
    return run_service_iam.write(cloud, ref, changed)


def _make(cloud: Cloud) -> None:
    usage = cloud.api("serviceusage", "v1beta1")
    about = "making the account of Identity-Aware Proxy"
    request = usage.services().generateServiceIdentity(parent=f"projects/{cloud.project}/services/{API}")
    operation = cloud.call(about, request.execute, retries.ENABLING)

    def look(name: str) -> Any:
        return usage.operations().get(name=name).execute()

    operations.await_operation(cloud, about, operations.SHORT, operation, look, lambda _running: "making it")


SERVICE_AGENT: Final = PolicyKind(NAME, API, _wanted, run_service_iam.read, _write)
"""`iap.service_agent`: one grant in the policy of the service."""
