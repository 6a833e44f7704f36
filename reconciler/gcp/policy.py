"""IAM policies: additive, read-modify-write with the policy's etag.

A grant is one field, `ROLE MEMBER`; its value is "granted", or None where the member does not have the role. One that
holds for a part of a bucket only is `ROLE MEMBER gs://BUCKET/FOLDER`, which is the condition that we write for it.
Bindings with any other condition are not ours and are carried through untouched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from reconciler.gcp import fields as flat
from reconciler.gcp import retries
from reconciler.gcp.cloud import Cloud
from reconciler.model import Json, Value

GRANTED = "granted"
Policy = dict[str, Any]


TITLE = "below-a-folder"
_BELOW = (
    'resource.type == "storage.googleapis.com/Bucket" || '
    'resource.name.startsWith("projects/_/buckets/{}/objects/{}/")'
)
"""A bucket's objects are listed as a whole; they are read and written below the folder alone."""
_FOLDER = re.compile(re.escape(_BELOW).replace(r"\{\}", r"([^\"]+?)", 1).replace(r"\{\}", r"([^\"]+)"))


def grant(role: str, member: str, below: str = "") -> str:
    """The field that says that *member* has *role*; on objects below gs://BUCKET/FOLDER only, where *below* says so."""
    return f"{role} {member} {below}".rstrip()


def _condition(below: str) -> dict[str, Any]:
    bucket, _, folder = below.removeprefix("gs://").partition("/")
    return {"condition": {"title": TITLE, "expression": _BELOW.format(bucket, folder)}} if below else {}


def _ours(binding: Mapping[str, Any]) -> str | None:
    """The part of a bucket that a binding is for, "" for all of it; None where it is somebody else's."""
    condition: Mapping[str, Any] = binding.get("condition") or {}
    if not condition:
        return ""
    found = _FOLDER.fullmatch(str(condition.get("expression", "")))
    return f"gs://{found[1]}/{found[2]}" if found and condition.get("title") == TITLE else None


def grants_of(policy: Mapping[str, Any]) -> dict[str, Json]:
    """Every grant of *policy* whose condition, where it has one, is one of ours, as fields."""
    return {
        grant(binding["role"], member, below): GRANTED
        for binding in flat.items(policy, "bindings")
        if (below := _ours(binding)) is not None
        for member in cast("list[str]", binding.get("members") or [])
    }


def merged(policy: Mapping[str, Any], wanted: Mapping[str, Value]) -> Policy:
    """*policy* with the grants of *wanted* added, or taken away where their value is None; the rest as it was."""
    bindings: list[dict[str, Any]] = [
        {**b, "members": list(b.get("members") or [])} for b in flat.items(policy, "bindings")
    ]
    for field, value in wanted.items():
        role, member, below = (*field.split(" "), "")[:3]
        plain: list[dict[str, Any]] = [b for b in bindings if b["role"] == role and _ours(b) == below]
        if value is None:
            for binding in plain:
                binding["members"] = [m for m in binding["members"] if m != member]
        elif not any(member in b["members"] for b in plain):
            if not plain:
                plain = [{"role": role, "members": list[str](), **_condition(below)}]
                bindings += plain
            plain[0]["members"].append(member)
    kept = [b for b in bindings if b["members"]]
    version = {"version": 3} if any(b.get("condition") for b in kept) else {}
    return {**policy, "bindings": kept, **version}


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
