"""Identity-Aware Proxy: who passes it to a Cloud Run service, and its settings. What it does is at the front door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError, not_emulated
from reconciler.sandbox.iam import iap
from reconciler.sandbox.iam.iap import Place
from reconciler.sandbox.iam.policy_bindings import requested_version
from reconciler.sandbox.runtime.engine import SERVICE
from reconciler.sandbox.world import Method, Request, World

API: Final = "iap"
VERSIONS: Final = ("v1",)
_SETTINGS: Final = ("accessSettings", "oauthSettings", "programmaticClients")
"""The one setting that is emulated, by its path."""


def methods(world: World) -> dict[str, Method]:
    """What of Identity-Aware Proxy is emulated."""
    return {
        "getIamPolicy": lambda request: _policy(world, request),
        "setIamPolicy": lambda request: _set_policy(world, request),
        "testIamPermissions": lambda request: _held(world, request),
        "getIapSettings": lambda request: _settings(world, request),
        "updateIapSettings": lambda request: _set_settings(world, request),
    }


def _place(world: World, request: Request) -> Place:
    name = str(request.params.get("resource") or request.params.get("name"))
    place = iap.place_of(name, request.project)
    if place is None:
        raise not_emulated(
            request.http_method, request.path, "Identity-Aware Proxy before anything but Cloud Run"
        )
    if place.service and world.store.get(SERVICE, place.run_name) is None:
        raise ApiError(404, "Requested entity was not found.")
    return place


def _policy(world: World, request: Request) -> Mapping[str, Any]:
    version = requested_version(request.params, request.body)
    return world.policies.get(_place(world, request).above[0], version)


def _set_policy(world: World, request: Request) -> Mapping[str, Any]:
    return world.policies.set(_place(world, request).above[0], request.body.get("policy", {}))


def _held(world: World, request: Request) -> Mapping[str, Any]:
    asked = request.body.get("permissions", ())
    return world.policies.held(request.caller, asked, _place(world, request).above)


def _settings(world: World, request: Request) -> Mapping[str, Any]:
    return {
        **(world.store.get(iap.SETTINGS, _place(world, request).above[0]) or {}),
        "name": _name(world, request),
    }


def _set_settings(world: World, request: Request) -> Mapping[str, Any]:
    place, sent = _place(world, request), {key: value for key, value in request.body.items() if key != "name"}
    inner: Any = sent
    for step in _SETTINGS:
        unknown = sorted(set(inner) - {step})
        if unknown:
            raise not_emulated(
                request.http_method, request.path, f"settings other than {'.'.join(_SETTINGS)}"
            )
        inner = inner.get(step, {})
    world.store.put(iap.SETTINGS, place.above[0], sent)
    return _settings(world, request)


def _name(world: World, request: Request) -> str:
    """The resource's name as it is answered: with the project's number."""
    known = world.projects.get(request.project)
    rest = str(request.params.get("name")).split("/", 2)[2]
    return f"projects/{known.number if known else request.project}/{rest}"
