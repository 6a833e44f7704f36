"""IAM policies: read, merged and written with an etag, and asked who may do what.

Resources are named in full, without a host: "projects/p", "projects/p/secrets/s", "buckets/b",
"projects/p/serviceAccounts/x@p.iam.gserviceaccount.com". A role granted on a resource holds for what is below it.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from reconciler.sandbox import roles
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.identities import ANONYMOUS, OPERATOR
from reconciler.sandbox.questions import Questions
from reconciler.sandbox.store import Body, Store

KIND: Final = "policy"
EMPTY_ETAG: Final = "ACAB"
Binding = dict[str, Any]
_TYPES: Final = (
    "user",
    "serviceAccount",
    "group",
    "domain",
    "projectOwner",
    "projectEditor",
    "projectViewer",
)
_AGENT: Final = re.compile(
    r"serviceAccount:(service-\d+@[a-z0-9-]+\.iam|\d+@cloudservices|\d+@cloudbuild|\d+-compute@developer|[a-z0-9-]+@appspot)"
    r"\.gserviceaccount\.com"
)


class Policies:
    """Every policy of the sandbox. *account_exists* says whether a service account's e-mail is known."""

    def __init__(self, store: Store, account_exists: Callable[[str], bool]) -> None:
        self._store = store
        self._account_exists = account_exists
        self.questions = Questions()
        self._last_etag = 0
        self._lock = threading.Lock()

    def get(self, resource: str) -> Body:
        """The policy as an API answers it; `{"etag": "ACAB"}` where none was ever set."""
        return self._store.get(KIND, resource) or {"etag": EMPTY_ETAG}

    def set(self, resource: str, policy: Mapping[str, Any]) -> Body:
        """Replace the policy, normalised; raises ApiError 409 on a stale etag, 400 on members or roles in error."""
        bindings = _merged(cast("Sequence[Binding]", policy.get("bindings", ())))
        self._check(bindings, policy)
        with self._store.transaction():
            current = self.get(resource)
            sent = policy.get("etag")
            if sent and _unpadded(sent) != _unpadded(current["etag"]):
                raise _stale(sent)
            fresh: Body = {"version": _version(bindings), "etag": self._etag()}
            if bindings:
                fresh["bindings"] = bindings
            audit = policy.get("auditConfigs", current.get("auditConfigs"))
            if audit:
                fresh["auditConfigs"] = audit
            self._store.put(KIND, resource, fresh)
        return fresh

    def add(self, resource: str, role: str, member: str) -> None:
        """Grant *role* to *member*, as Google itself does when it makes an agent; nothing is validated."""
        with self._store.transaction():
            current = self.get(resource)
            bindings = _merged([*current.get("bindings", []), {"role": role, "members": [member]}])
            fresh = {**current, "version": _version(bindings), "etag": self._etag(), "bindings": bindings}
            self._store.put(KIND, resource, fresh)

    def forget(self, resource: str) -> None:
        """Drop the policy of a deleted resource, and of everything below it."""
        with self._store.transaction():
            for name, _ in self._store.list(KIND, resource):
                if name == resource or name.startswith(resource + "/"):
                    self._store.delete(KIND, name)

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

    def allowed(self, caller: str, permission: str, resources: Iterable[str]) -> bool:
        """Whether *caller* holds *permission* on one of *resources* (the resource and what it lies in).

        The operator owns everything. Conditional bindings grant nothing: conditions are not evaluated here.
        """
        places = list(resources)
        granted = self._holds(caller, permission, places)
        self.questions.note(caller, permission, places, granted=granted)
        return granted

    def _holds(self, caller: str, permission: str, places: Sequence[str]) -> bool:
        if caller == OPERATOR:
            return True
        identities = self._identities(caller, places)
        for resource in places:
            for binding in self.get(resource).get("bindings", ()):
                held = not identities.isdisjoint(binding["members"]) and "condition" not in binding
                if held and roles.grants(binding["role"], permission):
                    return True
        return False

    def _identities(self, caller: str, places: Sequence[str]) -> set[str]:
        """The names under which policies may know *caller*."""
        if caller == ANONYMOUS:
            return {caller, "allUsers"}
        names = {caller, "allUsers", "allAuthenticatedUsers"}
        for place in places:
            if place.startswith("projects/") and place.count("/") == 1:
                for binding in self.get(place).get("bindings", ()):
                    if binding["role"] in roles.BASIC and caller in binding["members"]:
                        names.add(f"{roles.BASIC[binding['role']]}:{place.removeprefix('projects/')}")
        return names

    def held(self, caller: str, permissions: Iterable[str], resources: Sequence[str]) -> dict[str, Any]:
        """The answer of testIamPermissions."""
        granted = [one for one in permissions if self._holds(caller, one, resources)]
        return {"permissions": granted} if granted else {}

    def _check(self, bindings: Sequence[Binding], policy: Mapping[str, Any]) -> None:
        for binding in bindings:
            if not roles.exists(binding["role"]):
                raise ApiError(400, f"Role {binding['role']} is not supported for this resource.")
            for member in binding["members"]:
                self._check_member(member)
        if _version(bindings) == 3 and policy.get("version") != 3:
            raise ApiError(400, "Policies with conditions must set the policy version to 3.")

    def _check_member(self, member: str) -> None:
        if member in ("allUsers", "allAuthenticatedUsers") or member.startswith(("deleted:", "principal")):
            return
        prefix, _, value = member.partition(":")
        if prefix not in _TYPES or not value:
            text = (
                f"The member {member} is of an unknown type. Please set a valid type prefix for the member."
            )
            raise ApiError(400, text)
        if prefix in ("user", "group", "serviceAccount") and not re.fullmatch(
            r"[^@\s]+@[^@\s]+\.[^@\s]+", value
        ):
            raise ApiError(400, f"Invalid argument: '{member}' is not a valid member.")
        if prefix == "serviceAccount" and not _AGENT.fullmatch(member) and not self._account_exists(value):
            raise ApiError(400, f"Service account {value} does not exist.")

    def _etag(self) -> str:
        with self._lock:
            self._last_etag = max(self._last_etag + 1, time.time_ns() // 1000)
            return base64.b64encode(b"\x07" + self._last_etag.to_bytes(7, "big")).decode()


def _merged(bindings: Sequence[Binding]) -> list[Binding]:
    """One binding per role and condition, members lower-cased, unique and sorted; empty bindings dropped."""
    merged: dict[tuple[str, str], Binding] = {}
    for binding in bindings:
        condition = binding.get("condition")
        key = (str(binding.get("role", "")), repr(condition))
        members = {_lower(member) for member in binding.get("members", ())}
        kept = merged.setdefault(key, {"role": key[0], "members": []})
        kept["members"] = sorted(members.union(kept["members"]))
        if condition:
            kept["condition"] = condition
    return [merged[key] for key in sorted(merged) if merged[key]["members"]]


def _lower(member: str) -> str:
    prefix, colon, value = member.partition(":")
    return (
        f"{prefix}:{value.lower()}"
        if colon and prefix in ("user", "group", "serviceAccount", "domain")
        else member
    )


def _version(bindings: Sequence[Binding]) -> int:
    return 3 if any("condition" in binding for binding in bindings) else 1


def _unpadded(etag: str) -> str:
    return etag.rstrip("=").replace("-", "+").replace("_", "/")


def _stale(etag: str) -> ApiError:
    text = (
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff. "
        f"The request's ETag '{etag}' did not match the current policy's ETag."
    )
    return ApiError(409, text, rpc_status="ABORTED", reason="aborted")
