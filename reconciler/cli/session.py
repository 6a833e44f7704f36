"""What a command needs before it can talk to Google Cloud: the spec, and a cloud to hold it against."""

from __future__ import annotations

import gc
import importlib
import os
import socket
from urllib.parse import urlsplit

from reconciler import errors
from reconciler.gcp.cloud import BEARER, Cloud
from reconciler.spec.deployment import Deployment

ENDPOINT = "MLFLOW_RECONCILE_ENDPOINT"
LIBRARIES = (
    "googleapiclient.discovery",
    "google.cloud.run_v2",
    "google.cloud.storage",
    "google.cloud.secretmanager_v1",
)
LISTENS_WITHIN = 5
"""Seconds."""


def connect(deployment: Deployment, *, sandbox: bool) -> Cloud:
    """The cloud that *deployment* lives in."""
    return connect_to(deployment.project, sandbox=sandbox)


def connect_to(project: str, *, sandbox: bool) -> Cloud:
    """*project*'s cloud: the sandbox if asked for, else what the environment says, else Google's."""
    where = start_sandbox(project) if sandbox else answering(endpoint())
    _past_any_proxy(where)
    load_libraries()
    return Cloud(project, where, token=access_token() if where else "")


def _past_any_proxy(where: str) -> None:
    """An endpoint that stands in for Google Cloud is near: what is sent there, secrets included, takes no proxy."""
    host = urlsplit(where).hostname if where else None
    if host:
        for name in ("NO_PROXY", "no_proxy"):
            os.environ[name] = ",".join(filter(None, (os.environ.get(name), host)))


def load_libraries() -> None:
    """Import Google's libraries in one go, before threads would do it against each other.

    That makes no garbage, and looking for it would take a sixth of the time.
    """
    gc.disable()
    try:
        for name in LIBRARIES:
            importlib.import_module(name)
    finally:
        gc.enable()
        gc.freeze()


def endpoint() -> str:
    """Where every API call goes instead of to Google, "" for Google itself."""
    value = os.environ.get(ENDPOINT, "").rstrip("/")
    if value and not value.startswith(("http://", "https://")):
        raise errors.ReconcileError(
            f"{ENDPOINT} is {value!r}, which is no URL", way_out="Write it as http://HOST:PORT."
        )
    return value


def access_token() -> str:
    """The token that tells an endpoint who calls, "" to leave it to the endpoint; nobody else ever sees it."""
    return os.environ.get(BEARER, "").strip()


def answering(value: str) -> str:
    """*value* itself, once somebody listens there: a stand-in for Google Cloud is near, so nobody waits for it."""
    if not value:
        return value
    url = urlsplit(value)
    try:
        address = (url.hostname or "", url.port or (443 if url.scheme == "https" else 80))
        socket.create_connection(address, timeout=LISTENS_WITHIN).close()
    except (OSError, ValueError) as error:
        raise errors.Unreachable(
            f"nobody answers at {value}, where {ENDPOINT} sends every call: {error}",
            way_out=f"Start the sandbox (mlflow-reconcile sandbox start), or unset {ENDPOINT}.",
        ) from error
    return value


def start_sandbox(project: str) -> str:
    """The running sandbox's endpoint, with *project* in it; starts one where none runs."""
    from reconciler.sandbox import control
    from reconciler.sandbox.errors import SandboxError

    try:
        running = control.start().running
        if project not in running.projects:
            control.add_project(running, project)
    except SandboxError as error:
        raise errors.ReconcileError(error.message, way_out=error.way_out) from error
    return running.endpoint
