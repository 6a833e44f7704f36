"""What the entrypoint says about its environment, before anything starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from image.serving.oidc_groups import get_user_groups
from tests.image.machine import ENTRYPOINT

SECRETS = {"MLFLOW_DB_PASSWORD": "hunter2-database", "FRONT_PASSWORD": "hunter2-front"}
COMPLETE = {
    "PORT": "8080",
    "MLFLOW_DB_HOST": "/cloudsql/acme-ml:europe-west9:mlflow",
    "MLFLOW_DB_NAME": "mlflow",
    "MLFLOW_DB_USER": "mlflow",
    "MLFLOW_ARTIFACTS_DESTINATION": "gs://acme-ml-artifacts/mlflow",
    "FRONT_AUTH": "basic",
    "FRONT_USERNAME": "ada",
    "TMPDIR": "/nonexistent",  # a start that gets past the checks ends there
    **SECRETS,
}


def entrypoint(mode: str, variables: dict[str, str]) -> tuple[int, str]:
    """Run it and return its exit code and everything that it says."""
    done = subprocess.run(
        [sys.executable, ENTRYPOINT, mode],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"PORT": "http"}, "PORT is 'http'"),
        ({"PORT": "0"}, "PORT is '0'"),
        ({"PORT": "65536"}, "PORT is '65536'"),
        ({"MLFLOW_DB_HOST": ""}, "MLFLOW_DB_HOST is not set"),
        ({"MLFLOW_DB_HOST": "/cloudsql/" + "p" * 90}, "MLFLOW_DB_HOST is too long"),
        ({"MLFLOW_DB_NAME": ""}, "MLFLOW_DB_NAME is not set"),
        ({"MLFLOW_DB_USER": ""}, "MLFLOW_DB_USER is not set"),
        ({"MLFLOW_DB_PASSWORD": ""}, "MLFLOW_DB_PASSWORD is not set"),
        ({"MLFLOW_DB_PASSWORD": "hunter2-database\n"}, "MLFLOW_DB_PASSWORD contains a line end"),
        ({"MLFLOW_ARTIFACTS_DESTINATION": ""}, "MLFLOW_ARTIFACTS_DESTINATION is not set"),
        ({"MLFLOW_ARTIFACTS_DESTINATION": "s3://bucket"}, "gs://BUCKET[/FOLDER] is needed"),
        ({"MLFLOW_ARTIFACTS_DESTINATION": "gs://"}, "'' is not a bucket's name"),
        ({"MLFLOW_ARTIFACTS_DESTINATION": "gs://Acme"}, "'Acme' is not a bucket's name"),
        (
            {"MLFLOW_ARTIFACTS_DESTINATION": "file:///data", "K_SERVICE": "mlflow"},
            "on Cloud Run that is memory",
        ),
        ({"MLFLOW_ARTIFACTS_DESTINATION": "file://data"}, "file:///FOLDER"),
        ({"FRONT_AUTH": ""}, "FRONT_AUTH is not set"),
        ({"FRONT_AUTH": "iam"}, "FRONT_AUTH is 'iam'"),
        ({"FRONT_USERNAME": ""}, "FRONT_USERNAME is not set"),
        ({"FRONT_USERNAME": "a:b"}, "FRONT_USERNAME contains a colon"),
        ({"FRONT_PASSWORD": ""}, "FRONT_PASSWORD is not set"),
        ({"FRONT_PASSWORD": "hunter2-front\r"}, "FRONT_PASSWORD contains a line end"),
        ({"MLFLOW_WORKERS": "two"}, "MLFLOW_WORKERS is 'two'"),
        ({"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "yes"}, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION is 'yes'"),
        ({"MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "0"}, "which MLflow reads as unset"),
        ({"MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true"}, "any web page use the server"),
        ({"MLFLOW_SERVER_ALLOWED_HOSTS": "a.example,*"}, "MLFLOW_SERVER_ALLOWED_HOSTS contains *"),
        ({"MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "*"}, "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS contains *"),
        ({"MLFLOW_BACKEND_STORE_URI": "sqlite:///x"}, "MLFLOW_BACKEND_STORE_URI is set"),
    ],
)
def test_each_fault_is_the_one_finding(changes: dict[str, str], finding: str) -> None:
    """One fault in an otherwise good environment gives one line that names it, and exit code 64."""
    code, said = entrypoint("serve", {**COMPLETE, **changes})
    assert code == 64
    assert finding in said
    assert len(said.splitlines()) == 1


def test_all_faults_are_said_at_once() -> None:
    """An empty environment is told everything that it lacks in one go."""
    code, said = entrypoint("serve", {})
    assert code == 64
    for name in ("HOST", "NAME", "USER", "PASSWORD"):
        assert f"MLFLOW_DB_{name} is not set" in said
    assert "MLFLOW_ARTIFACTS_DESTINATION is not set" in said
    assert "FRONT_AUTH is not set" in said


def test_no_secret_is_in_what_it_says() -> None:
    """Findings never show a password, not even one that is itself at fault."""
    broken = {name: value + "\n" for name, value in SECRETS.items()}
    code, said = entrypoint("serve", {**COMPLETE, **broken, "PORT": "x"})
    assert code == 64
    assert "hunter2" not in said


def test_the_migration_needs_nothing_but_the_database() -> None:
    """`migrate` asks for the four variables of the database, and for none of the server's."""
    code, said = entrypoint("migrate", {})
    assert code == 64
    assert len(said.splitlines()) == 4
    assert all("MLFLOW_DB_" in line for line in said.splitlines())


def test_an_unknown_mode_is_refused() -> None:
    """A misspelt mode names the two that there are."""
    code, said = entrypoint("server", COMPLETE)
    assert code == 64
    assert "serve | migrate" in said


def test_a_provider_is_asked_for_as_a_whole() -> None:
    """Each variable that is missing has its line."""
    code, said = entrypoint("serve", {**COMPLETE, "FRONT_AUTH": "oidc", "OIDC_CLIENT_ID": "mlflow"})
    assert code == 64
    missing = ("OIDC_DISCOVERY_URL", "OIDC_CLIENT_SECRET", "SECRET_KEY", "DEFAULT_MLFLOW_PERMISSION")
    assert all(f"{name} is not set" in said for name in (*missing, "MLFLOW_AUTH_DB_NAME"))
    assert len(said.splitlines()) == 5


def test_everybody_is_in_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is let in by the provider is let in, whatever groups its token lists, or none."""
    monkeypatch.setenv("OIDC_GROUPS_ATTRIBUTE", "roles")
    assert get_user_groups("", {"userinfo": {"email": "a@b.example"}}) == ["everybody"]
    assert get_user_groups("", {"userinfo": {"roles": "ml"}}) == ["everybody", "ml"]
    claims = {"roles": ["ml", "everybody", 7, "ops"], "groups": ["no"]}
    assert get_user_groups("", {"userinfo": claims}) == ["everybody", "ml", "ops"]
