"""The question that Google asks from outside: does the server answer, from its database?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.gcp import fields as flat
from reconciler.gcp.cloud import Cloud
from reconciler.labelled_kind import LABELS, LabelledKind, Live, labelled, labels_on
from reconciler.model import Body, Desired, Json, Ref
from reconciler.server import alerts
from reconciler.server.naming import Names, labels_of
from reconciler.spec.deployment import Deployment

NAME: Final = "monitoring.uptime_check"
KEY: Final = "server"
TIMEOUT: Final = "60s"
"""The longest there is: the first request after a quiet hour waits for an instance to start."""
AGENT: Final = "httpCheck.serviceAgentAuthentication.type"
NESTED: Final = ("httpCheck", "monitoredResource")


def _wanted(deployment: Deployment, names: Names) -> Iterable[Desired]:
    """The check, where it is wanted and the server lets Google in; it may fail before anybody is told of that."""
    if not alerts.is_probed(deployment):
        return
    yield Desired(
        ref(names),
        {
            "displayName": f"MLflow {deployment.name}: server and database",
            "disabled": False,
            "period": f"{deployment.monitoring.uptime_minutes * alerts.MINUTE}s",
            "timeout": TIMEOUT,
            "httpCheck.path": alerts.PROBE_PATH,
            "httpCheck.requestMethod": "GET",
            "httpCheck.useSsl": True,
            "httpCheck.validateSsl": True,
            AGENT: "OIDC_TOKEN" if alerts.caller(deployment) == "agent" else None,
            "monitoredResource.type": "uptime_url",
            "monitoredResource.labels.host": names.host,
            **flat.prefixed(LABELS, labels_of(deployment)),
        },
        fixed=frozenset({"monitoredResource.type", "monitoredResource.labels.host"}),
        effects={"period": "each probe keeps an instance awake, and a new one waits for it to start"},
        origins={"": deployment.origin("monitoring.uptime_minutes"), AGENT: deployment.origin("auth.mode")},
    )


def _key(live: Live) -> str:
    del live
    return KEY


def _shown(cloud: Cloud, live: Live) -> Mapping[str, Json]:
    del cloud
    http: dict[str, Any] = live.get("httpCheck") or {}
    return {
        "displayName": live.get("displayName", ""),
        "disabled": bool(live.get("disabled")),
        "period": live.get("period"),
        "timeout": live.get("timeout"),
        "httpCheck.path": http.get("path"),
        "httpCheck.requestMethod": http.get("requestMethod"),
        "httpCheck.useSsl": bool(http.get("useSsl")),
        "httpCheck.validateSsl": bool(http.get("validateSsl")),
        AGENT: flat.at(http, "serviceAgentAuthentication.type"),
        "monitoredResource.type": flat.at(live, "monitoredResource.type"),
        "monitoredResource.labels.host": flat.at(live, "monitoredResource.labels.host"),
        **flat.prefixed(LABELS, labels_on(live)),
    }


def _message(cloud: Cloud, body: Body, live: Live) -> dict[str, Any]:
    del cloud
    message: dict[str, Any] = {key: value for key, value in body.items() if "." not in key}
    wanted: dict[str, Any] = {key: value for key, value in body.items() if key != AGENT}
    if AGENT in body:
        wanted["httpCheck.serviceAgentAuthentication"] = {"type": body[AGENT]} if body[AGENT] else None
    for parent in NESTED:
        message[parent] = flat.with_map(live.get(parent), flat.nested(flat.under(parent, wanted)))
    return {**message, LABELS: labelled(body, live)}


UPTIME_CHECK: Final = LabelledKind(
    NAME, "uptimeCheckConfigs", "uptime check", _wanted, _key, _shown, _message, parent="parent"
)
"""`monitoring.uptime_check`: asks the server from several places of the world."""


def ref(names: Names) -> Ref:
    """The deployment's check."""
    return UPTIME_CHECK.ref(names, KEY)
