"""The secrets of a deployment: which there are, who decides about each, and as what the server sees it.

No value is ever here: a secret's value is made inside its kind, or was put into Secret Manager by somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

WEBHOOK_KEY = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"
"""A Fernet key (mlflow.store.model_registry.dbmodels.models): 32 random bytes in URL-safe base64."""
GATEWAY_KEY = "MLFLOW_CRYPTO_KEK_PASSPHRASE"
"""What the key that encrypts the gateway's API keys is derived from (mlflow.utils.crypto)."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret that is made and kept for the deployment.

    *name* is its full name, *key* the spec key that decides whether it is *wanted*. Its value is the environment
    *variable* of the server where it *serves*, and of the migration job where it *migrates*.
    """

    name: str
    key: str
    variable: str
    wanted: bool = True
    serves: bool = True
    migrates: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A secret's version that exists already, as the spec names it under *key*.

    *secret* is the secret's full name, *number* the version's; the server gets the value as the environment *variable*,
    or as the file *path* in its container.
    """

    secret: str
    number: str
    key: str
    variable: str = ""
    path: str = ""

    @property
    def version(self) -> str:
        """The version's full name."""
        return f"{self.secret}/versions/{self.number}"


def secrets_of(deployment: Deployment, names: Names) -> tuple[Secret, ...]:
    """Every secret that any spec could want of this deployment, wanted or not."""
    mode = deployment.auth.mode
    own_users = mode == "mlflow"
    admin = "MLFLOW_AUTH_ADMIN_PASSWORD"
    return (
        Secret(names.database_secret, "database", "MLFLOW_DB_PASSWORD", migrates=True),
        Secret(names.login_secret, "auth.mode", "FRONT_PASSWORD", wanted=mode == "basic"),
        # The job makes the administrator, so the server never learns the password.
        Secret(names.admin_secret, "auth.mode", admin, wanted=own_users, serves=False, migrates=True),
        Secret(names.flask_secret, "auth.mode", "MLFLOW_FLASK_SERVER_SECRET_KEY", wanted=own_users),
        Secret(names.session_secret, "auth.mode", "SECRET_KEY", wanted=mode == "oidc"),
        Secret(names.webhook_secret, "server.webhooks", WEBHOOK_KEY, wanted=deployment.server.webhooks),
        Secret(names.gateway_secret, "server.gateway", GATEWAY_KEY, wanted=deployment.server.gateway),
    )


def wanted_secrets(deployment: Deployment, names: Names) -> tuple[Secret, ...]:
    """Those that *deployment* wants."""
    return tuple(secret for secret in secrets_of(deployment, names) if secret.wanted)


def references_of(deployment: Deployment) -> tuple[Reference, ...]:
    """Every version of somebody else's secret that the server is given."""
    server, oidc = deployment.server, deployment.auth.oidc
    given = [
        (f"server.secrets.{variable}", variable, written) for variable, written in server.secrets.items()
    ]
    if deployment.auth.mode == "oidc":
        given.append(("auth.oidc.client_secret", "OIDC_CLIENT_SECRET", oidc.client_secret))
    return (
        *(_reference(deployment, written, key, variable=variable) for key, variable, written in given),
        *(
            _reference(deployment, written, f"server.secret_files.{path}", path=path)
            for path, written in server.secret_files.items()
        ),
    )


def _reference(
    deployment: Deployment, written: str, key: str, *, variable: str = "", path: str = ""
) -> Reference:
    """*written* is SECRET:NUMBER of the deployment's project, or a version's full name."""
    if "/" in written:
        secret, _, number = written.rpartition("/versions/")
    else:
        name, _, number = written.partition(":")
        secret = f"projects/{deployment.project}/secrets/{name}"
    return Reference(secret, number, key, variable, path)
