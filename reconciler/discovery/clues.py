"""What a container's arguments and environment tell of its database, its bucket and its login. Pure.

Passwords are read past, never kept; what comes from a secret is not read at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from reconciler.gcp import fields as flat

_DATABASE = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://(?P<user>[^:@/\s]+)(?::[^\s]*?)?@(?P<host>[^/?\s]*)/(?P<name>[^?\s]+)(?P<rest>\?\S*)?"
)
_SOCKET = re.compile(r"/cloudsql/(?P<instance>[a-z0-9:.-]+:[a-z0-9-]+:[a-z0-9-]+)")
_BUCKET = re.compile(r"gs://(?P<bucket>[a-z0-9][a-z0-9._-]+)(?:/(?P<folder>[^\s,;'\"]*))?")
_BARE_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_USER = re.compile(r"^((DB|DATABASE|POSTGRES(QL)?|SQL|CLOUD_?SQL)_USER(NAME)?|PGUSER)$")
_NAME = re.compile(r"^((DB|DATABASE|SQL|CLOUD_?SQL)_(NAME|DATABASE)|POSTGRES_DB|PGDATABASE)$")


@dataclass(frozen=True, slots=True)
class Clues:
    """What is told, each "" where it is not: *host* is an address, *instance* PROJECT:REGION:INSTANCE.

    *said_by* maps each of them to the variable, or "its arguments". *app* is MLflow's `--app-name`.
    """

    host: str = ""
    instance: str = ""
    database: str = ""
    user: str = ""
    bucket: str = ""
    folder: str = ""
    app: str = ""
    said_by: Mapping[str, str] = field(default_factory=dict[str, str])


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    """The variables whose values stand in the service itself."""
    return {str(e["name"]): str(e["value"]) for e in flat.items(container, "env") if e.get("value")}


def from_secrets(container: Mapping[str, Any]) -> dict[str, str]:
    """The variables that come from Secret Manager, each with SECRET:VERSION."""
    found: dict[str, str] = {}
    for entry in flat.items(container, "env"):
        source = flat.at(entry, "valueSource.secretKeyRef")
        if source:
            secret = str(source.get("secret", "")).rsplit("/", 1)[-1]
            found[str(entry["name"])] = f"{secret}:{source.get('version') or 'latest'}"
    return found


def read(container: Mapping[str, Any]) -> Clues:
    """What *container* tells; where two of its settings tell the same, the first in the alphabet counts."""
    words = [*flat.words(container, "command"), *flat.words(container, "args")]
    told = [("its arguments", " ".join(words)), *sorted(environment(container).items())]
    found: dict[str, str] = {}
    said_by: dict[str, str] = {}

    def keep(where: str, values: Mapping[str, str | None]) -> None:
        for key, value in values.items():
            if value and key not in found:
                found[key], said_by[key] = value, where

    for where, text in told:
        if database := _DATABASE.search(text):
            keep(where, {key: unquote(database[part]) for key, part in _PARTS.items()})
        if socket := _SOCKET.search(unquote(text)):
            keep(where, {"instance": socket["instance"]})
        if bucket := _BUCKET.search(text):
            keep(where, {"bucket": bucket["bucket"], "folder": (bucket["folder"] or "").strip("/")})
    for name, value in told[1:]:
        if _USER.match(name):
            keep(name, {"user": value})
        if _NAME.match(name):
            keep(name, {"database": value})
        if "BUCKET" in name and _BARE_BUCKET.fullmatch(value):
            keep(name, {"bucket": value})
    return Clues(**found, app=_app(words), said_by=said_by)


_PARTS = {"user": "user", "host": "host", "database": "name"}


def _app(words: Iterable[str]) -> str:
    """The value of `--app-name`, wherever it stands: `mlflow` and a shell's one long word alike."""
    found = re.search(r"--app-name[= ]+([\w-]+)", " ".join(words))
    return found[1] if found else ""
