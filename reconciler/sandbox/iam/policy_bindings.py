"""Bindings of IAM policies: merged, versioned, and shown to those who know of no conditions.

A binding is {"role", "members"} and perhaps a "condition" {"expression", "title", …}.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import cel
from reconciler.sandbox.iam.policy_members import canonical

Binding = dict[str, Any]
CONDITIONAL: Final = 3
"""The version of a policy with conditions; one without is of version 1, whatever was sent."""
MOST_MEMBERS: Final = 1500
_VERSIONS: Final = (
    "For more information, please refer to https://cloud.google.com/iam/docs/policies#versions."
)
_NEWER: Final = (
    "For more information, please refer to https://cloud.google.com/iam/help/allow-policies/versions."
)


def merged(bindings: Sequence[Mapping[str, Any]]) -> list[Binding]:
    """One binding per role and condition, in order of role; members canonical, unique and sorted; no empty ones."""
    kept: dict[tuple[str, str], Binding] = {}
    for binding in bindings:
        condition = binding.get("condition")
        key = (str(binding.get("role", "")), json.dumps(condition, sort_keys=True) if condition else "")
        members = {canonical(member) for member in binding.get("members", ())}
        one = kept.setdefault(key, {"role": key[0], "members": []})
        one["members"] = sorted(members.union(one["members"]))
        if condition:
            one["condition"] = condition
    return [kept[key] for key in sorted(kept) if kept[key]["members"]]


def granted(bindings: Sequence[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    """(role, condition as text, member) of everything that *bindings* grant."""
    return {
        (one["role"], json.dumps(one.get("condition"), sort_keys=True), member)
        for one in merged(bindings)
        for member in one["members"]
    }


def version(bindings: Sequence[Mapping[str, Any]]) -> int:
    """The version that a policy with *bindings* has."""
    return CONDITIONAL if any("condition" in binding for binding in bindings) else 1


def check(bindings: Sequence[Binding], sent: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Raise ApiError 400 where *sent* (with *bindings*, merged) breaks the rules on sizes, conditions and versions."""
    count = sum(len(binding["members"]) for binding in bindings)
    if count > MOST_MEMBERS:
        text = (
            f"The number of members in the policy ({count:,}) is larger than the maximum allowed size 1,500."
        )
        raise ApiError(400, text)
    for binding in bindings:
        condition: Mapping[str, Any] = binding.get("condition", {})
        try:
            if condition:
                cel.check(str(condition.get("expression", "")))
        except cel.Unreadable as error:
            text = f"Condition expression compilation failed for role {binding['role']}: {error}"
            raise ApiError(400, text) from error
    asked = int(sent.get("version", 0))
    if asked not in (0, 1, CONDITIONAL):
        raise ApiError(400, f"Specified policy version ({asked}) is invalid. {_VERSIONS}")
    before = version(current.get("bindings", ())) if sent.get("etag") else 1
    # Without an etag a policy is overwritten blindly; only its own conditions then ask for version 3.
    if asked == CONDITIONAL:
        return
    given = f"Specified policy version ({asked or 1})"
    if before == CONDITIONAL:
        text = f"{given} cannot be less than the existing policy version ({CONDITIONAL})."
        raise ApiError(400, f"{text} {_VERSIONS}")
    if version(bindings) == CONDITIONAL:
        text = f"{given} must be at least {CONDITIONAL} based on the policy's contents."
        raise ApiError(400, f"{text} {_NEWER}")


def requested_version(params: Mapping[str, Any], body: Mapping[str, Any]) -> int:
    """Which version of a policy a getIamPolicy request asks for; 0 where it does not say."""
    options: Mapping[str, Any] = body.get("options", {})
    for name in ("options.requestedPolicyVersion", "optionsRequestedPolicyVersion"):
        if name in params:
            return int(params[name])
    return int(options.get("requestedPolicyVersion", 0))


def without_conditions(policy: Mapping[str, Any]) -> dict[str, Any]:
    """*policy* for a caller who asked for less than version 3: conditions become part of the roles' names."""
    if version(policy.get("bindings", ())) != CONDITIONAL:
        return dict(policy)
    shown: list[Binding] = []
    for binding in policy["bindings"]:
        if "condition" in binding:
            text = json.dumps(binding["condition"], sort_keys=True).encode()
            role = f"{binding['role']}_withcond_{hashlib.sha256(text).hexdigest()[:20]}"
            shown.append({"role": role, "members": binding["members"]})
        else:
            shown.append(binding)
    return {**policy, "version": 1, "bindings": shown}


def stale(sent: str, current: str) -> ApiError:
    """Google's 409 for a policy that somebody else wrote in between."""
    text = (
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff. "
        f"The request's ETag '{_escaped(sent)}' did not match the current policy's ETag '{_escaped(current)}'."
    )
    return ApiError(409, text, rpc_status="ABORTED", reason="aborted")


def plain_etag(etag: str) -> str:
    """An etag in one spelling: padding and the URL-safe alphabet are up to the client."""
    return etag.rstrip("=").replace("-", "+").replace("_", "/")


def _escaped(etag: str) -> str:
    """The bytes of an etag as Google's messages print them: "\\007\\006"."""
    text = plain_etag(etag)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return etag
    return "".join(chr(one) if 32 <= one < 127 else f"\\{one:03o}" for one in raw)
