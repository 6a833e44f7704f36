"""Cloud Storage: notification configurations, and the account that publishes them; there is no Pub/Sub here.

As measured: a configuration's id is the bucket's metageneration, which every creation and deletion moves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import agents
from reconciler.sandbox.services.storage import NOTIFICATION, Function, change, served
from reconciler.sandbox.storage import bucket_access, buckets
from reconciler.sandbox.storage.bucket_access import bucket_of, demand_on_project
from reconciler.sandbox.storage.bucket_settings import invalid
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Answer, Method, Request, World

API: Final = "storage"
VERSIONS: Final = ("v1",)
EVENTS: Final = (
    "OBJECT_FINALIZE", "OBJECT_METADATA_UPDATE", "OBJECT_DELETE", "OBJECT_ARCHIVE", "OBJECT_INITIALIZE",
)  # fmt: skip
"""In Cloud Storage's order, whatever the order sent; others are dropped."""
MOST_ATTRIBUTES: Final = 5
MOST_OVERLAPPING: Final = 10
_TOPIC: Final = re.compile(r"(?://pubsub\.googleapis\.com/)?(projects/[^/]+/topics/[^/]+)")


def methods(world: World) -> dict[str, Method]:
    """All four; that a topic exists, and that Cloud Storage may publish to it, is taken on trust."""
    functions: dict[str, Function] = {"insert": _insert, "get": _get, "list": _list, "delete": _delete}
    named = {f"notifications.{verb}": function for verb, function in functions.items()}
    return served(world, {**named, "projects.serviceAccount.get": _agent})


def _agent(world: World, request: Request) -> Mapping[str, Any]:
    """The account that Cloud Storage publishes as, made where it was not there."""
    demand_on_project(world, request, "resourcemanager.projects.get")
    number = bucket_access.number_of(world, request.project)
    email, _ = agents.generate(world.store, world.policies, request.project, number, "storage.googleapis.com")
    return {"kind": "storage#serviceAccount", "email_address": email}


def _insert(world: World, request: Request) -> Mapping[str, Any]:
    bucket_of(world, request, "storage.buckets.update")
    name = request.params["bucket"]
    settings = _settings(request.body)
    made: dict[str, Any] = {}

    def apply(old: Body) -> Body:
        known = [body for _, body in world.store.list(NOTIFICATION, f"{name}/")]
        _check_overlap(known, settings.get("event_types", EVENTS))
        identity = old["metageneration"]
        link = f"https://www.googleapis.com/storage/v1/b/{name}/notificationConfigs/{identity}"
        numbers = {"kind": "storage#notification", "selfLink": link, "id": identity, "etag": identity}
        made.update(numbers | settings)
        world.store.create(NOTIFICATION, f"{name}/{int(identity):020d}", made)
        return buckets.bumped(old, world.clock())

    change(world, name, apply)
    return made


def _settings(sent: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration says, in Cloud Storage's form. Raises ApiError 400."""
    if sent.get("payload_format") not in ("JSON_API_V1", "NONE"):
        text = "You must specify a payload format in the 'payload_format' field."
        raise ApiError(400, text, reason="required")
    topic = _TOPIC.fullmatch(str(sent.get("topic") or ""))
    if topic is None:
        raise invalid(
            "Invalid Google Cloud Pub/Sub topic. It should look like '//pubsub.googleapis.com/projects/*/topics/*.'"
        )
    attributes: dict[str, str] = sent.get("custom_attributes") or {}
    _check_attributes(attributes)
    events = [one for one in EVENTS if one in (sent.get("event_types") or ())]
    return {
        "topic": f"//pubsub.googleapis.com/{topic[1]}",
        "payload_format": sent["payload_format"],
        **({"event_types": events} if events else {}),
        **({"custom_attributes": attributes} if attributes else {}),
        **({"object_name_prefix": sent["object_name_prefix"]} if sent.get("object_name_prefix") else {}),
    }


def _check_attributes(attributes: Mapping[str, str]) -> None:
    if len(attributes) > MOST_ATTRIBUTES:
        count = len(attributes)
        raise invalid(f"Maximum of {MOST_ATTRIBUTES} custom attributes, notification config had {count}")
    for key, value in attributes.items():
        if not key:
            raise invalid("Custom attribute keys may not be empty")
        if (size := len(key.encode())) > 256:
            raise invalid(
                f"Notification keys may not be longer than 256 characters, but key '{key}' contains {size} characters."
            )
        if (size := len(value.encode())) > 1024:
            raise invalid(
                f"Notification values may not be longer than 1024 characters, but value '{value}' contains {size} "
                "characters."
            )


def _check_overlap(known: Sequence[Body], events: Sequence[str]) -> None:
    for event in events:
        covering = [one for one in known if event in one.get("event_types", EVENTS)]
        if len(covering) >= MOST_OVERLAPPING:
            raise invalid(f"Too many overlapping notifications. The maximum is {MOST_OVERLAPPING}.")


def _key(world: World, request: Request) -> tuple[str, Body]:
    identity = request.params["notification"]
    key = f"{request.params['bucket']}/{int(identity):020d}" if identity.isdigit() else ""
    body = world.store.get(NOTIFICATION, key)
    if body is None:
        raise ApiError(404, "The requested resource was not found.")
    return key, body


def _get(world: World, request: Request) -> Mapping[str, Any]:
    bucket_of(world, request, "storage.buckets.get")
    return _key(world, request)[1]


def _list(world: World, request: Request) -> Mapping[str, Any]:
    bucket_of(world, request, "storage.buckets.get")
    found = [body for _, body in world.store.list(NOTIFICATION, f"{request.params['bucket']}/")]
    return {"kind": "storage#notifications", **({"items": found} if found else {})}


def _delete(world: World, request: Request) -> Answer:
    bucket_of(world, request, "storage.buckets.update")

    def apply(old: Body) -> Body:
        world.store.delete(NOTIFICATION, _key(world, request)[0])
        return buckets.bumped(old, world.clock())

    change(world, request.params["bucket"], apply)
    return Answer(204)
