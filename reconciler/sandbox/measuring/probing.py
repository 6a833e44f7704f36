"""Uptime checks at work: each asks the real server once, on demand, through the front door as Google would."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from reconciler.sandbox.iam import agents
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.world import Content, Headers, Visit, World

CHECK: Final = "monitoring.uptimeCheckConfig"
RESULT: Final = "monitoring.uptimeResult"
SERVICE: Final = "monitoring.googleapis.com"
USER_AGENT: Final = "GoogleStackdriverMonitoring-UptimeChecks(https://cloud.google.com/monitoring)"
PLACES: Final = (
    "apac-singapore", "eur-belgium", "sa-brazil-sao_paulo", "usa-iowa", "usa-oregon", "usa-virginia",
)  # fmt: skip
"""Where Google asks from; here one answer stands for all of them."""
CHECKER: Final = ("35.187.242.246", 0)
"""One of the addresses that Google asks from."""
_CLASSES: Final = {f"STATUS_CLASS_{digit}XX": range(digit * 100, digit * 100 + 100) for digit in range(1, 6)}


@dataclass
class _Answer:
    """What came back."""

    status: int = 0
    body: bytearray = field(default_factory=bytearray)

    def respond(self, status: int, headers: Headers, content: Content, /) -> None:
        """Take an answer."""
        del headers
        self.status = status
        for piece in (content,) if isinstance(content, bytes) else content:
            self.body += piece


def probe(world: World, project: str) -> list[dict[str, Any]]:
    """Ask everything that the project's uptime checks ask, and keep the answers.

    Each: {check, displayName, url, status, passed, reason, seconds}.
    """
    found: list[dict[str, Any]] = []
    for name, check in world.store.list(CHECK, f"projects/{project}/"):
        if check.get("disabled") or "httpCheck" not in check:
            continue
        result = _ask(world, project, check)
        world.store.put(RESULT, name, {**result, "time": world.clock().timestamp()})
        found.append({"check": name, "displayName": check["displayName"], **result})
    return found


def _ask(world: World, project: str, check: Body) -> dict[str, Any]:
    http, host = (
        inner(check, "httpCheck"),
        str(inner(check, "monitoredResource").get("labels", {}).get("host", "")),
    )
    url = f"{'https' if http.get('useSsl') else 'http'}://{host}{http['path']}"
    began, answer = time.monotonic(), _Answer()
    if not _resolves(world, host):
        return {
            "url": url,
            "status": 0,
            "passed": False,
            "reason": f"{host} cannot be reached",
            "seconds": 0.0,
        }
    visit = Visit(
        method=http.get("requestMethod", "GET"),
        target=http["path"],
        headers=_headers(world, project, host, http),
        body=io.BytesIO(),
        host=host,
        scheme="https",
        peer=CHECKER,
        local_port=443,
        respond=answer.respond,
    )
    if world.runtime is not None:
        world.runtime.front_door(visit)
    seconds = round(time.monotonic() - began, 3)
    reason = _complaint(check, answer, seconds)
    return {"url": url, "status": answer.status, "passed": not reason, "reason": reason, "seconds": seconds}


def _resolves(world: World, host: str) -> bool:
    services = world.runtime.services() if world.runtime else []
    return host.endswith(".run.app") or f"https://{host}" in {one["url"] for one in services}


def _headers(world: World, project: str, host: str, http: Mapping[str, Any]) -> list[tuple[str, str]]:
    headers = [("Host", host), ("User-Agent", USER_AGENT), *inner(http, "headers").items()]
    if "serviceAgentAuthentication" in http:
        known = world.projects.get(project)
        number = known.number if known else ""
        email = agents.address_of(agents.agent_of(SERVICE), number)
        headers.append(
            ("Authorization", f"Bearer {world.identities.mint_id_token(email, f'https://{host}')}")
        )
    return [(name, str(value)) for name, value in headers]


def _complaint(check: Body, answer: _Answer, seconds: float) -> str:
    """Why the check fails, "" where it passes."""
    http = inner(check, "httpCheck")
    accepted = cast("list[Mapping[str, Any]]", http.get("acceptedResponseStatusCodes") or [])
    if not _accepted(accepted or [{"statusClass": "STATUS_CLASS_2XX"}], answer.status):
        return f"answered {answer.status}"
    limit = float(str(check["timeout"]).removesuffix("s"))
    if seconds > limit:
        return f"took {seconds:.1f} s, more than {limit:.0f} s"
    for matcher in cast("list[Mapping[str, Any]]", check.get("contentMatchers") or [])[:1]:
        if (
            matcher.get("matcher", "CONTAINS_STRING"),
            str(matcher.get("content")).encode() in answer.body,
        ) == (
            "CONTAINS_STRING",
            False,
        ):
            return f"the answer does not contain {matcher.get('content')!r}"
    return ""


def _accepted(accepted: list[Mapping[str, Any]], status: int) -> bool:
    return any(
        status == one.get("statusValue")
        or one.get("statusClass") == "STATUS_CLASS_ANY"
        or status in _CLASSES.get(str(one.get("statusClass")), range(0))
        for one in accepted
    )
