"""What MLflow and its front door are told by environment, derived so that the first deploy is right."""

from __future__ import annotations

from reconciler.server import reserved, secrets
from reconciler.server.naming import USER_DATABASES, Names
from reconciler.spec.deployment import Deployment

UPLOAD_CHUNK = 8 * 1024 * 1024
"""Bytes that MLflow sends to the bucket at a time. Measured: an upload of 100 MiB then takes 24 MiB of memory
beside its temporary file, instead of 108."""

EFFECTS = {
    "MLFLOW_ARTIFACTS_DESTINATION": "artifacts logged so far stay in the old place and are no longer found: move them "
    "there before you apply this; a new revision starts",
    "MLFLOW_ARTIFACTS_ACCESS": "for new experiments only, as each remembers the way from when it was made; "
    "a new revision starts",
}
"""What another value of a variable does to users."""

PROVIDER = {
    "OIDC_DISCOVERY_URL": "auth.oidc.discovery_url",
    "OIDC_CLIENT_ID": "auth.oidc.client_id",
    "OIDC_PROVIDER_DISPLAY_NAME": "auth.oidc.provider_name",
    "OIDC_GROUPS_ATTRIBUTE": "auth.oidc.groups_claim",
    "OIDC_GROUP_NAME": "auth.oidc.users",
    "OIDC_ADMIN_GROUP_NAME": "auth.oidc.administrators",
    "DEFAULT_MLFLOW_PERMISSION": "auth.oidc.default_permission",
}
"""What the plugin of mode oidc is told, and the key that says it."""


def database_environment(names: Names) -> dict[str, str]:
    """How to reach the database, without the password: all that the migration job is told."""
    return {
        "MLFLOW_DB_HOST": f"/cloudsql/{names.connection_name}",
        "MLFLOW_DB_NAME": names.database,
        "MLFLOW_DB_USER": names.database_user,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def users_environment(deployment: Deployment) -> dict[str, str]:
    """What service and migration job both need to know of the users that the server keeps itself."""
    mode = deployment.auth.mode
    if mode not in USER_DATABASES:
        return {}
    administrator = {"MLFLOW_AUTH_ADMIN_USERNAME": deployment.auth.mlflow.admin_username}
    return {
        "FRONT_AUTH": mode,
        "MLFLOW_AUTH_DB_NAME": USER_DATABASES[mode],
        **(administrator if mode == "mlflow" else {}),
    }


def retention_environment(deployment: Deployment, names: Names) -> dict[str, str]:
    """What the retention job is told beside that."""
    retention = deployment.lifecycle.retention
    return {
        "MLFLOW_ARTIFACTS_DESTINATION": artifacts_destination(deployment, names),
        "RETAIN_AFTER_DAYS": str(retention.delete_runs_after_days),
        "RETAIN_RESTORABLE_DAYS": str(retention.restorable_days),
        "RETAIN_KEEP_TAG": retention.keep_tag,
        "RETAIN_DRY_RUN": "true" if retention.dry_run else "false",
    }


def environment(deployment: Deployment, names: Names) -> dict[str, str]:
    """The service's environment, without what comes from Secret Manager.

    What the user adds in server.env comes first and is never among ours: the rules refuse that. No value is
    empty, because Cloud Run drops an empty value and would report something else than was asked for.

    Allowed hosts and origins are the deterministic URL, exactly. A pattern for the older URL with a hash
    (NAME-*.a.run.app) would also match a service of that name in a stranger's project, and a page served
    there could then use a visitor's login; so the older URL answers 403 by design. The spec adds hosts by name.
    """
    server, basic = deployment.server, deployment.auth.mode == "basic"
    hosts = (names.host, *deployment.networking.allowed_hosts)
    untracked = "false" if server.telemetry else "true"
    return {
        **server.env,
        **database_environment(names),
        "MLFLOW_ARTIFACTS_DESTINATION": artifacts_destination(deployment, names),
        **({"MLFLOW_ARTIFACTS_ACCESS": "direct"} if deployment.artifacts.access == "direct" else {}),
        "FRONT_AUTH": "basic" if basic else "none",
        **({"FRONT_USERNAME": deployment.auth.username} if basic else {}),
        **_own_users(deployment),
        **_provider(deployment),
        "MLFLOW_WORKERS": str(server.workers),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true" if server.job_runner else "false",
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(hosts),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"https://{host}" for host in hosts),
        "MLFLOW_DISABLE_TELEMETRY": untracked,
        "DO_NOT_TRACK": untracked,
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": str(server.pool_size),
        "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": str(server.pool_overflow),
        "MLFLOW_GCS_UPLOAD_CHUNK_SIZE": str(UPLOAD_CHUNK),
    }


def _own_users(deployment: Deployment) -> dict[str, str]:
    permission = deployment.auth.mlflow.default_permission
    default = {"MLFLOW_AUTH_DEFAULT_PERMISSION": permission} if deployment.auth.mode == "mlflow" else {}
    return {**users_environment(deployment), **default}


def _provider(deployment: Deployment) -> dict[str, str]:
    """What the plugin mlflow-oidc-auth is told, in its words. The address to come back to is that of the request."""
    oidc = deployment.auth.oidc
    if deployment.auth.mode != "oidc":
        return {}
    told = {name: getattr(oidc, key.rpartition(".")[2]) for name, key in PROVIDER.items()}
    return {
        name: value if isinstance(value, str) else ",".join(value) for name, value in told.items() if value
    }


def keys(deployment: Deployment) -> dict[str, str]:
    """The key of the spec that says what each variable is."""
    return {
        **reserved.DERIVED,
        "MLFLOW_SERVER_ALLOWED_HOSTS": "networking.allowed_hosts",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "networking.allowed_hosts",
        **PROVIDER,
        **{name: f"server.env.{name}" for name in deployment.server.env},
        **{one.variable: one.key for one in secrets.references_of(deployment) if one.variable},
    }


def artifacts_destination(deployment: Deployment, names: Names) -> str:
    """The gs:// address below which artifacts are kept."""
    folder = deployment.artifacts.folder
    return f"gs://{names.bucket}/{folder}" if folder else f"gs://{names.bucket}"
