"""Environment variables that a spec's server.env may not set, each with the reason."""

from __future__ import annotations

import re

DERIVED = {
    "MLFLOW_DB_HOST": "database",
    "MLFLOW_DB_NAME": "database.name",
    "MLFLOW_DB_USER": "database.user",
    "MLFLOW_DB_PASSWORD": "database",
    "MLFLOW_BACKEND_STORE_URI": "database",
    "MLFLOW_REGISTRY_STORE_URI": "database",
    "MLFLOW_TRACKING_URI": "database",
    "MLFLOW_ARTIFACTS_DESTINATION": "artifacts",
    "MLFLOW_ARTIFACTS_ACCESS": "artifacts.access",
    "MLFLOW_DEFAULT_ARTIFACT_ROOT": "artifacts",
    "MLFLOW_SERVE_ARTIFACTS": "artifacts",
    "FRONT_AUTH": "auth.mode",
    "FRONT_USERNAME": "auth.username",
    "FRONT_PASSWORD": "auth.mode",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "auth.mode",
    "MLFLOW_AUTH_DB_NAME": "auth.mode",
    "MLFLOW_AUTH_CONFIG_PATH": "auth.mode",
    "MLFLOW_AUTH_ADMIN_USERNAME": "auth.mlflow.admin_username",
    "MLFLOW_AUTH_ADMIN_PASSWORD": "auth.mlflow.admin_username",
    "MLFLOW_AUTH_DEFAULT_PERMISSION": "auth.mlflow.default_permission",
    "OIDC_DISCOVERY_URL": "auth.oidc.discovery_url",
    "OIDC_CLIENT_ID": "auth.oidc.client_id",
    "OIDC_CLIENT_SECRET": "auth.oidc.client_secret",
    "OIDC_PROVIDER_DISPLAY_NAME": "auth.oidc.provider_name",
    "OIDC_GROUPS_ATTRIBUTE": "auth.oidc.groups_claim",
    "OIDC_GROUP_NAME": "auth.oidc.users",
    "OIDC_ADMIN_GROUP_NAME": "auth.oidc.administrators",
    "OIDC_AUDIENCE": "auth.oidc.client_id",
    "OIDC_USERS_DB_URI": "database",
    "OIDC_DB_POOL_SIZE": "database",
    "OIDC_DB_POOL_MAX_OVERFLOW": "database",
    "DEFAULT_MLFLOW_PERMISSION": "auth.oidc.default_permission",
    "SECRET_KEY": "auth.mode",
    "MLFLOW_WORKERS": "server.workers",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "server.job_runner",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "name",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "name",
    "MLFLOW_DISABLE_TELEMETRY": "server.telemetry",
    "DO_NOT_TRACK": "server.telemetry",
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "server.pool_size",
    "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "server.pool_overflow",
    "MLFLOW_GCS_UPLOAD_CHUNK_SIZE": "memory",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "server.webhooks",
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": "server.gateway",
}
"""What is derived from the spec, and the key that it is derived from."""

REFUSED = {
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "it lets any web page use a visitor's login",
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "the number of connections could no longer be known",
    "OIDC_VERIFY_SSL": "whoever is on the way to the identity provider could log in as anybody",
    "MLFLOW_HOST": "MLflow listens only behind the front door",
    "MLFLOW_PORT": "MLflow listens only behind the front door",
    "MLFLOW_UVICORN_OPTS": "MLflow listens only behind the front door",
    "MLFLOW_GUNICORN_OPTS": "MLflow listens only behind the front door",
}

IMAGE = re.compile(r"LISTEN_ADDRESS|SERVING_.*|FRONT_.*")
CLOUD_RUN = re.compile(r"PORT|K_.*|CLOUD_RUN_.*|X_GOOGLE_.*")
PRIVATE = re.compile(r"_MLFLOW_SERVER_.*|_MLFLOW_SGI_.*")
SECRET = re.compile(r"(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|API_?KEY|PRIVATE_?KEY)(_|$)")


def objection(name: str) -> str:
    """Why server.env may not set *name*; "" when it may."""
    if name in DERIVED:
        return f"is derived from {DERIVED[name]}"
    if name in REFUSED:
        return f"is refused: {REFUSED[name]}"
    if CLOUD_RUN.fullmatch(name):
        return "is reserved by Cloud Run"
    if PRIVATE.fullmatch(name) or IMAGE.fullmatch(name):
        return "is between the parts of the image, and set by them"
    return ""


def looks_secret(name: str) -> bool:
    """Whether a variable of that *name* usually holds a secret."""
    return bool(SECRET.search(name.upper()))
