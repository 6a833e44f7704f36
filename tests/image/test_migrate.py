"""The migration of the database's schema, against a real PostgreSQL."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.image.machine import ENTRYPOINT, Postgres, until


def start(postgres: Postgres, search_path: str, database: str, **changes: str) -> subprocess.Popen[str]:
    """Start a migration."""
    return subprocess.Popen(
        [ENTRYPOINT, "migrate"],
        env={"PATH": search_path, **postgres.variables(database), **changes},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(migration: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and what it said."""
    said, _ = migration.communicate(timeout=60)
    return migration.returncode, said


def revision(postgres: Postgres, database: str) -> str:
    """The revision that Alembic keeps in the database."""
    return postgres.sql("select version_num from alembic_version", database)


def test_it_makes_the_schema_once(
    postgres: Postgres, search_path: str, new_database: Callable[[str | None], str]
) -> None:
    """An empty database gets the schema and the experiment named Default; a second run changes nothing, quickly."""
    database = new_database(None)
    code, said = finish(start(postgres, search_path, database))
    assert code == 0
    assert "schema before: none" in said
    assert f"schema after: {revision(postgres, database)}" in said
    assert postgres.sql("select name from experiments", database) == "Default"
    began = time.monotonic()
    code, said = finish(start(postgres, search_path, database))
    assert code == 0
    assert "nothing to do" in said
    assert time.monotonic() - began < 1


def test_two_at_once_are_safe(
    postgres: Postgres, search_path: str, new_database: Callable[[str | None], str]
) -> None:
    """Of two migrations that start together one makes the schema, and the other waits and finds it done."""
    database = new_database(None)
    both = [start(postgres, search_path, database) for _ in range(2)]
    ends = [finish(migration) for migration in both]
    assert [code for code, _ in ends] == [0, 0]
    assert sorted("schema before: none" in said for _, said in ends) == [False, True]
    assert sorted("nothing to do" in said for _, said in ends) == [False, True]


def test_an_older_schema_is_upgraded_with_its_data(
    postgres: Postgres, search_path: str, pristine: str, new_database: Callable[[str | None], str]
) -> None:
    """A database that stands at an earlier revision is brought to the newest, and keeps what it holds."""
    database = new_database(pristine)
    head = revision(postgres, database)
    python = search_path.partition(":")[0] + "/python"
    downgrade = (
        "import sys; from alembic import command; from mlflow.store.db.utils import _get_alembic_config as config;"
        "command.downgrade(config(sys.stdin.read()), '-1')"
    )
    uri = f"postgresql+psycopg2://postgres:p%40ss%2Fw%3A%25r%20d@/{database}?host={postgres.folder}"
    subprocess.run([python, "-c", downgrade], input=uri, text=True, check=True, capture_output=True)
    assert revision(postgres, database) != head
    postgres.sql("update experiments set name = 'kept'", database)
    code, said = finish(start(postgres, search_path, database))
    assert code == 0
    assert f"schema after: {head}" in said
    assert revision(postgres, database) == head
    assert postgres.sql("select name from experiments", database) == "kept"


def test_a_newer_schema_is_refused(
    postgres: Postgres, search_path: str, pristine: str, new_database: Callable[[str | None], str]
) -> None:
    """A schema that a newer MLflow made is left as it is, and the message says what can be done."""
    database = new_database(pristine)
    postgres.sql("update alembic_version set version_num = 'fedcba987654'", database)
    code, said = finish(start(postgres, search_path, database))
    assert code == 65
    assert "fedcba987654, which MLflow 3.17.2 does not know" in said
    assert revision(postgres, database) == "fedcba987654"


def test_it_waits_for_a_database_that_comes(
    postgres: Postgres, search_path: str, migrated: str, tmp_path: Path
) -> None:
    """A socket that appears a moment later, as Cloud SQL's may, is waited for."""
    link = tmp_path / "cloudsql"
    migration = start(postgres, search_path, migrated, MLFLOW_DB_HOST=str(link))
    assert migration.stdout
    assert "waiting for the database" in migration.stdout.readline()
    link.symlink_to(postgres.folder)
    code, said = finish(migration)
    assert code == 0
    assert "nothing to do" in said


def test_it_stops_when_asked_while_it_waits(
    postgres: Postgres, search_path: str, migrated: str, tmp_path: Path
) -> None:
    """SIGTERM ends a migration that waits, and its exit code says that the work was not done."""
    migration = start(postgres, search_path, migrated, MLFLOW_DB_HOST=str(tmp_path))
    assert migration.stdout
    assert "waiting for the database" in migration.stdout.readline()
    migration.send_signal(signal.SIGTERM)
    code, _ = finish(migration)
    assert code == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"MLFLOW_DB_PASSWORD": "hunter2"}, "password authentication failed"),
        ({"MLFLOW_DB_NAME": "nowhere"}, 'database "nowhere" does not exist'),
    ],
)
def test_what_no_waiting_mends_is_said_at_once(
    postgres: Postgres, search_path: str, migrated: str, change: dict[str, str], reason: str
) -> None:
    """A wrong password or name ends with PostgreSQL's words for it, without the password and without a wait."""
    began = time.monotonic()
    code, said = finish(start(postgres, search_path, migrated, **change))
    assert code == 69
    assert reason in said
    assert "hunter2" not in said
    assert time.monotonic() - began < 5


def test_a_killed_migration_is_done_by_the_next(
    postgres: Postgres, search_path: str, new_database: Callable[[str | None], str]
) -> None:
    """Killed in the middle of its work, it leaves a database that the next migration completes."""
    database = new_database(None)
    locks = "select count(*) from pg_locks where mode = 'AccessExclusiveLock'"
    migration = start(postgres, search_path, database)
    until(lambda: int(postgres.sql(locks, database)) > 5, 30)
    migration.kill()
    finish(migration)
    code, said = finish(start(postgres, search_path, database))
    assert code == 0
    assert f"schema after: {revision(postgres, database)}" in said
