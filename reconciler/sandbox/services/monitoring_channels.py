"""Cloud Monitoring: notification channels and the types that there are. Nothing is ever sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.monitoring_forms import (
    check_labels,
    collection,
    fresh_id,
    invalid,
    key,
    masked,
    page,
    plain,
)
from reconciler.sandbox.paging import listed
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.web.fields import check_change
from reconciler.sandbox.world import Method, Request, World

API: Final = "monitoring"
VERSIONS: Final = ("v3",)
CHANNEL: Final = "monitoring.notificationChannel"
POLICY: Final = "monitoring.alertPolicy"
WORD: Final = "notificationChannels"
SERVERS_OWN: Final = ("name", "creationRecord", "mutationRecords", "verificationStatus")
TYPES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    # "Manage notification channels by API": the type, how it is called, and the labels that it needs.
    "email": ("Email", ("email_address",)),
    "google_chat": ("Google Chat", ("space",)),
    "pagerduty": ("PagerDuty", ("service_key",)),
    "pubsub": ("Cloud Pub/Sub", ("topic",)),
    "slack": ("Slack", ("auth_token", "channel_name")),
    "sms": ("SMS", ("number",)),
    "webhook_basicauth": ("Webhook with Basic Authentication", ("password", "url", "username")),
    "webhook_tokenauth": ("Webhook with Token Authentication", ("url",)),
}
SENSITIVE: Final = frozenset({"auth_token", "password", "service_key"})
"""Labels that are never shown again."""
Function = Callable[[World, Request], Mapping[str, Any]]


def methods(world: World) -> dict[str, Method]:
    """Channels are kept and validated; verification codes are not emulated."""
    found: dict[str, Function] = {
        "notificationChannels.create": _create,
        "notificationChannels.get": lambda world, request: _shown(_find(world, request)),
        "notificationChannels.list": _list,
        "notificationChannels.patch": _patch,
        "notificationChannels.delete": _delete,
        "notificationChannelDescriptors.get": _type,
        "notificationChannelDescriptors.list": _types,
    }

    def bound(function: Function) -> Method:
        return lambda request: function(world, request)

    return {f"projects.{name}": bound(function) for name, function in found.items()}


def _find(world: World, request: Request) -> Body:
    body = world.store.get(CHANNEL, key(request, WORD))
    if body is None:
        raise ApiError(404, f"Notification channel not found: {request.params['name']}")
    return body


def _shown(body: Body) -> dict[str, Any]:
    labels = {
        name: "*" * len(value) if name in SENSITIVE else value
        for name, value in inner(body, "labels").items()
    }
    return {**body, "labels": labels}


def _create(world: World, request: Request) -> Mapping[str, Any]:
    name = collection(request, WORD) + fresh_id()
    changed = {"mutateTime": world.now()}
    sent = {field: value for field, value in request.body.items() if field not in SERVERS_OWN}
    body = _settled({**sent, "name": name, "creationRecord": changed, "mutationRecords": [changed]})
    return _shown(world.store.create(CHANNEL, name, body))


def _settled(body: Body) -> Body:
    check_labels("notification_channel", body)
    kind = str(body.get("type", ""))
    if kind not in TYPES:
        raise invalid("notification_channel.type", kind, "There is no such type of notification channel.")
    labels = inner(body, "labels")
    for label in TYPES[kind][1]:
        if not labels.get(label):
            raise invalid(
                f"notification_channel.labels.{label}", "", f"A channel of type {kind} needs this label."
            )
    for label in labels:
        if label not in TYPES[kind][1] and not (kind == "slack" and label == "team"):
            raise invalid(
                "notification_channel.labels", label, f"A channel of type {kind} has no such label."
            )
    enabled = body.get("enabled")
    return plain({**body, "enabled": True if enabled is None else enabled})


def _list(world: World, request: Request) -> Mapping[str, Any]:
    found = {name: _shown(body) for name, body in world.store.list(CHANNEL, collection(request, WORD))}
    return page(request, WORD, found)


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    def change(old: Body) -> Body:
        own = {field: old[field] for field in SERVERS_OWN if field in old}
        mask = request.params.get("updateMask")
        fresh = masked(old, request.body, mask) if mask else dict(request.body)
        check_change("monitoring.NotificationChannel", old, fresh, ("type",))
        records = [{"mutateTime": world.now()}]
        secrets = _unmasked(inner(fresh, "labels"), inner(old, "labels"))
        return _settled({**fresh, **own, "type": old["type"], "labels": secrets, "mutationRecords": records})

    _find(world, request)
    return _shown(world.store.update(CHANNEL, key(request, WORD), change))


def _unmasked(sent: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """Labels with what was sent back masked as it was."""
    return {
        name: old[name] if name in SENSITIVE and name in old and set(value) == {"*"} else value
        for name, value in sent.items()
    }


def _delete(world: World, request: Request) -> Mapping[str, Any]:
    name = key(request, WORD)
    with world.store.transaction():
        _find(world, request)
        users = [
            (policy, body)
            for policy, body in world.store.list(POLICY, collection(request, "alertPolicies"))
            if name in body.get("notificationChannels", ())
        ]
        if users and not request.params.get("force"):
            named = ", ".join(f'"{policy}"' for policy, _ in users)
            text = f'Could not delete "{name}" because it is still being referenced by: {named}'
            raise ApiError(400, text, rpc_status="FAILED_PRECONDITION")
        for policy, body in users:
            left = [one for one in body["notificationChannels"] if one != name]
            world.store.put(POLICY, policy, plain({**body, "notificationChannels": left}))
        world.store.delete(CHANNEL, name)
    return {}


def _descriptor(request: Request, kind: str) -> dict[str, Any]:
    title, labels = TYPES[kind]
    return {
        "name": collection(request, "notificationChannelDescriptors") + kind,
        "type": kind,
        "displayName": title,
        "description": f"A channel that sends notifications by {title}.",
        "labels": [{"key": label} for label in labels],
        "launchStage": "GA",
    }


def _type(_world: World, request: Request) -> Mapping[str, Any]:
    kind = str(request.params["name"]).rpartition("/")[2]
    if kind not in TYPES:
        raise ApiError(404, f"There is no notification channel type {kind}.")
    return _descriptor(request, kind)


def _types(_world: World, request: Request) -> Mapping[str, Any]:
    items = [(kind, _descriptor(request, kind)) for kind in sorted(TYPES)]
    return listed("channelDescriptors", items, request.params, default=1000, most=1000)
