"""IAM policies: read, merged and written with an etag, and asked who may do what.

Resources are named in full, without a host: "projects/p", "projects/p/secrets/s", "buckets/b",
"projects/p/serviceAccounts/x@p.iam.gserviceaccount.com". A role granted on a resource holds for what is below it.
A changed policy is shown at once; where the conditions say so, it takes effect some seconds later.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import policy_bindings, policy_members, roles
from reconciler.sandbox.iam.identities import ANONYMOUS, OPERATOR
from reconciler.sandbox.iam.policy_bindings import Binding
from reconciler.sandbox.iam.policy_conditions import holds
from reconciler.sandbox.iam.policy_resources import api_of, asked_about
from reconciler.sandbox.iam.questions import Questions
from reconciler.sandbox.store import Body, Store

KIND: Final = "policy"
HISTORY: Final = "policy.history"
"""Per resource: {"past": [[seconds since 1970, bindings], …]}, what was in effect before it changed."""
EMPTY_ETAG: Final = "ACAB"
_CUSTOM: Final = re.compile(r"(projects|organizations)/[^/]+/roles/[A-Za-z0-9_.]+")


@dataclass(frozen=True)
class Surroundings:
    """What policies need to know of the rest of the sandbox. The defaults are a world without surprises."""

    forbids: Callable[[str], bool] = lambda _: False
    """Whether an organisation policy constraint is enforced."""
    delay: Callable[[], float] = lambda: 0.0
    """Seconds until a changed policy takes effect."""
    number: Callable[[str], str] = lambda _: ""
    """The number of the project with an id or number; "" where it is none of this sandbox."""
    role_exists: Callable[[str], bool] = lambda _: True
    """Whether a custom role exists."""
    permissions: Callable[[str], Iterable[str]] = lambda _: ()
    """The permissions of a custom role."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


class Policies:
    """Every policy of the sandbox. *account_exists* says whether policies may name a service account's e-mail."""

    def __init__(
        self, store: Store, account_exists: Callable[[str], bool], around: Surroundings | None = None
    ) -> None:
        self._store = store
        self._account_exists = account_exists
        self._around = around or Surroundings()
        self.questions = Questions()
        self._last_etag = 0
        self._lock = threading.Lock()

    def get(self, resource: str, requested: int = policy_bindings.CONDITIONAL) -> Body:
        """The policy as an API answers it to a caller who knows version *requested*.

        `{"etag": "ACAB"}` where none was ever set.
        """
        policy = self._store.get(KIND, resource) or {"etag": EMPTY_ETAG}
        if requested >= policy_bindings.CONDITIONAL:
            return policy
        return policy_bindings.without_conditions(policy)

    def set(self, resource: str, policy: Mapping[str, Any], mask: str = "") -> Body:
        """Replace the policy, normalised; raises ApiError 409 on a stale etag, 400 on members or roles in error.

        Members that the policy had already are not looked at again. *mask* is the request's updateMask; without one
        audit settings stay as they are.
        """
        fields = [field for field in mask.replace(" ", "").split(",") if field] or ["bindings", "etag"]
        with self._store.transaction():
            current = self.get(resource)
            source = policy if "bindings" in fields else current
            bindings = policy_bindings.merged(cast("Sequence[Binding]", source.get("bindings", ())))
            sent = policy.get("etag")
            if sent and policy_bindings.plain_etag(sent) != policy_bindings.plain_etag(current["etag"]):
                raise policy_bindings.stale(sent, current["etag"])
            policy_bindings.check(bindings, policy, current)
            self._check(resource, bindings, _members(current))
            fresh: Body = {"version": policy_bindings.version(bindings), "etag": self._etag()}
            if bindings:
                fresh["bindings"] = bindings
            source = (
                policy if any(field in fields for field in ("auditConfigs", "audit_configs")) else current
            )
            if audit := source.get("auditConfigs"):
                fresh["auditConfigs"] = audit
            self._remember(resource, current, bindings)
            self._store.put(KIND, resource, fresh)
        return fresh

    def add(self, resource: str, role: str, member: str) -> None:
        """Grant *role* to *member*, as Google itself does when it makes an agent; nothing is validated."""
        with self._store.transaction():
            current = self.get(resource)
            before = current.get("bindings", [])
            bindings = policy_bindings.merged([*before, {"role": role, "members": [member]}])
            if bindings == before:
                return
            version = policy_bindings.version(bindings)
            fresh = {**current, "version": version, "etag": self._etag(), "bindings": bindings}
            self._store.put(KIND, resource, fresh)

    def forget(self, resource: str) -> None:
        """Drop the policy of a deleted resource, and of everything below it."""
        with self._store.transaction():
            for kind in (KIND, HISTORY):
                for name, _ in self._store.list(kind, resource):
                    if name == resource or name.startswith(resource + "/"):
                        self._store.delete(kind, name)

    def rename_member(self, old: str, new: str) -> None:
        """Replace a member in every policy: what happens when a service account is deleted or restored."""
        with self._store.transaction():
            for name, policy in self._store.list(KIND):
                changed = False
                for binding in policy.get("bindings", ()):
                    if old in binding["members"]:
                        binding["members"] = sorted({new if m == old else m for m in binding["members"]})
                        changed = True
                if changed:
                    self._store.put(KIND, name, {**policy, "etag": self._etag()})

    def allowed(
        self,
        caller: str,
        permission: str,
        resources: Iterable[str],
        about: str = "",
        attributes: Mapping[str, Any] | None = None,
    ) -> bool:
        """Whether *caller* holds *permission* on one of *resources* (the resource and what it lies in).

        The operator owns everything. Conditions are asked about *about*, else the first resource, about now, and
        about the request's *attributes*.
        """
        places = list(resources)
        granted = self._holds(caller, permission, places, about, attributes)
        self.questions.note(caller, permission, places, granted=granted)
        return granted

    def _holds(
        self,
        caller: str,
        permission: str,
        places: Sequence[str],
        about: str = "",
        attributes: Mapping[str, Any] | None = None,
    ) -> bool:
        if caller == OPERATOR and permission != roles.NOT_OWNED:
            return True
        if not places:
            return False
        names = self._names(caller, places)
        now = self._around.clock()
        asked = asked_about(about or places[0], self._around.number, now, attributes or {})
        return any(
            not names.isdisjoint(binding["members"])
            and ("condition" not in binding or holds(str(binding["condition"].get("expression", "")), asked))
            and self._grants(binding["role"], permission)
            for place in places
            for binding in self._effective(place)
        )

    def modified(self, resource: str, policy: Mapping[str, Any]) -> list[str]:
        """The roles of which *policy* would change who has them on *resource*."""
        before = policy_bindings.granted(self.get(resource).get("bindings", ()))
        after = policy_bindings.granted(policy.get("bindings", ()))
        return sorted({role for role, *_ in before ^ after})

    def teams(self, caller: str, project: str) -> set[str]:
        """The members of the project's basic roles that *caller* is one of: "projectEditor:p" and its like."""
        return {name for name in self._names(caller, [f"projects/{project}"]) if name.startswith("project")}

    def held(self, caller: str, permissions: Iterable[str], resources: Sequence[str]) -> dict[str, Any]:
        """The answer of testIamPermissions."""
        granted = [one for one in permissions if self._holds(caller, one, resources)]
        return {"permissions": granted} if granted else {}

    def _grants(self, role: str, permission: str) -> bool:
        if role.startswith("roles/"):
            return roles.grants(role, permission)
        return permission in self._around.permissions(role)

    def _names(self, caller: str, places: Sequence[str]) -> set[str]:
        """The names under which policies may know *caller*."""
        if caller == ANONYMOUS:
            return {caller, "allUsers"}
        names = {caller, "allUsers", "allAuthenticatedUsers"}
        if caller.startswith("user:"):
            names.add(f"domain:{caller.rpartition('@')[2]}")
        if caller.startswith("principal:"):
            names.update((self._store.get(policy_members.SETS, caller) or {"sets": ()})["sets"])
        for place in places:
            if place.startswith("projects/") and place.count("/") == 1:
                for binding in self._effective(place):
                    if binding["role"] in roles.BASIC and caller in binding["members"]:
                        names.add(f"{roles.BASIC[binding['role']]}:{place.removeprefix('projects/')}")
        return names

    def _effective(self, resource: str) -> list[Binding]:
        """The bindings that count now."""
        current: list[Binding] = self.get(resource).get("bindings", [])
        delay = self._around.delay()
        history = self._store.get(HISTORY, resource) if delay else None
        if history is None:
            return current
        seen_by = self._around.clock().timestamp() - delay
        # What was replaced only after that moment is what is still seen.
        return next((bindings for until, bindings in history["past"] if until > seen_by), current)

    def _remember(self, resource: str, current: Body, bindings: list[Binding]) -> None:
        delay, now = self._around.delay(), self._around.clock().timestamp()
        before = current.get("bindings", [])
        if not delay or before == bindings:
            return
        history = self._store.get(HISTORY, resource) or {"past": []}
        past = [one for one in history["past"] if one[0] > now - delay]
        self._store.put(HISTORY, resource, {"past": [*past, [now, before]]})

    def _check(self, resource: str, bindings: Sequence[Binding], known: frozenset[str]) -> None:
        fresh: dict[str, None] = {}
        for binding in bindings:
            self._check_role(str(binding["role"]))
            fresh.update(dict.fromkeys(member for member in binding["members"] if member not in known))
        for member in fresh:
            policy_members.check(member, self._account_exists)
        if self._around.forbids("iam.allowedPolicyMemberDomains"):
            strangers = [m for m in fresh if not policy_members.belongs(m, self._owns)]
            if strangers:
                raise policy_members.strangers(resource, api_of(resource), strangers)

    def _check_role(self, role: str) -> None:
        if not role.startswith("roles/") and _CUSTOM.fullmatch(role) is None:
            text = (
                'The role name must be in the form "roles/{role}", "organizations/{organization_id}/roles/{role}", '
                'or "projects/{project_id}/roles/{role}".'
            )
            raise ApiError(400, text)
        if not role.startswith("roles/") and not self._around.role_exists(role):
            raise ApiError(400, f"Role ({role}) does not exist in the resource's hierarchy.")
        if not roles.exists(role):
            raise ApiError(400, f"Role {role} is not supported for this resource.")

    def _owns(self, project: str) -> bool:
        return bool(self._around.number(project))

    def _etag(self) -> str:
        with self._lock:
            self._last_etag = max(self._last_etag + 1, time.time_ns() // 1000)
            return base64.b64encode(b"\x07" + self._last_etag.to_bytes(7, "big")).decode()


def _members(policy: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(member for binding in policy.get("bindings", ()) for member in binding["members"])
