"""The environment that the server is given: right before the first deploy, and without a secret."""

from __future__ import annotations

import re
from collections.abc import Callable

from reconciler.server import reserved
from reconciler.server.naming import names_of
from reconciler.server.settings import database_environment, environment
from reconciler.spec.deployment import Deployment

Deployed = Callable[[str], Deployment]
NUMBER = "123456789012"
HOST = "mlflow-test-123456789012.europe-west1.run.app"


def told(deployment: Deployment) -> dict[str, str]:
    """The service's environment."""
    return environment(deployment, names_of(deployment, NUMBER))


def test_the_server_is_told_everything_it_needs(deployed: Deployed) -> None:
    """The whole environment of a plain deployment, so that a change of any of it is seen."""
    assert told(deployed("")) == {
        "MLFLOW_DB_HOST": "/cloudsql/acme-ml:europe-west1:mlflow-test",
        "MLFLOW_DB_NAME": "mlflow",
        "MLFLOW_DB_USER": "mlflow",
        "MLFLOW_ARTIFACTS_DESTINATION": "gs://acme-ml-mlflow-test-artifacts",
        "FRONT_AUTH": "basic",
        "FRONT_USERNAME": "mlflow",
        "MLFLOW_WORKERS": "1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_SERVER_ALLOWED_HOSTS": HOST,
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"https://{HOST}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "2",
        "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "1",
        "MLFLOW_GCS_UPLOAD_CHUNK_SIZE": "8388608",
    }


def test_the_options_arrive(deployed: Deployed) -> None:
    """Each key of the spec that the server knows changes its variable."""
    text = (
        "auth: {mode: iam, invokers: ['user:ada@acme.example']}\nmemory: 2Gi\n"
        "scaling: {min_instances: 1, max_instances: 1, cpu_always_on: true}\n"
        "database: {tier: db-g1-small}\n"
        "server: {workers: 2, pool_size: 3, job_runner: true, telemetry: true, env: {MLFLOW_LOGGING_LEVEL: DEBUG}}\n"
        "artifacts: {bucket: lake, existing: true, folder: mlflow/prod}\n"
    )
    values = told(deployed(text))
    assert values["FRONT_AUTH"] == "none"
    assert "FRONT_USERNAME" not in values
    assert values["MLFLOW_WORKERS"] == "2"
    assert values["MLFLOW_SQLALCHEMYSTORE_POOL_SIZE"] == "3"
    assert values["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "true"
    assert values["MLFLOW_DISABLE_TELEMETRY"] == values["DO_NOT_TRACK"] == "false"
    assert values["MLFLOW_LOGGING_LEVEL"] == "DEBUG"
    assert values["MLFLOW_ARTIFACTS_DESTINATION"] == "gs://lake/mlflow/prod"


def test_hosts_and_origins_never_hold_a_pattern(deployed: Deployed) -> None:
    """A pattern would also match a stranger's service, and * switches the check off."""
    values = told(deployed(""))
    assert "*" not in values["MLFLOW_SERVER_ALLOWED_HOSTS"] + values["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"]


def test_no_value_is_empty_and_none_is_a_secret(deployed: Deployed) -> None:
    """Cloud Run drops empty values; secrets come from Secret Manager."""
    values = told(deployed("auth: {mode: none, acknowledge_public: true}\n"))
    assert all(values.values())
    assert not [name for name in values if re.search("PASSWORD|SECRET|TOKEN", name)]


def test_everything_that_is_set_is_refused_from_the_user(deployed: Deployed) -> None:
    """The list of what server.env may not set holds all that is derived."""
    assert not [name for name in told(deployed("")) if not reserved.objection(name)]
    for name in ("PORT", "K_SERVICE", "_MLFLOW_SERVER_FILE_STORE", "SERVING_RUN_DIR", "MLFLOW_DB_PASSWORD"):
        assert reserved.objection(name)
    assert reserved.objection("MLFLOW_LOGGING_LEVEL") == ""


def test_secret_looking_names_are_recognised() -> None:
    """By words of the name, not by letters inside other words."""
    for name in ("DB_PASSWORD", "MY_TOKEN", "GITHUB_API_KEY", "secret", "AWS_CREDENTIALS"):
        assert reserved.looks_secret(name)
    for name in ("TOKENIZERS_PARALLELISM", "MONKEY", "MLFLOW_LOGGING_LEVEL", "PASSWORDLESS"):
        assert not reserved.looks_secret(name)


def test_the_migration_is_told_about_the_database_alone(deployed: Deployed) -> None:
    """It needs nothing else, so it is given nothing else."""
    values = database_environment(names_of(deployed(""), NUMBER))
    assert values["MLFLOW_DB_HOST"] == "/cloudsql/acme-ml:europe-west1:mlflow-test"
    assert set(values) == {
        "MLFLOW_DB_HOST",
        "MLFLOW_DB_NAME",
        "MLFLOW_DB_USER",
        "MLFLOW_DISABLE_TELEMETRY",
        "DO_NOT_TRACK",
    }


def test_the_plugin_is_told_what_the_spec_says_of_the_provider(deployed: Deployed) -> None:
    """In its own words, without what is empty; secrets and the database's address are not among it."""
    url = "https://login.acme.example/.well-known/openid-configuration"
    oidc = f"{{discovery_url: '{url}', client_id: ml, client_secret: 'c:1', groups_claim: g, administrators: [a, b]}}"
    environment = told(deployed(f"auth: {{mode: oidc, oidc: {oidc}}}\n"))
    assert {name: value for name, value in environment.items() if "OIDC" in name or "AUTH" in name} == {
        "FRONT_AUTH": "oidc",
        "MLFLOW_AUTH_DB_NAME": "mlflow_oidc",
        "OIDC_DISCOVERY_URL": url,
        "OIDC_CLIENT_ID": "ml",
        "OIDC_PROVIDER_DISPLAY_NAME": "Log in",
        "OIDC_GROUPS_ATTRIBUTE": "g",
        "OIDC_ADMIN_GROUP_NAME": "a,b",
    }
    assert environment["DEFAULT_MLFLOW_PERMISSION"] == "READ"
    assert "SECRET_KEY" not in environment
