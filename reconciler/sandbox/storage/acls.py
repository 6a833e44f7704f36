"""Access control lists of buckets without uniform access: canned lists, what may stand in one, and how they are shown.

A list is kept as [{"entity", "role"}]. A bucket's own list is another view of the legacy roles in its IAM policy, as
in Cloud Storage; its default object list and the lists of objects are kept with them. Rules and refusals follow what
was measured of the real service; whether a principal exists is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.storage import buckets
from reconciler.sandbox.store import Body

Entry = dict[str, str]
Kind = Literal["bucket", "default", "object"]
MOST: Final = 100
ROLES: Final[Mapping[Kind, tuple[str, ...]]] = {
    "bucket": ("OWNER", "WRITER", "READER"),
    "default": ("OWNER", "READER"),
    "object": ("OWNER", "READER"),
}
LEGACY: Final = {
    "OWNER": "roles/storage.legacyBucketOwner",
    "WRITER": "roles/storage.legacyBucketWriter",
    "READER": "roles/storage.legacyBucketReader",
}
"""The IAM roles whose bindings a bucket's list is made of."""
PUBLIC: Final = ("allUsers", "allAuthenticatedUsers")
TEAMS: Final = ("owners", "editors", "viewers")
_MORE: Final = " Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access"
READ_BUCKET: Final = "Cannot get legacy ACL for a bucket that has uniform bucket-level access."
WRITE_BUCKET: Final = (
    "Cannot use ACL API to update bucket policy when uniform bucket-level access is enabled."
)
READ_OBJECT: Final = "Cannot get legacy ACL for an object when uniform bucket-level access is enabled."
WRITE_OBJECT: Final = (
    "Cannot update access control for an object when uniform bucket-level access is enabled."
)
INSERT_OBJECT: Final = "Cannot insert legacy ACL for an object when uniform bucket-level access is enabled."
_CANNED: Final[Mapping[str, Mapping[str, tuple[tuple[str, str], ...]]]] = {
    "bucket": {
        "projectPrivate": (("owners", "OWNER"), ("editors", "OWNER"), ("viewers", "READER")),
        "private": (("owners", "OWNER"),),
        "publicRead": (("owners", "OWNER"), ("allUsers", "READER")),
        "publicReadWrite": (("owners", "OWNER"), ("allUsers", "WRITER")),
        "authenticatedRead": (("owners", "OWNER"), ("allAuthenticatedUsers", "READER")),
    },
    "object": {
        "projectPrivate": (("owners", "OWNER"), ("editors", "OWNER"), ("viewers", "READER")),
        "private": (),
        "bucketOwnerFullControl": (("owners", "OWNER"),),
        "bucketOwnerRead": (("owners", "READER"),),
        "publicRead": (("allUsers", "READER"),),
        "authenticatedRead": (("allAuthenticatedUsers", "READER"),),
    },
}


def canned(kind: Kind, name: str, number: str) -> list[Entry]:
    """A predefined list of a project's bucket or objects; an object's owner is not in it. Raises ApiError 400."""
    entries = _CANNED["bucket" if kind == "bucket" else "object"].get(name)
    if entries is None:
        raise ApiError(400, f"Invalid argument: {name} is no predefined ACL.", reason="invalid")
    named = ((f"project-{who}-{number}" if who in TEAMS else who, role) for who, role in entries)
    return [{"entity": entity, "role": role} for entity, role in named]


def checked(
    kind: Kind, sent: Sequence[Mapping[str, Any]], owner: str, number_of: Callable[[str], str]
) -> list[Entry]:
    """A list that a client sent, as it is kept; an *owner* who is left out is added. Raises ApiError.

    *number_of* makes a project's number of its id.
    """
    if len(sent) > MOST:
        text = f"An access control list can contain at most {MOST} entries."
        raise ApiError(400, text, reason="tooManyAccessControlEntries")
    kept: dict[str, str] = {}
    for one in sent:
        kept[entity(str(one.get("entity") or ""), number_of)] = role(kind, one.get("role"))
    if owner and kept.setdefault(owner, "OWNER") != "OWNER":
        raise owner_stays()
    return [{"entity": who, "role": what} for who, what in kept.items()]


def role(kind: Kind, wished: Any) -> str:
    """A role that a list of *kind* takes. Raises ApiError 400."""
    if not wished:
        raise ApiError(400, "Access control must contain a role", reason="required")
    if wished not in ROLES[kind]:
        raise ApiError(400, f"Invalid value for: {wished} is not a valid value", reason="invalid")
    return str(wished)


def entity(text: str, number_of: Callable[[str], str]) -> str:
    """An entity as it is kept: addresses in lower case, projects by number. Raises ApiError 400."""
    if not text:
        raise ApiError(400, "Required", reason="required")
    if text in PUBLIC:
        return text
    for prefix in ("user-", "group-", "domain-"):
        if text.startswith(prefix) and len(text) > len(prefix):
            return text.lower()
    for team in TEAMS:
        prefix = f"project-{team}-"
        if text.startswith(prefix) and len(text) > len(prefix):
            return prefix + number_of(text.removeprefix(prefix))
    raise ApiError(400, f'Scope text "{text}" is not valid.', reason="invalid")


def public(entries: Sequence[Mapping[str, str]]) -> bool:
    """Whether a list grants anything to everybody."""
    return any(one["entity"] in PUBLIC for one in entries)


def owner_stays() -> ApiError:
    """The refusal to take the owner's rights away."""
    text = "The owner of the resource is required to have OWNER access."
    return ApiError(403, text, reason="forbidden")


def no_entry() -> ApiError:
    """The 404 for an entity that a list does not name."""
    return ApiError(404, "The specified key does not exist.", reason="notFound")


def twice() -> ApiError:
    """The 409 for a list together with the name of a predefined one."""
    return ApiError(409, "Cannot provide both a predefinedAcl and access controls.", reason="conflict")


def demand_lists(bucket: Body, text: str) -> None:
    """Raise ApiError 400 with *text* where access to *bucket* is uniform."""
    if buckets.uniform(bucket):
        raise ApiError(400, text + _MORE, reason="invalid")


def shown_on_bucket(bucket: Body, entry: Mapping[str, str]) -> dict[str, Any]:
    """A storage#bucketAccessControl."""
    name = bucket["name"]
    return {
        "kind": "storage#bucketAccessControl",
        "id": f"{name}/{entry['entity']}",
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}/acl/{entry['entity']}",
        "bucket": name,
        **_principal(entry),
        "etag": bucket["etag"],
    }


def shown_default(bucket: Body, entry: Mapping[str, str]) -> dict[str, Any]:
    """A storage#objectAccessControl of new objects: it belongs to none yet, so it has neither id nor link."""
    return {"kind": "storage#objectAccessControl", **_principal(entry), "etag": bucket["etag"]}


def shown_on_object(body: Body, link: str, entry: Mapping[str, str]) -> dict[str, Any]:
    """A storage#objectAccessControl of the object *body*, whose selfLink is *link*."""
    return {
        "kind": "storage#objectAccessControl",
        "object": body["name"],
        "generation": body["generation"],
        "id": f"{body['bucket']}/{body['name']}/{body['generation']}/{entry['entity']}",
        "selfLink": f"{link}/acl/{entry['entity']}",
        "bucket": body["bucket"],
        **_principal(entry),
        "etag": buckets.object_etag(body),
    }


def _principal(entry: Mapping[str, str]) -> dict[str, Any]:
    who = entry["entity"]
    kind, _, value = who.partition("-")
    more: dict[str, Any] = {}
    if kind in ("user", "group"):
        more["email"] = value
    if kind == "domain":
        more["domain"] = value
    if kind == "project":
        team, _, number = value.partition("-")
        more["projectTeam"] = {"projectNumber": number, "team": team}
    return {"entity": who, "role": entry["role"], **more}


def entity_of(member: str, number_of: Callable[[str], str]) -> str:
    """The entity for an IAM member; "" for one that no list can name."""
    if member in PUBLIC:
        return member
    prefix, _, value = member.partition(":")
    if prefix in ("user", "serviceAccount"):
        return f"user-{value}"
    if prefix in ("group", "domain"):
        return f"{prefix}-{value}"
    team = {"projectOwner": "owners", "projectEditor": "editors", "projectViewer": "viewers"}.get(prefix)
    return f"project-{team}-{number_of(value)}" if team else ""


def member_of(who: str, project_of: Callable[[str], str]) -> str:
    """The IAM member for an entity; *project_of* makes a project's id of its number."""
    if who in PUBLIC:
        return who
    kind, _, value = who.partition("-")
    if kind == "user":
        return f"serviceAccount:{value}" if value.endswith(".gserviceaccount.com") else f"user:{value}"
    if kind != "project":
        return f"{kind}:{value}"
    team, _, number = value.partition("-")
    return f"project{team[:-1].capitalize()}:{project_of(number)}"
