"""MLflow's own users: their database's schema, the administrator's password, and what MLflow is told of them."""

import configparser
import importlib
import io
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from . import front, schema
from .environment import BAD_SCHEMA, NO_DATABASE, Administrator, Database, Users
from .schema import NoDatabase, Place

CACHE_SECONDS: Final = 30
"""How long each worker remembers that a password was right. Checking one takes 60 ms and 32 MiB: without this a worker
answers 13 requests a second instead of 255. The price: a password that was changed, or a user who was deleted, in one
worker may be let in by another one for this long. 10 s, 60 s: no less and no more throughput for one user's requests,
but for a hundred users at work the hashing alone takes 0.6 and 0.1 of a CPU."""
_MAKE_NOTES: Final = (
    "create table if not exists given_passwords (username text primary key, given text not null)"
)
"""Our own table beside MLflow's: which password an administrator was given last, hashed as MLflow hashes passwords."""
_NOTED: Final = "select given from given_passwords where username = %s"
_NOTE: Final = (
    "insert into given_passwords values (%s, %s) on conflict (username) do update set given = excluded.given"
)


def migrate(administrator: Administrator, say: Callable[[str], None]) -> int:
    """Make or upgrade the schema, then give the administrator the password; returns the exit code."""
    try:
        connection = schema.connect(administrator.database, schema.PATIENCE, say)
    except NoDatabase as error:
        say(str(error))
        return NO_DATABASE
    try:
        return _migrate(administrator, connection, say)
    finally:
        connection.close()


def _migrate(administrator: Administrator, connection: Any, say: Callable[[str], None]) -> int:
    revisions = schema.wanted(schema.USERS)
    before = schema.found(connection, schema.USERS)
    say(f"schema of users before: {before or 'none'}")
    if before is not None and before not in revisions.known:
        say(schema.complaint(before, revisions))
        return BAD_SCHEMA
    if before != revisions.head or not _was_given(administrator, connection):
        _give(administrator, connection, say)
    say(f"schema of users after: {schema.found(connection, schema.USERS)}")
    return 0


def _was_given(administrator: Administrator, connection: Any) -> bool:
    """Whether this password was set once. If so it stays as it is: who changed it in MLflow since has meant to."""
    hashes: Any = importlib.import_module("werkzeug.security")
    with connection, connection.cursor() as cursor:
        cursor.execute(_MAKE_NOTES)
        cursor.execute(_NOTED, (administrator.name,))
        row = cursor.fetchone()
    return row is not None and hashes.check_password_hash(row[0], administrator.password)


def _give(administrator: Administrator, connection: Any, say: Callable[[str], None]) -> None:
    hashes: Any = importlib.import_module("werkzeug.security")
    store = importlib.import_module("mlflow.server.auth.sqlalchemy_store").SqlAlchemyStore()
    store.init_db(schema.uri(administrator.database))  # makes or upgrades the schema
    name, password = administrator.name, administrator.password
    if not _was_given(administrator, connection):
        if store.has_user(name):
            store.update_user(name, password=password, is_admin=True)
            say(f"user {name} is an administrator, with the new password")
        else:
            store.create_user(name, password, is_admin=True)
            say(f"made the administrator {name}")
        with connection, connection.cursor() as cursor:
            cursor.execute(_NOTE, (name, hashes.generate_password_hash(password)))
    store.engine.dispose()


def check(database: Database, place: Place, say: Callable[[str], None]) -> int:
    """Say why MLflow cannot run on the database of users, and return the exit code; 0 where it can."""
    try:
        connection = schema.connect(database, 10, say)
        revision = schema.found(connection, place)
        connection.close()
    except NoDatabase as error:
        say(str(error))
        return NO_DATABASE
    complaint = schema.complaint(revision, schema.wanted(place))
    if complaint:
        say(f"users: {complaint}")
    return BAD_SCHEMA if complaint else 0


def settings(users: Users, run_dir: Path) -> dict[str, str]:
    """Write MLflow's configuration of users into the private run folder, and say how MLflow finds it."""
    written = configparser.ConfigParser(interpolation=None)
    told = {
        "default_permission": users.default_permission,
        "database_uri": schema.uri(users.database),
        # The migration has made the administrator. Older versions ask for a password all the same, and do not use it.
        "admin_username": users.administrator,
        "admin_password": secrets.token_urlsafe(),
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        "auth_cache_ttl_seconds": str(CACHE_SECONDS),
    }
    # MLflow reads it with interpolation, to which a lone % is an error.
    written["mlflow"] = {name: value.replace("%", "%%") for name, value in told.items()}
    text = io.StringIO()
    written.write(text)
    front.write_private(run_dir / "users.ini", text.getvalue())
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(run_dir / "users.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": users.key,
        "_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED": "true",
    }
