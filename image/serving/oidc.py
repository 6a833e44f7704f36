"""The plugin mlflow-oidc-auth: its database's schema, and what it is told that the deployment does not say itself.

Its documentation: https://github.com/mlflow-oidc/mlflow-oidc-auth/tree/main/docs
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from . import schema
from .environment import BAD_SCHEMA, NO_DATABASE, Database
from .oidc_groups import EVERYBODY
from .schema import PROVIDED, NoDatabase


def migrate(database: Database, say: Callable[[str], None]) -> int:
    """Make or upgrade the schema of the database of users; returns the exit code."""
    try:
        connection = schema.connect(database, schema.PATIENCE, say)
    except NoDatabase as error:
        say(str(error))
        return NO_DATABASE
    try:
        revisions = schema.wanted(PROVIDED)
        before = schema.found(connection, PROVIDED)
        say(f"schema of users before: {before or 'none'}")
        if before is not None and before not in revisions.known:
            say(schema.complaint(before, revisions))
            return BAD_SCHEMA
        if before != revisions.head:
            _upgrade(schema.uri(database))
        say(f"schema of users after: {schema.found(connection, PROVIDED)}")
        return 0
    finally:
        connection.close()


def _upgrade(uri: str) -> None:
    sqlalchemy: Any = importlib.import_module("sqlalchemy")
    engine = sqlalchemy.create_engine(uri)
    importlib.import_module("mlflow_oidc_auth.db.utils").migrate(engine, "head")
    engine.dispose()


def settings(database: Database, environ: Mapping[str, str]) -> dict[str, str]:
    """The plugin's variables that are derived here."""
    told = {
        "OIDC_USERS_DB_URI": schema.uri(database),
        # Without it the plugin takes any token of the provider's, whoever it was made for.
        "OIDC_AUDIENCE": environ["OIDC_CLIENT_ID"],
        # Its default is a group that the deployment has not named.
        "OIDC_ADMIN_GROUP_NAME": environ.get("OIDC_ADMIN_GROUP_NAME", ""),
        "SESSION_COOKIE_SECURE": "true" if "K_SERVICE" in environ else "false",
        "DEFAULT_LANDING_PAGE_IS_PERMISSIONS": "false",
        # It asks its database one question at a time on the event loop, and a few more from Flask's threads.
        "OIDC_DB_POOL_SIZE": "2",
        "OIDC_DB_POOL_MAX_OVERFLOW": "1",
    }
    if not environ.get("OIDC_GROUP_NAME"):
        told |= {"OIDC_GROUP_NAME": EVERYBODY, "OIDC_GROUP_DETECTION_PLUGIN": "serving.oidc_groups"}
    return told
