"""IAM policies: additive, read-modify-write with the policy's etag.

A grant is one field, `ROLE MEMBER`; its value is "granted", or None where the member does not have the role.
Bindings with a condition are not ours and are carried through untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from reconciler.gcp import fields as flat
from reconciler.gcp import retries
from reconciler.gcp.cloud import Cloud
from reconciler.model import Json, Value

GRANTED = "granted"
Policy = dict[str, Any]


def grant(role: str, member: str) -> str:
    """The field that says that *member* has *role*."""
    return f"{role} {member}"


def grants_of(policy: Mapping[str, Any]) -> dict[str, Json]:
    """Every unconditional grant of *policy*, as fields."""
    return {
        grant(binding["role"], member): GRANTED
        for binding in flat.items(policy, "bindings")
        if not binding.get("condition")
        for member in cast("list[str]", binding.get("members") or [])
    }


def merged(policy: Mapping[str, Any], wanted: Mapping[str, Value]) -> Policy:
    """*policy* with the grants of *wanted* added, or taken away where their value is None; the rest as it was."""
    bindings: list[dict[str, Any]] = [
        {**b, "members": list(b.get("members") or [])} for b in flat.items(policy, "bindings")
    ]
    for field, value in wanted.items():
        role, member = field.split(" ", 1)
        plain: list[dict[str, Any]] = [b for b in bindings if b["role"] == role and not b.get("condition")]
        if value is None:
            for binding in plain:
                binding["members"] = [m for m in binding["members"] if m != member]
        elif not any(member in b["members"] for b in plain):
            if not plain:
                plain = [{"role": role, "members": list[str]()}]
                bindings += plain
            plain[0]["members"].append(member)
    return {**policy, "bindings": [b for b in bindings if b["members"]]}


def rewrite(
    cloud: Cloud,
    about: str,
    wanted: Mapping[str, Value],
    read: Callable[[], Mapping[str, Any]],
    write: Callable[[Policy], object],
) -> None:
    """Read the policy, merge *wanted* into it, write it back on its etag; again when somebody was faster."""

    def attempt() -> None:
        policy = dict(cloud.call(about, read, retries.NEVER))
        after = merged(policy, wanted)
        if grants_of(after) != grants_of(policy):
            cloud.call(about, lambda: write(after), retries.NEVER)

    cloud.call(about, attempt, retries.IAM)


def from_message(message: Any) -> Policy:
    """A `google.iam.v1.Policy` message, as the generated clients give it, as JSON."""
    from google.protobuf.json_format import MessageToDict

    return {"etag": "", **MessageToDict(message)}


def as_message(policy: Policy) -> Any:
    """*policy* as a `google.iam.v1.Policy` message."""
    from google.iam.v1 import policy_pb2
    from google.protobuf.json_format import ParseDict

    return cast("Any", ParseDict)(policy, cast("Any", policy_pb2).Policy())
