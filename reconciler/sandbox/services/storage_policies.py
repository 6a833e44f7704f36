"""Cloud Storage: IAM policies of buckets and of managed folders.

What a bucket's policy takes and how it refuses is as measured: its etag is the bucket's metageneration, roles are
Cloud Storage's own or custom ones, conditions need uniform access.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services.storage import change, served
from reconciler.sandbox.services.storage_folders import managed_folder
from reconciler.sandbox.storage import acls, bucket_access, buckets, preconditions
from reconciler.sandbox.storage.bucket_access import POLICY, bucket_of
from reconciler.sandbox.storage.bucket_settings import invalid
from reconciler.sandbox.storage.folders import MANAGED
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Method, Request, World

API: Final = "storage"
VERSIONS: Final = ("v1",)
MOST_PERMISSIONS: Final = 84
NOT_A_BUCKETS: Final = ("storage.buckets.list", "storage.buckets.create")


def methods(world: World) -> dict[str, Method]:
    """Policies of single objects are not emulated: nothing but their lists gives access to one object."""
    functions = {
        "buckets.getIamPolicy": _get,
        "buckets.setIamPolicy": _set,
        "buckets.testIamPermissions": _test,
        "managedFolders.getIamPolicy": _get_of_folder,
        "managedFolders.setIamPolicy": _set_of_folder,
        "managedFolders.testIamPermissions": _test_of_folder,
    }
    return served(world, functions)


def _get(world: World, request: Request) -> Mapping[str, Any]:
    bucket = bucket_of(world, request, "storage.buckets.getIamPolicy")
    wished = int(request.params.get("optionsRequestedPolicyVersion", 1))
    return _shown(world, bucket, wished)


def _shown(world: World, bucket: Body, wished: int) -> dict[str, Any]:
    place = f"projects/_/buckets/{bucket['name']}"
    return _policy(place, bucket["etag"], bucket_access.bindings_of(world, bucket), wished)


def _policy(place: str, etag: str, bindings: Sequence[Mapping[str, Any]], wished: int) -> dict[str, Any]:
    """A storage#policy; a reader of version 1 sees a conditional role under a name that grants nothing."""
    conditional = any("condition" in one for one in bindings)
    shown = bindings if wished >= 3 else [_unconditional(one) for one in bindings]
    return {
        "kind": "storage#policy",
        "resourceId": place,
        "version": 3 if conditional and wished >= 3 else 1,
        "etag": etag,
        **({"bindings": list(shown)} if shown else {}),
    }


def _unconditional(binding: Mapping[str, Any]) -> dict[str, Any]:
    if "condition" not in binding:
        return dict(binding)
    digest = hashlib.sha256(json.dumps(binding["condition"], sort_keys=True).encode()).hexdigest()[:20]
    return {"role": f"{binding['role']}_withcond_{digest}", "members": binding["members"]}


def _set(world: World, request: Request) -> Mapping[str, Any]:
    bucket_of(world, request, "storage.buckets.setIamPolicy")

    def apply(old: Body) -> Body:
        _check_etag(request.body.get("etag"), int(old["metageneration"]))
        _check_bindings(world, old, request.body)
        bucket_access.keep_bindings(world, old, _sent(request.body))
        return buckets.bumped(old, world.clock())

    return _shown(world, change(world, request.params["bucket"], apply), 3)


def _sent(policy: Mapping[str, Any]) -> dict[str, Any]:
    return {"version": policy.get("version", 1), "bindings": policy.get("bindings") or []}


def _check_etag(sent: str | None, metageneration: int) -> None:
    if not sent:
        return
    known = buckets.metageneration_of(sent)
    if known is None or known > metageneration:
        raise invalid("Invalid etag - must use etag from GetPolicy response.")
    if known != metageneration:
        raise preconditions.failed()


def _check_bindings(world: World, bucket: Body, policy: Mapping[str, Any]) -> None:
    bindings: list[dict[str, Any]] = policy.get("bindings") or []
    for binding in bindings:
        role = str(binding.get("role", ""))
        if role.startswith("roles/") and not role.startswith("roles/storage."):
            raise invalid(f"Role {role} is not supported for this resource.")
        if not role.startswith("roles/") and "/roles/" not in role:
            raise invalid(
                'The role name must be in the form "roles/{role}", "organizations/{organization_id}/roles/{role}", or '
                '"projects/{project_id}/roles/{role}".'
            )
        if not set(acls.PUBLIC).isdisjoint(binding.get("members", ())) and bucket_access.prevented(
            world, bucket
        ):
            raise bucket_access.no_public()
    if not any(binding.get("condition") for binding in bindings):
        return
    if not buckets.uniform(bucket):
        text = (
            "To set IAM conditions in this bucket, enable uniform bucket-level access. This ensures that all object "
            "access is controlled uniformly at the bucket-level without individual, object-level permissions. Learn "
            "more at https://cloud.google.com/storage/docs/uniform-bucket-level-access"
        )
        raise ApiError(412, text, reason="conditionNotMet", location=("If-Match", "header"))
    version = int(policy.get("version", 1))
    if version < 3:
        raise invalid(
            f"Specified policy version ({version}) must be at least 3 based on the policy's contents. For more "
            "information, please refer to https://cloud.google.com/iam/help/allow-policies/versions."
        )


def _test(world: World, request: Request) -> Mapping[str, Any]:
    bucket = bucket_access.found(world, request.params["bucket"])
    return _held(world, request, [f"buckets/{bucket['name']}", f"projects/{bucket['projectId']}"])


def _held(world: World, request: Request, places: Sequence[str]) -> Mapping[str, Any]:
    asked: Sequence[str] = request.params.get("permissions", ())
    if len(asked) > MOST_PERMISSIONS:
        raise invalid(f"Must specify <= {MOST_PERMISSIONS} permissions.")
    if len(set(asked)) < len(asked):
        raise invalid("Duplicate permissions must not be specified.")
    for permission in asked:
        if permission in NOT_A_BUCKETS:
            raise invalid("Invalid argument.")
        if not permission.startswith("storage.") or "*" in permission:
            raise invalid(f"{permission} is not a valid Google Cloud Storage permission.")
    held = world.policies.held(request.caller, asked, places)
    return {"kind": "storage#testIamPermissionsResponse", **held}


def _place(folder: Body) -> str:
    return f"buckets/{folder['bucket']}/managedFolders/{folder['name']}"


def _folder_policy(world: World, folder: Body, wished: int) -> dict[str, Any]:
    bindings = (world.store.get(POLICY, _place(folder)) or {}).get("bindings", [])
    etag = buckets.etag(str(folder.get("policyWrites", 0)))
    shown = _policy(f"projects/_/{_place(folder)}", etag, bindings, wished)
    # A new folder's policy has neither bindings nor a version.
    return {key: value for key, value in shown.items() if key != "version" or bindings}


def _get_of_folder(world: World, request: Request) -> Mapping[str, Any]:
    _, folder = managed_folder(world, request, "storage.managedFolders.getIamPolicy")
    return _folder_policy(world, folder, int(request.params.get("optionsRequestedPolicyVersion", 1)))


def _set_of_folder(world: World, request: Request) -> Mapping[str, Any]:
    with world.store.transaction():
        bucket, folder = managed_folder(world, request, "storage.managedFolders.setIamPolicy")
        writes = int(folder.get("policyWrites", 0))
        _check_etag(request.body.get("etag"), writes)
        _check_bindings(world, bucket, request.body)
        try:
            world.policies.set(_place(folder), _sent(request.body))
        except ApiError as error:
            raise invalid(error.message) from error
        fresh = {**folder, "policyWrites": writes + 1}
        world.store.put(MANAGED, f"{bucket['name']}/{folder['name']}", fresh)
    return _folder_policy(world, fresh, 3)


def _test_of_folder(world: World, request: Request) -> Mapping[str, Any]:
    bucket, folder = managed_folder(world, request, "")
    places = [_place(folder), f"buckets/{bucket['name']}", f"projects/{bucket['projectId']}"]
    return _held(world, request, places)
