"""Fires the jobs of Cloud Scheduler: looks who is due, calls their targets, and keeps how that went.

A call to *.googleapis.com or *.run.app comes back to the sandbox's own port, as the service account whose token it
carries: what that may not do fails here as on Google Cloud. Nothing is called outside of this machine.
"""

from __future__ import annotations

import base64
import http.client
import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from reconciler.sandbox.errors import RPC_NUMBER
from reconciler.sandbox.iam import accounts, agents
from reconciler.sandbox.logs import entries
from reconciler.sandbox.scheduling.cron import Schedule
from reconciler.sandbox.store import Body, Missing
from reconciler.sandbox.web import tls
from reconciler.sandbox.world import World, timestamp

JOB: Final = "cloudscheduler.job"
"""By full name: {"job": as the API shows it, "attempt": how many failed in a row, "forced": whether to fire now}."""
LOG: Final = "cloudscheduler.googleapis.com/executions"
SERVICE: Final = "cloudscheduler.googleapis.com"
_TURN_SECONDS: Final = 0.25
_AT_ONCE: Final = 4
_STATUS: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED",
    429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}  # fmt: skip
_LOCAL: Final = ("127.0.0.1", "localhost")


class Failed(Exception):
    """An attempt came to nothing: *status* is the gRPC name, *why* what the log says."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


def next_time(world: World, job: Mapping[str, Any]) -> str:
    """When a job is due next, as Google writes it."""
    return timestamp(Schedule(job["schedule"], job["timeZone"]).after(world.clock()))


def start(world: World, stop: threading.Event) -> None:
    """Watch the jobs until *stop* is set. What was due while the sandbox was away is not made up for."""
    for name, stored in world.store.list(JOB):
        if stored["job"]["state"] == "ENABLED":
            world.store.update(JOB, name, lambda old: _rescheduled(world, old))
    threading.Thread(target=_watch, args=(world, stop), name="schedules", daemon=True).start()


def _watch(world: World, stop: threading.Event) -> None:
    running: set[str] = set()
    with ThreadPoolExecutor(_AT_ONCE, "schedule") as pool:
        while not stop.wait(_TURN_SECONDS):
            now = world.now()
            for name, stored in world.store.list(JOB):
                due = stored.get("forced") or stored["job"].get("scheduleTime", "9") <= now
                if due and name not in running:  # an execution begins when the one before has ended
                    running.add(name)
                    pool.submit(_execute, world, name, stored).add_done_callback(
                        lambda _, name=name: running.discard(name)
                    )


def _execute(world: World, name: str, stored: Body) -> None:
    try:
        job = stored["job"]
        began = world.clock()
        _update(world, name, lambda old: {**old, "forced": False})
        status, why, code = _attempted(world, job, began)
        _note(world, job, status, why, code)
        _update(world, name, lambda old: _after(world, old, began, status))
    except Exception:
        traceback.print_exc()


def _update(world: World, name: str, change: Callable[[Body], Body]) -> None:
    try:
        world.store.update(JOB, name, change)
    except Missing:
        return  # deleted while it was being called


def _attempted(world: World, job: Mapping[str, Any], began: datetime) -> tuple[str, str, int]:
    """(gRPC status, what the log says, HTTP status) of one call."""
    try:
        code = _call(world, job, began)
    except Failed as failed:
        return failed.status, failed.why, 0
    if 200 <= code < 300:
        return "OK", "", code
    return (
        _STATUS.get(code, "UNKNOWN"),
        f"URL_ERROR-ERROR_OTHER. Original HTTP response code number = {code}",
        code,
    )


def _call(world: World, job: Mapping[str, Any], began: datetime) -> int:
    target = job["httpTarget"]
    parts = urlsplit(str(target["uri"]))
    host = str(parts.hostname)
    port = world.port if tls.serves(host) else parts.port or 80
    if not tls.serves(host) and host not in _LOCAL:
        raise Failed(
            "UNAVAILABLE", f"URL_UNREACHABLE. The sandbox calls nobody outside of this machine: {host}"
        )
    headers: dict[str, str] = {
        **target["headers"],
        "Host": parts.netloc,
        "X-CloudScheduler": "true",
        "X-CloudScheduler-JobName": job["name"].rsplit("/", 1)[-1],
        "X-CloudScheduler-ScheduleTime": timestamp(began),
        **_authorization(world, job["name"].split("/")[1], target),
    }
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=float(job["attemptDeadline"].removesuffix("s"))
    )
    try:
        path = parts._replace(scheme="", netloc="", fragment="").geturl()
        connection.request(target["httpMethod"], path, base64.b64decode(target.get("body", "")), headers)
        return connection.getresponse().status
    except TimeoutError as error:
        raise Failed("DEADLINE_EXCEEDED", "URL_TIMEOUT") from error
    except (OSError, http.client.HTTPException) as error:
        raise Failed("UNAVAILABLE", f"URL_UNREACHABLE. {error}") from error
    finally:
        connection.close()


def _authorization(world: World, project: str, target: Mapping[str, Any]) -> dict[str, str]:
    """The token that the job's service account is given: Cloud Scheduler's agent mints it, where it may."""
    for name, permission in (("oauthToken", "getAccessToken"), ("oidcToken", "getOpenIdToken")):
        if name not in target:
            continue
        email = target[name]["serviceAccountEmail"]
        resource = f"projects/{project}/serviceAccounts/{email}"
        known = world.projects.get(project)
        agent = agents.at_work(world.store, world.policies, project, known.number if known else "", SERVICE)
        whole = f"iam.serviceAccounts.{permission}"
        may = world.policies.allowed(agent, whole, [resource, f"projects/{project}"])
        account = accounts.find_account(world, resource)
        if not may or account is None or account.get("disabled"):
            raise Failed(
                "PERMISSION_DENIED", f"{agent} has no {whole} on {email}, or that is gone or disabled"
            )
        if name == "oauthToken":
            token = world.identities.mint_access_token(f"serviceAccount:{email}")
        else:
            token = world.identities.mint_id_token(
                email, target[name]["audience"], subject=account["uniqueId"]
            )
        return {"Authorization": f"Bearer {token}"}
    return {}


def _note(world: World, job: Mapping[str, Any], status: str, why: str, code: int) -> None:
    """What Cloud Scheduler writes to Cloud Logging when an attempt has ended."""
    _, project, _, place, _, own = job["name"].split("/")
    entry = {
        "resource": {
            "type": "cloud_scheduler_job",
            "labels": {"project_id": project, "location": place, "job_id": own},
        },
        "severity": "INFO" if status == "OK" else "ERROR",
        "jsonPayload": {
            "@type": "type.googleapis.com/google.cloud.scheduler.logging.AttemptFinished",
            "jobName": job["name"],
            "targetType": "HTTP",
            "url": job["httpTarget"]["uri"],
            **({"status": status, "debugInfo": why} if why else {}),
        },
        **({"httpRequest": {"status": code}} if code else {}),
    }
    entries.of(world).write(project, LOG, entry)


def _after(world: World, stored: Body, began: datetime, status: str) -> Body:
    """What is kept after an attempt: how it ended, and when the next one is."""
    number = RPC_NUMBER[status]
    job: Body = {
        **stored["job"],
        "lastAttemptTime": timestamp(began),
        "status": {"code": number} if number else {},
    }
    attempt = stored.get("attempt", 0) + 1 if number else 0
    kept: Body = {**stored, "job": job, "attempt": attempt}
    if job["state"] != "ENABLED":
        return kept
    kept = _rescheduled(world, kept)
    retry: Mapping[str, Any] = job["retryConfig"]
    if 0 < attempt <= retry.get("retryCount", 0):
        again = timestamp(world.clock() + timedelta(seconds=_pause(retry, attempt)))
        kept["job"]["scheduleTime"] = min(again, kept["job"]["scheduleTime"])
        return kept
    return {**kept, "attempt": 0}


def _pause(retry: Mapping[str, Any], attempt: int) -> float:
    """Seconds before the next attempt: doubled maxDoublings times, then growing by as much as the last time."""
    least, most = (
        float(retry[field].removesuffix("s")) for field in ("minBackoffDuration", "maxBackoffDuration")
    )
    doublings = retry["maxDoublings"]
    largest = least * 2 ** min(attempt - 1, doublings)
    return min(most, largest * max(1, attempt - doublings))


def _rescheduled(world: World, stored: Body) -> Body:
    return {**stored, "job": {**stored["job"], "scheduleTime": next_time(world, stored["job"])}}
