"""Who may do what with a bucket and its objects: IAM, and the lists of buckets without uniform access.

A bucket's policy is there from its making (the legacy bindings that Cloud Storage gives it); its etag is the bucket's
metageneration, as measured, so that any change of the bucket makes an older policy stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam.identities import ANONYMOUS
from reconciler.sandbox.storage import acls, buckets
from reconciler.sandbox.storage.buckets import BUCKET
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

POLICY: Final = "policy"
PREVENTION: Final = "storage.publicAccessPrevention"
UNIFORM: Final = "storage.uniformBucketLevelAccess"
_OBJECT_READ: Final = {"storage.objects.get"}
_OBJECT_OWN: Final = {
    "storage.objects.getIamPolicy",
    "storage.objects.setIamPolicy",
    "storage.objects.update",
}


def found(world: World, name: str) -> Body:
    """The live bucket of that name; raises ApiError 404."""
    body = world.store.get(BUCKET, name)
    if body is None:
        raise no_bucket()
    return body


def no_bucket() -> ApiError:
    """Google's 404."""
    return ApiError(404, "The specified bucket does not exist.")


def bucket_of(world: World, request: Request, permission: str, name: str = "") -> Body:
    """The bucket that a request names, for a caller who holds *permission* on it; raises ApiError 404 or 403."""
    body = found(world, name or request.params["bucket"])
    demand(world, request.caller, permission, body)
    return body


def demand(
    world: World, caller: str, permission: str, bucket: Body, *, on: Mapping[str, Any] | None = None
) -> None:
    """Raise Google's 403 (401 for nobody in particular) unless *caller* holds *permission* on *bucket*.

    *on* is the object in question: its own list may say yes, and the refusal speaks of it.
    """
    if may(world, caller, permission, bucket, on):
        return
    what = "bucket" if on is None else "object"
    raise refused(caller, permission, f"the Google Cloud Storage {what}")


def demand_on_project(world: World, request: Request, permission: str) -> None:
    """The same for what is about a project: making and listing buckets, keys of service accounts."""
    if not world.policies.allowed(request.caller, permission, [f"projects/{request.project}"]):
        raise refused(request.caller, permission, "the Google Cloud project")


def refused(caller: str, permission: str, what: str) -> ApiError:
    """Google's words to a caller who may not."""
    who = caller.partition(":")[2] or "Anonymous caller"
    text = f"{who} does not have {permission} access to {what}."
    text += f" Permission '{permission}' denied on resource (or it may not exist)."
    if caller == ANONYMOUS:
        return ApiError(401, text, reason="required", location=("Authorization", "header"))
    return ApiError(403, text)


def may(
    world: World, caller: str, permission: str, bucket: Body, on: Mapping[str, Any] | None = None
) -> bool:
    """Whether *caller* holds *permission* on *bucket*, or by its list on the object *on*."""
    place = f"buckets/{bucket['name']}"
    about = f"{place}/objects/{on['name']}" if on and "name" in on else ""
    if world.policies.allowed(caller, permission, [place, f"projects/{bucket['projectId']}"], about):
        return True
    if on is None or buckets.uniform(bucket):
        return False
    roles: set[str] = (
        {"OWNER"}
        if permission in _OBJECT_OWN
        else {"OWNER", "READER"}
        if permission in _OBJECT_READ
        else set()
    )
    names = {*acls.PUBLIC} if caller != ANONYMOUS else {"allUsers"}
    teams = world.policies.teams(caller, bucket["projectId"])
    names.update(acls.entity_of(one, lambda project: number_of(world, project)) for one in (caller, *teams))
    if prevented(world, bucket):
        names -= {*acls.PUBLIC}
    return any(one["entity"] in names and one["role"] in roles for one in on.get("acl", ()))


def prevented(world: World, bucket: Body) -> bool:
    """Whether nothing in *bucket* may be given to everybody: by its own setting, or the organisation's."""
    enforced = bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    return enforced or world.conditions.forbids(PREVENTION)


def no_public() -> ApiError:
    """The refusal to give anything to everybody."""
    text = (
        "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention is "
        "enforced."
    )
    return ApiError(412, text, reason="conditionNotMet", location=("If-Match", "header"))


def check_constraints(world: World, bucket: Body) -> None:
    """Raise ApiError 412 where the organisation wants uniform access and *bucket* has not."""
    if world.conditions.forbids(UNIFORM) and not buckets.uniform(bucket):
        text = f"Request violates constraint 'constraints/{UNIFORM}'"
        raise ApiError(412, text, reason="conditionNotMet", location=("If-Match", "header"))


def number_of(world: World, project: str) -> str:
    """A project's number; raises ApiError 400 where there is none."""
    known = world.projects.get(project)
    if known is None:
        raise ApiError(400, f"Project {project} does not exist.", reason="invalid")
    return known.number


def first_bindings(bucket: Body) -> list[dict[str, Any]]:
    """The legacy bindings that every bucket starts with; on objects only where access is uniform."""
    project = bucket["projectId"]
    owners, viewers = [f"projectEditor:{project}", f"projectOwner:{project}"], [f"projectViewer:{project}"]
    bindings = [
        {"role": "roles/storage.legacyBucketOwner", "members": owners},
        {"role": "roles/storage.legacyBucketReader", "members": viewers},
    ]
    if buckets.uniform(bucket):
        bindings.append({"role": "roles/storage.legacyObjectOwner", "members": owners})
        bindings.append({"role": "roles/storage.legacyObjectReader", "members": viewers})
    return bindings


def bindings_of(world: World, bucket: Body) -> list[dict[str, Any]]:
    """The bucket's bindings as they are."""
    policy = world.store.get(POLICY, f"buckets/{bucket['name']}")
    return first_bindings(bucket) if policy is None else policy.get("bindings", [])


def keep_bindings(world: World, bucket: Body, policy: Mapping[str, Any]) -> None:
    """Make *policy*'s bindings the bucket's; raises ApiError 400 for members and roles in error."""
    try:
        world.policies.set(f"buckets/{bucket['name']}", {key: policy[key] for key in policy if key != "etag"})
    except ApiError as error:
        reason = error.reason if error.status == 412 else "invalid"
        raise ApiError(error.status, error.message, reason=reason) from error


def list_of(world: World, bucket: Body) -> list[acls.Entry]:
    """The bucket's own access control list: its legacy roles, seen as entries."""
    entries: list[acls.Entry] = []
    roles = {role: name for name, role in acls.LEGACY.items()}
    for binding in bindings_of(world, bucket):
        if binding["role"] not in roles or "condition" in binding:
            continue
        for member in binding["members"]:
            entity = acls.entity_of(member, lambda project: number_of(world, project))
            if entity:
                entries.append({"entity": entity, "role": roles[binding["role"]]})
    places = [f"project-{team}" for team in acls.TEAMS]
    return sorted(
        entries, key=lambda one: places.index(team) if (team := _team(one)) in places else len(places)
    )


def keep_list(world: World, bucket: Body, entries: Sequence[Mapping[str, str]]) -> None:
    """Make *entries* the bucket's own list: the legacy roles of its policy are theirs, and nobody else's."""
    kept = [one for one in bindings_of(world, bucket) if one["role"] not in acls.LEGACY.values()]
    for entry in entries:
        member = acls.member_of(entry["entity"], lambda number: _project_id(world, number))
        kept.append({"role": acls.LEGACY[entry["role"]], "members": [member]})
    version = 3 if any("condition" in one for one in kept) else 1
    keep_bindings(world, bucket, {"version": version, "bindings": kept})


def owner_of(bucket: Body) -> str:
    """The entity that owns a bucket: the project's owners."""
    return f"project-owners-{bucket['projectNumber']}"


def shown(world: World, body: Body, *, full: bool) -> dict[str, Any]:
    """The bucket's resource; *full* with its lists and owner, which uniform access hides."""
    resource = buckets.shown(body)
    if not full or buckets.uniform(body):
        return resource
    default: Iterable[acls.Entry] = body.get("defaultObjectAcl", ())
    return {
        **resource,
        "acl": [acls.shown_on_bucket(body, one) for one in list_of(world, body)],
        **({"defaultObjectAcl": [acls.shown_default(body, one) for one in default]} if default else {}),
        "owner": {"entity": owner_of(body)},
    }


def _team(entry: Mapping[str, str]) -> str:
    return entry["entity"].rpartition("-")[0]


def _project_id(world: World, number: str) -> str:
    known = world.projects.get(number)
    return known.project_id if known else number
