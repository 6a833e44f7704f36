"""How to get into a deployed server: its address, and the login that its spec describes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from reconciler import errors, pipeline
from reconciler.cli import tokens
from reconciler.gcp.cloud import Cloud
from reconciler.model import Observed
from reconciler.resources import run_migration, run_service, secretmanager_version
from reconciler.resources.run_migration import Migration
from reconciler.resources.run_service import Service
from reconciler.server.naming import Names
from reconciler.spec.auth import PASSWORD_MODES
from reconciler.spec.deployment import Deployment
from reconciler.target import Target

LOGIN = ("username", "password", "token")
"""What MLflow's client reads of a login, after MLFLOW_TRACKING_."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The server's *url*; *local_url* where a sandbox serves it on this machine too; the login where it asks for one.

    With mode `mlflow` that is the administrator's, with the password that was set last from Secret Manager.
    """

    names: Names
    service: Observed
    local_url: str = ""
    username: str = ""
    password: str = field(default="", repr=False)


def enter(cloud: Cloud, deployment: Deployment) -> Entry:
    """The way into the deployed server. Raises `NotThere` when there is none yet."""
    names = pipeline.names(cloud, deployment)
    service = Service().observe(cloud, run_service.ref(names))
    if service is None:
        raise errors.NotThere(
            f"{deployment.name} is not deployed there",
            way_out="Run apply on it first, with the same options.",
        )
    if deployment.auth.mode not in PASSWORD_MODES:
        return Entry(names, service, local_url(cloud, names))
    username, pinned = _login(cloud, deployment, names, service)
    if not pinned:
        raise errors.NotThere(
            "the deployed server has no login yet", way_out=f"mlflow-reconcile apply {deployment.file}"
        )
    password = secretmanager_version.value_of(cloud, pinned)
    return Entry(names, service, local_url(cloud, names), username, password)


def _login(cloud: Cloud, deployment: Deployment, names: Names, service: Observed) -> tuple[str, str]:
    """The user name, and the version of the secret that holds the password; "" where none was given yet."""
    if deployment.auth.mode == "basic":
        pinned = service.body.get("template.containers.env.FRONT_PASSWORD")
        return deployment.auth.username, str(pinned or "")
    migrated = Migration().observe(cloud, run_migration.ref(names))
    given = migrated.body.get(run_migration.GIVEN) if migrated else None
    return deployment.auth.mlflow.admin_username, str(given or "")


def target(cloud: Cloud, deployment: Deployment) -> Target:
    """The deployed server as `verify` wants it."""
    entry, auth = enter(cloud, deployment), deployment.auth
    if auth.mode == "oidc":
        return _provided(cloud, deployment, entry.names.url)
    token, elsewhere = tokens.pair(cloud, auth, entry.names.url)
    return Target(
        entry.names.url, auth.mode, cloud.endpoint, entry.username, entry.password, token,
        elsewhere=elsewhere, behind_iam=auth.asks_iam and auth.mode != "iam",
        ingress=deployment.networking.ingress,
    )  # fmt: skip


def _provided(cloud: Cloud, deployment: Deployment, url: str) -> Target:
    """With the login that the environment gives MLflow's client, if any: at the provider only a person logs in."""
    username, password, token = (os.environ.get(f"MLFLOW_TRACKING_{name.upper()}", "") for name in LOGIN)
    auth = deployment.auth
    return Target(
        url, auth.mode, cloud.endpoint, username, password, token,
        discovery_url=auth.oidc.discovery_url, client_id=auth.oidc.client_id,
        ingress=deployment.networking.ingress,
    )  # fmt: skip


def local_url(cloud: Cloud, names: Names) -> str:
    """Where a sandbox on this machine serves the service, "" on Google Cloud."""
    if not cloud.endpoint:
        return ""
    from reconciler.sandbox import control

    running = control.status()
    if running is None or running.endpoint != cloud.endpoint:
        return ""
    place = (names.project, names.region, names.name)
    found = (s for s in running.services if (s["project"], s["region"], s["name"]) == place)
    return next((str(service["local_url"]) for service in found), "")
