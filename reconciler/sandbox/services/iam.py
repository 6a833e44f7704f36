"""IAM: service accounts and their policies. Keys are in iam_keys."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import identities
from reconciler.sandbox.iam.accounts import (
    account_of,
    deleted_member,
    forbidden,
    full_name,
    name_of,
    settled,
)
from reconciler.sandbox.iam.oauth import KEY
from reconciler.sandbox.iam.policy_bindings import plain_etag, requested_version
from reconciler.sandbox.paging import listed
from reconciler.sandbox.seeding import ACCOUNT, account_exists
from reconciler.sandbox.store import Body, Exists
from reconciler.sandbox.web.fields import check_open
from reconciler.sandbox.world import Method, Request, World, timestamp

API: Final = "iam"
VERSIONS: Final = ("v1",)
ACCOUNT_ID: Final = re.compile(r"[a-z](?:[-a-z0-9]{4,28}[a-z0-9])")
MOST_ACCOUNTS: Final = 100
"""Google's default quota of service accounts in a project."""
UNDELETE_DAYS: Final = 30


def methods(world: World) -> dict[str, Method]:
    """What of IAM is emulated."""
    found: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "create": _create,
        "get": lambda world, request: _shown(account_of(world, request)),
        "list": _list,
        "patch": _patch,
        "update": _update,
        "delete": _delete,
        "undelete": _undelete,
        "enable": lambda world, request: _switch(world, request, disabled=False),
        "disable": lambda world, request: _switch(world, request, disabled=True),
        "getIamPolicy": _get_policy,
        "setIamPolicy": _set_policy,
        "testIamPermissions": _test_permissions,
    }

    def bound(function: Callable[[World, Request], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request)

    return {f"projects.serviceAccounts.{verb}": bound(function) for verb, function in found.items()}


def _get_policy(world: World, request: Request) -> Mapping[str, Any]:
    return world.policies.get(_resource(world, request), requested_version(request.params, request.body))


def _set_policy(world: World, request: Request) -> Mapping[str, Any]:
    mask = str(request.body.get("updateMask", ""))
    return world.policies.set(_resource(world, request), request.body.get("policy", {}), mask)


def _resource(world: World, request: Request) -> str:
    return full_name(account_of(world, request))


def _shown(account: Body) -> dict[str, Any]:
    shown = {
        "name": full_name(account),
        "projectId": account["projectId"],
        "uniqueId": account["uniqueId"],
        "email": account["email"],
        "etag": account.get("etag", "MDEwMjE5MjA="),
        "oauth2ClientId": account["uniqueId"],
    }
    for optional in ("displayName", "description", "disabled"):
        if account.get(optional):
            shown[optional] = account[optional]
    return shown


def _etag(world: World) -> str:
    return base64.b64encode(int(world.clock().timestamp() * 1e6).to_bytes(8, "big")).decode()


def _check_id(account_id: str) -> None:
    if not 6 <= len(account_id) <= 30:
        raise ApiError(400, f'The account ID "{account_id}" does not have a length between 6 and 30.')
    if ACCOUNT_ID.fullmatch(account_id) is None:
        text = "Invalid service account ID, must match the pattern: [a-z]([-a-z0-9]*[a-z0-9])"
        raise ApiError(400, f'The account ID "{account_id}" is not valid. {text}')


def _check_texts(account: Mapping[str, Any]) -> None:
    if len(account.get("displayName", "").encode()) > 100:
        raise ApiError(400, "The display name must not be longer than 100 bytes.")
    if len(account.get("description", "").encode()) > 256:
        raise ApiError(400, "The description must not be longer than 256 bytes.")


def _create(world: World, request: Request) -> Mapping[str, Any]:
    account_id = request.body.get("accountId", "")
    sent: dict[str, Any] = request.body.get("serviceAccount", {})
    if world.conditions.forbids("iam.disableServiceAccountCreation"):
        raise forbidden(
            "iam.disableServiceAccountCreation", "Service account creation", f"projects/{request.project}"
        )
    _check_id(account_id)
    _check_texts(sent)
    email = f"{account_id}@{request.project}.iam.gserviceaccount.com"
    stored = f"{request.project}/{email}"
    with world.store.transaction():
        if (
            sum(not body.get("deleted") for _, body in world.store.list(ACCOUNT, f"{request.project}/"))
            >= MOST_ACCOUNTS
        ):
            text = f"Maximum number of service accounts on project reached: {MOST_ACCOUNTS}."
            raise ApiError(429, text, reason="rateLimitExceeded")
        old = world.store.get(ACCOUNT, stored)
        if old is not None and old.get("deleted"):
            # A deleted account keeps its record for undelete; a new one of the same name is another account.
            world.store.delete(ACCOUNT, stored)
            world.store.put(ACCOUNT, f"{stored}?uid={old['uniqueId']}", old)
        body: Body = {
            "email": email,
            "projectId": request.project,
            "uniqueId": _unique_id(world, email),
            "created": world.now(),
            "etag": _etag(world),
            **{key: sent[key] for key in ("displayName", "description") if key in sent},
        }
        try:
            world.store.create(ACCOUNT, stored, body)
        except Exists as error:
            text = f"Service account {account_id} already exists within project projects/{request.project}."
            raise ApiError(409, text) from error
    return _shown(body)


def _unique_id(world: World, email: str) -> str:
    return identities.subject_of(f"{email} {world.now()}")


def _list(world: World, request: Request) -> Mapping[str, Any]:
    items = [
        (name, _shown(body))
        for name, body in world.store.list(ACCOUNT, f"{request.project}/")
        if not body.get("deleted") and settled(body, world.conditions, world.clock())
    ]
    return listed("accounts", items, request.params, default=20, most=100)


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    sent: dict[str, Any] = request.body.get("serviceAccount", {})
    names = {"display_name": "displayName"}
    asked = [field for field in str(request.body.get("updateMask", "")).split(",") if field]
    fields = [names.get(field, field) for field in asked]
    check_open("iam.ServiceAccount", fields, ("etag",))
    changed = _changed(world, request, sent, fields)
    # Recorded: the answer holds what was patched, and nothing else of the account.
    return {key: value for key, value in changed.items() if key == "name" or key in fields}


def _update(world: World, request: Request) -> Mapping[str, Any]:
    return _changed(world, request, request.body, ["displayName", "description"])


def _changed(world: World, request: Request, sent: Mapping[str, Any], fields: list[str]) -> dict[str, Any]:
    account = account_of(world, request)
    _check_texts(sent)
    if sent.get("etag") and plain_etag(sent["etag"]) != plain_etag(_shown(account)["etag"]):
        text = "There were concurrent changes to the service account. Please retry the read-modify-write."
        raise ApiError(409, text, rpc_status="ABORTED")
    fresh = {field: sent.get(field, "") for field in fields if field != "etag"}

    def change(old: Body) -> Body:
        return {**old, **fresh, "etag": _etag(world)}

    return _shown(world.store.update(ACCOUNT, account["stored"], change))


def _switch(world: World, request: Request, *, disabled: bool) -> Mapping[str, Any]:
    account = account_of(world, request)
    world.store.update(ACCOUNT, account["stored"], lambda old: {**old, "disabled": disabled})
    return {}


def _delete(world: World, request: Request) -> Mapping[str, Any]:
    account = account_of(world, request)
    with world.store.transaction():
        world.store.update(ACCOUNT, account["stored"], lambda old: {**old, "deleted": world.now()})
        world.policies.forget(full_name(account))
        _rename(world, f"serviceAccount:{account['email']}", deleted_member(account))
        for name, _ in world.store.list(KEY, f"{account['email']}/"):
            world.store.delete(KEY, name)
    return {}


def _undelete(world: World, request: Request) -> Mapping[str, Any]:
    wanted = name_of(request).rpartition("/")[2]
    oldest = timestamp(world.clock() - timedelta(days=UNDELETE_DAYS))
    for stored, body in world.store.list(ACCOUNT):
        if body["uniqueId"] == wanted and body.get("deleted", "") >= oldest:
            if account_exists(world.store, body["email"]):
                raise ApiError(409, f"Service account {body['email']} already exists.")
            restored = {key: value for key, value in body.items() if key != "deleted"}
            with world.store.transaction():
                world.store.delete(ACCOUNT, stored)
                world.store.put(ACCOUNT, f"{body['projectId']}/{body['email']}", restored)
                _rename(world, deleted_member(body), f"serviceAccount:{body['email']}")
            return {"restoredAccount": _shown(restored)}
    raise ApiError(404, f"Unable to find deleted service account {wanted}.")


def _rename(world: World, old: str, new: str) -> None:
    world.policies.rename_member(old, new)
    world.identities.rename_member(old, new)


def _test_permissions(world: World, request: Request) -> Mapping[str, Any]:
    account = account_of(world, request)
    resources = [full_name(account), f"projects/{account['projectId']}"]
    return world.policies.held(request.caller, request.body.get("permissions", ()), resources)
