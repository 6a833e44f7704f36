"""Who may call the service. `none` and `basic` leave that to the server; `iam` lets only invokers through."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, ClassVar

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Body, Desired, Observed, Ref
from reconciler.resources import run_service
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

TIMEOUT = 60
INVOKER = "roles/run.invoker"
EVERYBODY = policy.grant(INVOKER, "allUsers")


class ServiceIam:
    """`run.service_iam`: the policy of the service. Additive, but for `allUsers`, which the mode decides."""

    name: ClassVar[str] = "run.service_iam"
    api: ClassVar[str] = "run.googleapis.com"
    tells: ClassVar[bool] = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """`allUsers` where the server asks for the login itself; otherwise the invokers of the spec."""
        auth = deployment.auth
        invokers = {policy.grant(INVOKER, member): policy.GRANTED for member in auth.invokers}
        public = auth.mode != "iam"
        body: Body = {EVERYBODY: policy.GRANTED if public else None, **({} if public else invokers)}
        effect = (
            "anyone on the internet reaches the server"
            if public
            else "only invokers reach the server; others get 403"
        )
        yield Desired(
            ref(names),
            body,
            needs=(run_service.ref(names),),
            empties=True,
            effects={EVERYBODY: effect},
            origins={
                "": deployment.origin("auth.mode"),
                **{field: deployment.origin("auth.invokers") for field in invokers},
            },
            part_of=run_service.ref(names),
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Every grant on the service; None when there is no such service."""
        found = cloud.found(f"reading the policy of service {ref.short}", lambda: _read(cloud, ref))
        return None if found is None else Observed(ref, policy.grants_of(found), version=str(found["etag"]))

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """A service always has a policy; this is reached when the service has just been made."""
        self._write(cloud, desired, desired.body or {})

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Merge the grants of *fields* into the policy."""
        self._write(cloud, desired, fields)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: the policy goes with its service."""

    def _write(self, cloud: Cloud, desired: Desired, fields: Collection[str]) -> None:
        def write(changed: policy.Policy) -> Any:
            request = {"resource": desired.ref.name, "policy": policy.as_message(changed)}
            return cloud.run_services.set_iam_policy(request=request, retry=None, timeout=TIMEOUT)

        wanted = policy.only(desired.body or {}, fields)
        about = f"granting roles on service {desired.ref.short}"
        policy.rewrite(cloud, about, wanted, lambda: _read(cloud, desired.ref), write)


def ref(names: Names) -> Ref:
    """The policy of the deployment's service."""
    return Ref(ServiceIam.name, names.service)


def _read(cloud: Cloud, ref: Ref) -> dict[str, Any]:
    request = {"resource": ref.name, "options": {"requested_policy_version": 3}}
    return policy.from_message(
        cloud.run_services.get_iam_policy(request=request, retry=None, timeout=TIMEOUT)
    )
