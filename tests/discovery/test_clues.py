"""What settings tell: the forms that people write, passwords of every sort read past, nothing joined that is apart."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.discovery import clues
from reconciler.discovery.clues import ARGUMENTS

PASSWORD = "p@ss/w:rd"


def _read(args: str = "", /, **variables: str) -> clues.Clues:
    container: dict[str, Any] = {"env": [{"name": name, "value": value} for name, value in variables.items()]}
    if args:
        container |= {"command": ["sh"], "args": ["-c", args]}
    return clues.read(container)


@pytest.mark.parametrize(
    ("url", "user", "host", "database"),
    [
        ("postgresql://ml:pw@/runs?host=/cloudsql/p:r:pg", "ml", "", "runs"),
        ("postgresql+psycopg2://ml:pw@10.0.0.3:5432/runs", "ml", "10.0.0.3", "runs"),
        ("postgres://ml@db/runs", "ml", "db", "runs"),
        (f"postgresql://ml:{PASSWORD}@10.0.0.3/runs", "ml", "10.0.0.3", "runs"),
        ("postgresql://m%40l:p%2Fw@h/r%20s", "m@l", "h", "r s"),
        ("postgresql:///runs?host=10.0.0.3&user=ml&password=pw", "ml", "10.0.0.3", "runs"),
    ],
)
def test_a_database_url_is_read(url: str, user: str, host: str, database: str) -> None:
    """User, address and database, wherever they stand in it; never the password."""
    for told in (_read(BACKEND_STORE_URI=url), _read(f"mlflow server --backend-store-uri '{url}' --port 80")):
        assert (told.user, told.host, told.database) == (user, host, database)
        assert "pw" not in repr(told)
        assert PASSWORD not in repr(told)


def test_a_socket_names_its_instance() -> None:
    """Encoded or not."""
    for text in ("?host=/cloudsql/p:europe-west1:pg", "?host=%2Fcloudsql%2Fp%3Aeurope-west1%3Apg"):
        assert _read(URI=f"postgresql://u:x@/d{text}").instance == "p:europe-west1:pg"


@pytest.mark.parametrize(
    "names", [("DB_USER", "DB_NAME"), ("PGUSER", "PGDATABASE"), ("MLFLOW_DB_USER", "MLFLOW_DB_NAME")]
)
def test_variables_for_user_and_database_are_read(names: tuple[str, str]) -> None:
    """As people, PostgreSQL's own programs and our image call them."""
    told = _read(**{names[0]: "ml", names[1]: "runs"})
    assert (told.user, told.database, dict(told.said_by)) == (
        "ml",
        "runs",
        {"user": names[0], "database": names[1]},
    )


def test_a_bucket_keeps_its_own_folder() -> None:
    """Of two, the one that is called after artifacts; the other makes it a guess."""
    told = _read(A_DATASET="gs://data", MLFLOW_ARTIFACT_ROOT="gs://models/art/")
    assert (told.bucket, told.folder) == ("models", "art")
    assert told.by("bucket") == "as in MLFLOW_ARTIFACT_ROOT, a guess: another setting says otherwise"
    assert _read(A="gs://models/art").by("bucket") == "as in A"


def test_mlflows_own_database_comes_before_that_of_users() -> None:
    """Whatever the alphabet says."""
    told = _read(AUTH_DB="postgresql://a:x@h/users", BACKEND_STORE_URI="postgresql://b:x@h/runs")
    assert (told.database, told.user, "database" in told.doubted) == ("runs", "b", True)


def test_arguments_say_it_with_variables_and_quotes() -> None:
    """As a shell would read them."""
    told = _read(
        "exec mlflow server --app-name 'basic-auth' --artifacts-destination \"gs://$BUCKET/mlflow\"",
        BUCKET="models",
    )
    assert (told.app, told.bucket, told.folder) == ("basic-auth", "models", "mlflow")
    assert told.said_by["bucket"] == ARGUMENTS


def test_a_secret_of_another_project_keeps_its_name() -> None:
    """Ours has a short one."""
    entries = [
        {"name": name, "valueSource": {"secretKeyRef": {"secret": secret, "version": "1"}}}
        for name, secret in {
            "A": "s",
            "B": "projects/mine/secrets/s",
            "C": "projects/other/secrets/s",
        }.items()
    ]
    found = clues.from_secrets({"env": entries}, ("mine", "12"))
    assert found == {"A": "s:1", "B": "s:1", "C": "projects/other/secrets/s/versions/1"}
