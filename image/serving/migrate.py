"""Makes the database's schema, or upgrades it to that of the installed MLflow; one at a time, and safe to repeat."""

import importlib
import signal
import sys
import time
from types import FrameType
from typing import Any, Final

from . import oidc, schema, users
from .environment import BAD_SCHEMA, NO_DATABASE, Administrator, Database
from .schema import NoDatabase

_LOCK: Final = 0x6D6C666C6F77
"""The advisory lock's key: "mlflow" in ASCII. Any number would do that nobody else uses in this database."""
_LOCK_SECONDS: Final = 900
_DEFAULT_EXPERIMENT: Final = "select 1 from experiments limit 1"


def run(database: Database, administrator: Administrator | None, provided: Database | None) -> int:
    """Migrate, and the database of users where there is one: MLflow's own, or of an identity *provided*."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        connection = schema.connect(database, schema.PATIENCE, _say)
    except NoDatabase as error:
        _say(str(error))
        return NO_DATABASE
    try:
        if not _lock(connection):
            _say(f"another migration has been at work for {_LOCK_SECONDS} s; this one gives up")
            return NO_DATABASE
        code = _migrate(database, connection)
        if code == 0 and administrator:
            return users.migrate(administrator, _say)
        return oidc.migrate(provided, _say) if code == 0 and provided else code
    finally:
        connection.close()  # and with it goes the lock


def _migrate(database: Database, connection: Any) -> int:
    revisions = schema.wanted()
    before = schema.found(connection)
    _say(f"schema before: {before or 'none'}")
    if before is not None and before not in revisions.known:
        _say(schema.complaint(before, revisions))
        return BAD_SCHEMA
    if before == revisions.head and _has_experiment(connection):
        _say(f"schema after: {before}, nothing to do")
        return 0
    _upgrade(schema.uri(database), before)
    _say(f"schema after: {schema.found(connection)}")
    return 0


def _upgrade(uri: str, before: str | None) -> None:
    """What `mlflow db upgrade` and the server's own first start do, in that order."""
    tables: Any = importlib.import_module("mlflow.store.db.utils")
    engine = tables.create_sqlalchemy_engine(uri)
    if before is None:
        tables._initialize_tables(engine)
    else:
        tables._upgrade_db(engine)
    engine.dispose()
    # Makes the experiment named Default; several servers that start at once would do it twice.
    store: Any = importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
    store.SqlAlchemyStore(uri, "mlflow-artifacts:/")


def _has_experiment(connection: Any) -> bool:
    with connection, connection.cursor() as cursor:
        cursor.execute(_DEFAULT_EXPERIMENT)
        return cursor.fetchone() is not None


def _lock(connection: Any) -> bool:
    """Take the lock, which lasts as long as the connection. Asked for in turns, so that a signal gets through."""
    end = time.monotonic() + _LOCK_SECONDS
    waiting = False
    while time.monotonic() < end:
        with connection, connection.cursor() as cursor:
            cursor.execute("select pg_try_advisory_lock(%s)", (_LOCK,))
            if cursor.fetchone()[0]:
                return True
        if not waiting:
            _say("another migration is at work; waiting for it")
            waiting = True
        time.sleep(0.2)
    return False


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + number)


def _say(text: str) -> None:
    sys.stderr.write(f"migrate: {text}\n")
    sys.stderr.flush()
