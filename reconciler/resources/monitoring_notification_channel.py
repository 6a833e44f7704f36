"""Who is told: one channel for each address of the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp.cloud import Cloud
from reconciler.labelled_kind import LABELS, LabelledKind, Live, labelled, labels_on, owner_of
from reconciler.model import Body, Desired, Json, Ref
from reconciler.server.naming import Names, labels_of
from reconciler.spec.deployment import Deployment

NAME: Final = "monitoring.notification_channel"
ADDRESS: Final = "labels.email_address"


def _wanted(deployment: Deployment, names: Names) -> Iterable[Desired]:
    """A channel for each address, where monitoring is on."""
    watched = deployment.monitoring
    for position, address in enumerate(watched.emails if watched.enabled else ()):
        yield Desired(
            ref(names, address),
            {
                "type": "email",
                "displayName": f"MLflow {deployment.name}: {address}",
                "enabled": True,
                ADDRESS: address,
                **flat.prefixed(LABELS, labels_of(deployment)),
            },
            fixed=frozenset({"type"}),
            effects={"enabled": "alerts are mailed there again"},
            origins={"": deployment.origin(f"monitoring.emails.{position}")},
        )


def _key(live: Live) -> str:
    return _escaped(str(flat.at(live, ADDRESS) or ""))


def _escaped(address: str) -> str:
    return quote(address, safe="@+")


def _shown(cloud: Cloud, live: Live) -> Mapping[str, Json]:
    del cloud
    return {
        "type": live.get("type"),
        "displayName": live.get("displayName", ""),
        "enabled": bool(live.get("enabled", True)),
        ADDRESS: flat.at(live, ADDRESS),
        **flat.prefixed(LABELS, labels_on(live)),
    }


def _message(cloud: Cloud, body: Body, live: Live) -> dict[str, Any]:
    del cloud
    plain = {key: value for key, value in body.items() if "." not in key}
    return {**plain, "labels": flat.under("labels", body), LABELS: labelled(body, live)}


NOTIFICATION_CHANNEL: Final = LabelledKind(
    NAME, "notificationChannels", "notification channel", _wanted, _key, _shown, _message
)
"""`monitoring.notification_channel`: mail to one address."""


def ref(names: Names, address: str) -> Ref:
    """The channel for *address*."""
    return NOTIFICATION_CHANNEL.ref(names, _escaped(address))


def addresses(cloud: Cloud, deployment: str) -> dict[str, str]:
    """The addresses of *deployment*'s channels by the channels' full names."""
    return {
        str(one["name"]): unquote(_key(one))
        for one in NOTIFICATION_CHANNEL.live(cloud)
        if owner_of(one) == deployment
    }


def named(cloud: Cloud, deployment: str, told: list[str]) -> list[str]:
    """Full names of channels, for *deployment*'s addresses and for what is a full name already."""
    names = {address: name for name, address in reversed(addresses(cloud, deployment).items())}
    missing = [one for one in told if one not in names and "@" in one]
    if missing:
        raise errors.VersionMoved(f"there is no notification channel for {', '.join(missing)} yet")
    return [names.get(one, one) for one in told]
