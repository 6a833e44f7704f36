"""The secrets of a deployment: which there are, who decides about each, and as what the server sees it.

No value is ever here: a secret's value is made inside its kind, or was put into Secret Manager by somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret that is made and kept for the deployment.

    *name* is its full name, *key* the spec key that decides whether it is *wanted*. The server gets its value as the
    environment *variable*; with *migrates* the migration job gets it as well.
    """

    name: str
    key: str
    variable: str
    wanted: bool = True
    migrates: bool = False


def secrets_of(deployment: Deployment, names: Names) -> tuple[Secret, ...]:
    """Every secret that any spec could want of this deployment, wanted or not."""
    return (
        Secret(names.database_secret, "database", "MLFLOW_DB_PASSWORD", migrates=True),
        Secret(names.login_secret, "auth.mode", "FRONT_PASSWORD", wanted=deployment.auth.mode == "basic"),
    )


def wanted_secrets(deployment: Deployment, names: Names) -> tuple[Secret, ...]:
    """Those that *deployment* wants."""
    return tuple(secret for secret in secrets_of(deployment, names) if secret.wanted)
