"""Who passes the login page of Identity-Aware Proxy: the policy of the service as IAP knows it. Additive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Ref
from reconciler.policy_kind import PolicyKind
from reconciler.resources import iap_service_agent, run_service
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

NAME: Final = "iap.web_iam"
ACCESSOR: Final = "roles/iap.httpsResourceAccessor"
PASSES = "passes Google's login page, or gets in with a token"


def _wanted(deployment: Deployment, names: Names) -> Iterable[Desired]:
    """The accessors of the spec. Without mode iap nobody asks this policy, so what stands in it is left alone."""
    auth = deployment.auth
    if auth.mode != "iap":
        return
    accessors = {policy.grant(ACCESSOR, member): policy.GRANTED for member in auth.accessors}
    yield Desired(
        ref(names),
        accessors,
        needs=(run_service.ref(names),),
        empties=True,
        complete=(f"{ACCESSOR} ",) if auth.exclusive else (),
        plain=(f"{ACCESSOR} ",),
        watched=() if auth.exclusive else (f"{ACCESSOR} ",),
        effects=dict.fromkeys(accessors, PASSES),
        origins={"": deployment.origin("auth.accessors")},
        part_of=run_service.ref(names),
    )


def ref(names: Names) -> Ref:
    """The policy of the deployment's service at Identity-Aware Proxy."""
    return Ref(NAME, names.iap_web)


def _read(cloud: Cloud, ref: Ref) -> dict[str, Any]:
    body = {"options": {"requestedPolicyVersion": 3}}
    return cloud.api("iap", "v1").v1().getIamPolicy(resource=ref.name, body=body).execute()


def _write(cloud: Cloud, ref: Ref, changed: policy.Policy) -> object:
    return cloud.api("iap", "v1").v1().setIamPolicy(resource=ref.name, body={"policy": changed}).execute()


WEB_IAM: Final = PolicyKind(NAME, iap_service_agent.API, _wanted, _read, _write)
"""`iap.web_iam`: the policy that Identity-Aware Proxy asks."""
