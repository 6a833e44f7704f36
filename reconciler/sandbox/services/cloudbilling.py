"""Cloud Billing: one open account, which pays for every project of the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam.policy_bindings import requested_version
from reconciler.sandbox.paging import listed
from reconciler.sandbox.store import inner
from reconciler.sandbox.world import Method, Request, World

API: Final = "cloudbilling"
VERSIONS: Final = ("v1",)
ACCOUNT: Final = "billingAccounts/012345-6789AB-CDEF01"
CURRENCY: Final = "EUR"
Function = Callable[[World, Request], Mapping[str, Any]]


def methods(world: World) -> dict[str, Method]:
    """The account, who may do what with it, and which account pays for a project."""
    found: dict[str, Function] = {
        "billingAccounts.get": lambda _world, request: shown(account(request.params["name"])),
        "billingAccounts.list": _list,
        "billingAccounts.getIamPolicy": lambda world, request: world.policies.get(
            account(request.params["resource"]), requested_version(request.params, request.body)
        ),
        "billingAccounts.setIamPolicy": lambda world, request: world.policies.set(
            account(request.params["resource"]), inner(request.body, "policy")
        ),
        "billingAccounts.testIamPermissions": lambda world, request: world.policies.held(
            request.caller, request.body.get("permissions", ()), [account(request.params["resource"])]
        ),
        "projects.getBillingInfo": _info,
    }

    def bound(function: Function) -> Method:
        return lambda request: function(world, request)

    return {name: bound(function) for name, function in found.items()}


def account(name: str) -> str:
    """The account's full name. Raises ApiError 403 for another one, as for one that the caller may not see."""
    if name != ACCOUNT:
        raise ApiError(403, "The caller does not have permission")
    return name


def shown(name: str) -> dict[str, Any]:
    """An account as its own API shows it."""
    return {"name": name, "open": True, "displayName": "Sandbox", "currencyCode": CURRENCY}


def _list(_world: World, request: Request) -> Mapping[str, Any]:
    return listed("billingAccounts", [(ACCOUNT, shown(ACCOUNT))], request.params, default=100, most=100)


def _info(_world: World, request: Request) -> Mapping[str, Any]:
    return {
        "name": f"projects/{request.project}/billingInfo",
        "projectId": request.project,
        "billingAccountName": ACCOUNT,
        "billingEnabled": True,
    }
