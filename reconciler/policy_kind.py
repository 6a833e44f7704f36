"""A kind whose resource is the IAM policy of another one: what the five of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment


@dataclass(frozen=True, slots=True)
class PolicyKind:
    """Fulfils `kind.Kind` for policies; additive, one field per grant.

    *wanted* says which policies and grants a spec asks for; *read* and *write* are the API's own verbs, without
    retries, on policies as JSON with their etag. *exists* tells for nothing whether there is anything to ask about.
    """

    name: str
    api: str
    wanted: Callable[[Deployment, Names], Iterable[Desired]]
    read: Callable[[Cloud, Ref], Mapping[str, Any]]
    write: Callable[[Cloud, Ref, policy.Policy], object]
    tells: bool = False
    exists: Callable[[Cloud, Ref], bool] = lambda _cloud, _ref: True

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The policies that *deployment* has grants in."""
        return self.wanted(deployment, names)

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Every grant in the policy; None when what it belongs to does not exist."""
        if not self.exists(cloud, ref):
            return None
        found = cloud.found(f"reading the policy of {ref.short}", lambda: self.read(cloud, ref))
        return (
            None
            if found is None
            else Observed(ref, policy.grants_of(found), version=str(found.get("etag", "")))
        )

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """What it belongs to has just been made, and has a policy already: add our grants."""
        self._merge(cloud, desired, desired.body or {})

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Merge the grants of *fields* into the policy."""
        del observed  # a policy is read anew for each write: its etag guards more than our own grants
        self._merge(cloud, desired, fields)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: a policy goes with what it belongs to."""

    def _merge(self, cloud: Cloud, desired: Desired, fields: Collection[str]) -> None:
        if not fields:
            return
        policy.rewrite(
            cloud,
            f"granting roles on {desired.ref.short}",
            {field: (desired.body or {}).get(field) for field in fields},
            lambda: self.read(cloud, desired.ref),
            lambda changed: self.write(cloud, desired.ref, changed),
        )
