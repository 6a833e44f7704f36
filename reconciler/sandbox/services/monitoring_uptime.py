"""Cloud Monitoring: uptime checks, kept and validated. They ask on demand (`measuring.probing`)."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import agents
from reconciler.sandbox.monitoring_forms import check_labels, collection, invalid, key, masked, page, plain
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.web.fields import check_change, fixed_fields
from reconciler.sandbox.world import Method, Request, World

API: Final = "monitoring"
VERSIONS: Final = ("v3",)
CHECK: Final = "monitoring.uptimeCheckConfig"
WORD: Final = "uptimeCheckConfigs"
PERIODS: Final = ("60s", "300s", "600s", "900s")
FIXED: Final = tuple(sorted(fixed_fields("monitoring.UptimeCheckConfig")))
HIDDEN: Final = "******"
"""How a password, and a header that is to be masked, is shown."""
FEWEST_REGIONS: Final = 3
Function = Callable[[World, Request], Mapping[str, Any]]


def methods(world: World) -> dict[str, Method]:
    """Checks of HTTP and TCP; the addresses that Google checks from are not listed."""
    found: dict[str, Function] = {
        "create": _create,
        "get": lambda world, request: _shown(_find(world, request)),
        "list": _list,
        "patch": _patch,
        "delete": _delete,
    }

    def bound(function: Function) -> Method:
        return lambda request: function(world, request)

    return {f"projects.uptimeCheckConfigs.{verb}": bound(function) for verb, function in found.items()}


def _find(world: World, request: Request) -> Body:
    body = world.store.get(CHECK, key(request, WORD))
    if body is None:
        check = str(request.params["name"]).rpartition("/")[2]
        raise ApiError(404, f"Config not found for check {check} in project {request.project}")
    return body


def _create(world: World, request: Request) -> Mapping[str, Any]:
    slug = re.sub(r"[^a-z0-9]+", "-", str(request.body.get("displayName", "")).lower()).strip("-")[:50]
    name = f"{collection(request, WORD)}{slug}-{secrets.token_urlsafe(8)}"
    body = _settled(request, {**request.body, "name": name}, {})
    _introduce(world, request, body)
    return _shown(world.store.create(CHECK, name, body))


def _introduce(world: World, request: Request, check: Body) -> None:
    """Make Monitoring's agent in the project, with the first check that shows itself as it."""
    known = world.projects.get(request.project)
    if known is not None and "serviceAgentAuthentication" in inner(check, "httpCheck"):
        agents.at_work(
            world.store, world.policies, request.project, known.number, "monitoring.googleapis.com"
        )


def _settled(request: Request, body: Body, old: Body) -> Body:
    """A check in normal form, with its defaults. Raises ApiError 400."""
    if not body.get("displayName"):
        raise invalid("uptime_check_config.display_name", "", "A display name must be given.")
    check_labels("uptime_check_config", body)
    if sum(kind in body for kind in ("monitoredResource", "resourceGroup", "syntheticMonitor")) != 1:
        text = "Exactly one of monitored_resource, resource_group and synthetic_monitor must be given."
        raise invalid("uptime_check_config.resource", "", text)
    if sum(kind in body for kind in ("httpCheck", "tcpCheck", "syntheticMonitor")) != 1:
        text = "Exactly one of http_check, tcp_check and synthetic_monitor must be given."
        raise invalid("uptime_check_config.check_request_type", "", text)
    period = body.get("period") or "60s"
    if period not in PERIODS:
        raise invalid(
            "uptime_check_config.period", period, f"The period must be one of {', '.join(PERIODS)}."
        )
    timeout = str(body.get("timeout") or "")
    if not timeout or not 1 <= float(timeout.removesuffix("s")) <= 60:
        raise invalid("uptime_check_config.timeout", timeout, "The timeout must be from 1s to 60s.")
    regions: list[str] = body.get("selectedRegions") or []
    # USA alone has three places that check.
    if regions and "USA" not in regions and len(regions) < FEWEST_REGIONS:
        text = f"The regions must have {FEWEST_REGIONS} locations or more."
        raise invalid("uptime_check_config.selected_regions", ",".join(regions), text)
    settled = {"checkerType": "STATIC_IP_CHECKERS", **body, "period": period}
    if "monitoredResource" in body:
        settled["monitoredResource"] = _resource(request, body["monitoredResource"])
    if "httpCheck" in body:
        settled["httpCheck"] = _http(body["httpCheck"], inner(old, "httpCheck"))
    return plain(settled)


def _resource(request: Request, resource: Mapping[str, Any]) -> dict[str, Any]:
    labels = {"project_id": request.project, **inner(resource, "labels")}
    if resource.get("type") == "uptime_url" and not labels.get("host"):
        raise invalid(
            "uptime_check_config.monitored_resource.labels", "", "An uptime_url needs the label host."
        )
    return {**resource, "labels": labels}


def _http(check: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    method = check.get("requestMethod") or "GET"
    method = "GET" if method == "METHOD_UNSPECIFIED" else method
    if check.get("body") and method != "POST":
        raise invalid("uptime_check_config.http_check.body", "", "A body goes with POST only.")
    path = str(check.get("path") or "/")
    headers = {
        name: inner(old, "headers").get(name, value) if value == HIDDEN else value
        for name, value in inner(check, "headers").items()
    }
    if method == "POST" and check.get("body"):
        headers.setdefault("Content-Length", str(len(base64.b64decode(check["body"]))))
    login = inner(check, "authInfo")
    if login and "serviceAgentAuthentication" in check:
        why = "Only one of auth_info and auth_method may be set."
        raise invalid("uptime_check_config.http_check", "", why)
    if login.get("password") == HIDDEN:
        login = {**login, "password": inner(old, "authInfo").get("password", HIDDEN)}
    return {
        **check,
        "requestMethod": method,
        "path": path if path.startswith("/") else f"/{path}",
        "port": check.get("port") or (443 if check.get("useSsl") else 80),
        "headers": headers,
        "authInfo": login,
    }


def _shown(body: Body) -> dict[str, Any]:
    check = inner(body, "httpCheck")
    if not check:
        return body
    shown = dict(check)
    if inner(check, "authInfo").get("password"):
        shown["authInfo"] = {**check["authInfo"], "password": HIDDEN}
    if check.get("maskHeaders") and check.get("headers"):
        shown["headers"] = dict.fromkeys(check["headers"], HIDDEN)
    return {**body, "httpCheck": shown}


def _list(world: World, request: Request) -> Mapping[str, Any]:
    found = {name: _shown(body) for name, body in world.store.list(CHECK, collection(request, WORD))}
    return page(request, WORD, found)


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    def change(old: Body) -> Body:
        mask = request.params.get("updateMask")
        fresh = masked(old, request.body, mask) if mask else dict(request.body)
        fixed = {field: old[field] for field in FIXED if field in old}
        named = [field for field in fixed if field != "monitoredResource"]
        check_change(
            "monitoring.UptimeCheckConfig", fixed, fresh, named, lambda one, known: plain(one) == known
        )
        return _settled(request, {**fresh, **fixed, "name": old["name"]}, old)

    _find(world, request)
    changed = world.store.update(CHECK, key(request, WORD), change)
    _introduce(world, request, changed)
    return _shown(changed)


def _delete(world: World, request: Request) -> Mapping[str, Any]:
    _find(world, request)
    world.store.delete(CHECK, key(request, WORD))
    return {}
