"""Edits of what is stored: buckets, images, secrets and their versions."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

from tests.laws.hands.edit import OPEN, Edit, Of, Sort, beside
from tests.laws.hands.hand import Hand, Impossible, Place, drop, dug, put

LABEL, MARK = "labels.theirs", "labels.mlflow-deployment"
_BUCKET = Place("storage", "/storage/v1/b/{B}", "merge")
_bucket = Of("storage.bucket", _BUCKET, "storage.bucket/{B}")
_BUILDS = Place("storage", "/storage/v1/b/{P}-{N}-build", "merge")
_builds = Of("storage.bucket", _BUILDS, "storage.bucket/{P}-{N}-build")
_REPOSITORY = Place("artifactregistry", "/v1/projects/{P}/locations/{R}/repositories/{N}")
_repository = Of("artifactregistry.repository", _REPOSITORY, "artifactregistry.repository/{N}")
_TAGS = f"{_REPOSITORY.path}/packages/server/tags"
_SECRETS = "/v1/projects/{P}/secrets"
_PASSWORD = Place("secretmanager", f"{_SECRETS}/{{N}}-db-password")
_password = Of("secretmanager.secret", _PASSWORD, "secretmanager.secret/{N}-db-password")
_HOOKS = Place("secretmanager", f"{_SECRETS}/{{N}}-webhook-key")
_LEASE = Place("secretmanager", f"{_SECRETS}/{{N}}-lease")
_lease = Of("secretmanager.secret", _LEASE, "secretmanager.secret/{N}-lease", met="-lease")
_hooks = Of("secretmanager.secret", _HOOKS, "secretmanager.secret/{N}-webhook-key", (OPEN,))
ROLLED: Final = ("run.service/{N} *", "run.job/{N}-migrate *", "run.job/{N}-retention *")
"""What is told a new version of a secret, or another image."""


def _emptied(place: Place) -> Any:
    def delete(hand: Hand) -> None:
        """Every object of the bucket, then the bucket."""
        path = hand.filled(place.path)
        for one in hand.listed("storage", f"{path}/o?versions=true", "items"):
            name = one["name"].replace("/", "%2F")
            hand.done("DELETE", "storage", f"{path}/o/{name}?generation={one['generation']}")
        hand.done("DELETE", "storage", path)

    return delete


def _object(bucket: str) -> Edit:
    path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name=theirs-{{T}}"
    return Edit(
        "storage.bucket",
        f"an object in {bucket}",
        Sort.THEIRS,
        lambda hand: hand.done("POST", "storage", path, raw=b"theirs"),
        lambda hand: hand.asked("GET", "storage", f"/storage/v1/b/{bucket}/o/theirs-{{T}}").status == 200,
        met=(f"/b/{bucket}",),
    )


def _rule(hand: Hand, whole: dict[str, Any]) -> None:
    del hand
    rule = {"action": {"type": "Delete"}, "condition": {"age": 999}}
    whole["lifecycle"] = {"rule": [*(dug(whole, "lifecycle.rule") or []), rule]}


def _tagged(hand: Hand) -> list[dict[str, Any]]:
    return [one for one in hand.listed("artifactregistry", _TAGS, "tags") if "theirs" not in one["name"]]


def _tag_removed(hand: Hand) -> None:
    if not _tagged(hand):
        raise Impossible("there is no tag of ours")
    for one in _tagged(hand):
        hand.done("DELETE", "artifactregistry", f"/v1/{one['name']}")


def _tag_added(hand: Hand) -> None:
    if not _tagged(hand):
        raise Impossible("there is no image yet")
    hand.done(
        "POST", "artifactregistry", f"{_TAGS}?tagId=theirs-{{T}}", {"version": _tagged(hand)[0]["version"]}
    )


def _versions(secret: Place) -> Any:
    def read(hand: Hand) -> list[str]:
        listed = hand.listed("secretmanager", f"{secret.path}/versions", "versions")
        return sorted(one["name"] for one in listed)

    return read


def _added(secret: Place) -> Callable[[Hand], object]:
    value = base64.urlsafe_b64encode(bytes(range(32)))
    payload = {"payload": {"data": base64.b64encode(value).decode()}}
    return lambda hand: hand.done("POST", "secretmanager", f"{secret.path}:addVersion", payload)


def _usable(hand: Hand, secret: Place) -> list[dict[str, Any]]:
    """The versions that still have their value, the newest first."""
    listed = hand.listed("secretmanager", f"{secret.path}/versions", "versions")
    return [one for one in listed if one["state"] != "DESTROYED"]


def _newest(secret: Place) -> Callable[[Hand], Any]:
    return lambda hand: next((one["state"] for one in _usable(hand, secret)), None)


def _each(secret: Place, verb: str) -> Any:
    def write(hand: Hand) -> None:
        if not _usable(hand, secret):
            raise Impossible("it has no version")
        for one in _usable(hand, secret):
            hand.done("POST", "secretmanager", f"/v1/{one['name']}:{verb}", {})

    return write


_V = "secretmanager.version"
EDITS: Final[tuple[Edit, ...]] = (
    _bucket.ours(
        "versioning",
        lambda hand, whole: put("versioning.enabled", not dug(whole, "versioning.enabled"))(hand, whole),
        "versioning.enabled",
        "versioning",
    ),
    _bucket.ours("one more rule of lifecycle", _rule, "lifecycle.rule", "lifecycle.expiry"),
    _bucket.ours("storage class", put("storageClass", "COLDLINE"), "storageClass"),
    _bucket.ours(
        "public access",
        put("iamConfiguration.publicAccessPrevention", "inherited"),
        "iamConfiguration.publicAccessPrevention",
    ),
    _bucket.ours("a label of ours", put("labels.team", "{T}"), "labels.team"),
    _bucket.theirs("a label", put(LABEL, "{T}"), LABEL),
    _bucket.theirs("CORS", put("cors", [{"origin": ["https://example.com"], "method": ["GET"]}]), "cors"),
    _bucket.theirs("a default event hold", put("defaultEventBasedHold", True), "defaultEventBasedHold"),
    _bucket.marked(put(MARK, None), MARK, MARK),
    _bucket.gone("storage.bucket_iam/{B} *", delete=_emptied(_BUCKET)),
    _object("{B}"),
    _object("{P}-{N}-build"),
    _builds.ours("one more rule of lifecycle", _rule, "lifecycle.rule", "lifecycle.expiry"),
    _builds.theirs("a label", put(LABEL, "{T}"), LABEL),
    _builds.gone("storage.bucket_iam/{P}-{N}-build *", delete=_emptied(_BUILDS)),
    beside(
        "storage.bucket",
        "another bucket",
        "storage",
        ("/storage/v1/b?project={P}", {"name": "theirs-{T}-{P}"}),
        "/storage/v1/b/theirs-{T}-{P}",
        met=("/storage/v1/b",),
    ),
    _repository.ours("clean-up only tried", put("cleanupPolicyDryRun", True), "cleanupPolicyDryRun"),
    _repository.ours(
        "fewer images kept",
        put("cleanupPolicies.keep-latest.mostRecentVersions.keepCount", 1),
        "cleanupPolicies.keep-latest.mostRecentVersions.keepCount",
        "cleanupPolicies.keep-latest",
    ),
    _repository.ours("a label of ours", put("labels.team", "{T}"), "labels.team"),
    _repository.theirs("a label", put(LABEL, "{T}"), LABEL),
    _repository.theirs("a description", put("description", "{T}"), "description"),
    _repository.theirs(
        "another clean-up policy",
        put(
            "cleanupPolicies.theirs",
            {
                "id": "theirs",
                "action": "KEEP",
                "condition": {"tagState": "TAGGED", "tagPrefixes": ["theirs"]},
            },
        ),
        "cleanupPolicies.theirs",
    ),
    _repository.marked(drop(MARK), MARK, MARK),
    _repository.gone(
        "artifactregistry.repository_iam/{N} *",
        "artifactregistry.image/* create",
        may=(*ROLLED, "run.migration/{N} *"),
    ),
    Edit(
        "artifactregistry.image",
        "the tag removed",
        Sort.GONE,
        _tag_removed,
        lambda hand: len(_tagged(hand)),
        told=("artifactregistry.image/* create",),
        may=(*ROLLED, "run.migration/{N} *"),
        met=("/packages/server",),
    ),
    Edit(
        "artifactregistry.image",
        "another tag",
        Sort.THEIRS,
        _tag_added,
        lambda hand: hand.asked("GET", "artifactregistry", f"{_TAGS}/theirs-{{T}}").status == 200,
        met=("/packages/server",),
    ),
    _password.ours("a label of ours", put("labels.team", "{T}"), "labels.team"),
    _password.theirs("a label", put(LABEL, "{T}"), LABEL),
    _password.theirs("an annotation", put("annotations.theirs", "{T}"), "annotations.theirs"),
    _password.marked(drop(MARK), MARK, MARK),
    _lease.theirs("a label of the lease", put(LABEL, "{T}"), LABEL),
    _lease.theirs("an annotation of the lease", put("annotations.theirs", "{T}"), "annotations.theirs"),
    _hooks.theirs("a label", put(LABEL, "{T}"), LABEL),
    _hooks.gone(
        "secretmanager.version/{N}-webhook-key create",
        "secretmanager.secret_iam/{N}-webhook-key *",
        may=ROLLED,
    ),
    beside(
        "secretmanager.secret",
        "another secret",
        "secretmanager",
        (f"{_SECRETS}?secretId=theirs-{{T}}", {"replication": {"automatic": {}}}),
        f"{_SECRETS}/theirs-{{T}}",
        met=("/secrets",),
    ),
    Edit(
        _V,
        "disabled",
        Sort.OURS,
        _each(_PASSWORD, "disable"),
        _newest(_PASSWORD),
        told=("secretmanager.version/{N}-db-password state",),
        met=(_PASSWORD.path,),
    ),
    Edit(
        _V,
        "a newer one of the password",
        Sort.THEIRS,
        _added(_PASSWORD),
        _versions(_PASSWORD),
        met=(_PASSWORD.path,),
        told=("run.service/{N} template.containers.env.*", "sqladmin.user/* password"),
        may=(*ROLLED, "secretmanager.version/*"),
    ),
    Edit(
        _V,
        "a newer one of the key",
        Sort.THEIRS,
        _added(_HOOKS),
        _versions(_HOOKS),
        met=(_HOOKS.path,),
        scenes=(OPEN,),
        told=("run.service/{N} template.containers.env.*",),
        may=(*ROLLED, "secretmanager.version/*"),
    ),
    Edit(
        _V,
        "destroyed",
        Sort.GONE,
        _each(_HOOKS, "destroy"),
        _newest(_HOOKS),
        met=(_HOOKS.path,),
        scenes=(OPEN,),
        told=("secretmanager.version/{N}-webhook-key create",),
        may=ROLLED,
    ),
)
