"""What revision the database's schema has, and which one the installed MLflow wants; without importing MLflow."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from .environment import Database

PATIENCE: Final = 60
"""Seconds that a migration waits for a database to answer."""
_FATAL: Final = ("password authentication failed", "does not exist", "no pg_hba.conf entry")
"""PostgreSQL's words for what no waiting mends. A connection that is refused carries no error code to look at."""


class NoDatabase(Exception):
    """The database does not answer, or does not let us in."""


@dataclass(frozen=True)
class Place:
    """Where a *package* keeps the migrations of one schema, and the table in which Alembic notes its revision."""

    folder: str
    table: str
    question: str
    """For the revision in that table."""
    package: str = "mlflow"


RUNS: Final = Place(
    "store/db_migrations/versions", "alembic_version", "select version_num from alembic_version"
)
USERS: Final = Place(
    "server/auth/db/migrations/versions",
    "alembic_version_auth",
    "select version_num from alembic_version_auth",
)
PROVIDED: Final = Place("db/migrations/versions", RUNS.table, RUNS.question, "mlflow_oidc_auth")
"""In a database of its own, so that the table's name is free there."""


@dataclass(frozen=True)
class Revisions:
    """The revisions that the installed MLflow knows, and the newest of them."""

    known: frozenset[str]
    head: str


def uri(database: Database) -> str:
    """The database's URI as SQLAlchemy reads it. The driver is named: SQLAlchemy 2.1 would take psycopg 3."""
    user, password = quote(database.user, safe=""), quote(database.password, safe="")
    name = quote(database.name, safe="")
    if database.host.startswith("/"):
        return f"postgresql+psycopg2://{user}:{password}@/{name}?host={quote(database.host, safe='/')}"
    return f"postgresql+psycopg2://{user}:{password}@{database.host}/{name}"


def connect(database: Database, patience: float, say: Callable[[str], None]) -> Any:
    """A connection, tried again for `patience` seconds. Raises NoDatabase."""
    psycopg2: Any = import_module("psycopg2")
    end = time.monotonic() + patience
    pause = 0.1
    while True:
        try:
            return psycopg2.connect(
                host=database.host,
                dbname=database.name,
                user=database.user,
                password=database.password,
                connect_timeout=10,
                application_name="mlflow-image",
            )
        except psycopg2.OperationalError as error:
            reason = " ".join(str(error).split())
            if any(words in reason for words in _FATAL) or time.monotonic() + pause > end:
                raise NoDatabase(f"the database cannot be used: {reason}") from error
            if pause == 0.1:
                say(f"waiting for the database: {reason}")
            time.sleep(pause)
            pause = min(pause * 2, 2.0)


def found(connection: Any, place: Place = RUNS) -> str | None:
    """The revision of the database's schema; None where there is no schema."""
    with connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass(%s)", (place.table,))
        if cursor.fetchone()[0] is None:
            return None
        cursor.execute(place.question)
        row = cursor.fetchone()
        return str(row[0]) if row else None


def wanted(place: Place = RUNS) -> Revisions:
    """The revisions of the installed MLflow, read from its migration files as Alembic would."""
    spec = find_spec(place.package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    files = [file for folder in folders for file in Path(folder).glob(f"{place.folder}/[!_]*.py")]
    parents: dict[str, str] = {}
    for file in files:
        text = file.read_text()
        parents[_assigned(text, "revision")] = _assigned(text, "down_revision")
    heads = set(parents) - set(parents.values())
    if len(heads) != 1:
        raise RuntimeError(
            f"MLflow's migrations end in {len(heads)} revisions instead of one: {sorted(heads)}"
        )
    return Revisions(frozenset(parents), heads.pop())


def complaint(revision: str | None, revisions: Revisions) -> str:
    """Why the server cannot run on this schema and the way out, or ""."""
    mlflow = version("mlflow")
    if revision == revisions.head:
        return ""
    if revision is None:
        return "the database has no MLflow schema. Run the migrate job: it makes the schema"
    if revision in revisions.known:
        return (
            f"the database's schema is at revision {revision}, and MLflow {mlflow} needs {revisions.head}. "
            "Back the database up, then run the migrate job: it upgrades the schema"
        )
    return (
        f"the database's schema is at revision {revision}, which MLflow {mlflow} does not know: "
        "a newer MLflow made it. Run that version, or restore the backup that was taken before the upgrade"
    )


def _assigned(text: str, name: str) -> str:
    match = re.search(rf"^{name}\s*(?::[^=\n]*)?=\s*(?:[\"']([^\"']*)[\"']|None)", text, re.MULTILINE)
    if match is None:
        raise RuntimeError(f"a migration of MLflow does not say its {name}")
    return match.group(1) or ""
