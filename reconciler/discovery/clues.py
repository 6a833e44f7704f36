"""What a container's arguments and environment tell of its database, its bucket and its login. Pure.

Passwords are read past, never kept; what comes from a secret is not read at all. What belongs together is taken from
one setting: a bucket is never joined with the folder of another.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from string import Template
from typing import Any
from urllib.parse import parse_qs, unquote

from reconciler.gcp import fields as flat

ARGUMENTS = "its arguments"
_DATABASE = re.compile(r"postgres(?:ql)?(?:\+\w+)?://(\S+)")
_SOCKET = re.compile(r"/cloudsql/([a-z0-9:.-]+:[a-z0-9-]+:[a-z0-9-]+)")
_BUCKET = re.compile(r"gs://([a-z0-9][a-z0-9._-]+)(?:/([^\s,;'\"]*))?")
_BARE_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_OWNER = r"^(MLFLOW_)?(DB|DATABASE|POSTGRES(QL)?|PG|SQL|CLOUD_?SQL)_?"
_USER, _NAME = re.compile(rf"{_OWNER}USER(NAME)?$"), re.compile(rf"{_OWNER}(NAME|DATABASE|DB)$")
_HOST = re.compile(rf"{_OWNER}HOST(NAME)?$")
_STORE = re.compile(r"BACKEND|STORE|TRACKING|^(MLFLOW_)?(DB|DATABASE|POSTGRES)")
_ARTIFACTS = re.compile(r"ARTIFACT|MLFLOW")
"""Variables that speak of MLflow's own database, and of its artifacts, come before others that have one."""
_STORE_ARGUMENT = re.compile(r"--backend-store-uri[= ]+['\"]?(\S+)")
_ARTIFACTS_ARGUMENT = re.compile(r"--(?:artifacts-destination|default-artifact-root)[= ]+['\"]?(gs://\S+)")
_APP = re.compile(r"--app-name[= ]+['\"]?([\w-]+)")


@dataclass(frozen=True, slots=True)
class Clues:
    """What is told, each "" where it is not: *host* is an address, *instance* PROJECT:REGION:INSTANCE.

    *said_by* maps each of them to the variable, or `ARGUMENTS`; *doubted* are those of which another setting says
    something else. *app* is MLflow's `--app-name`.
    """

    host: str = ""
    instance: str = ""
    database: str = ""
    user: str = ""
    bucket: str = ""
    folder: str = ""
    app: str = ""
    said_by: Mapping[str, str] = field(default_factory=dict[str, str])
    doubted: Collection[str] = ()

    def by(self, what: str) -> str:
        """Which setting says it, in words."""
        doubt = ", a guess: another setting says otherwise" if what in self.doubted else ""
        return f"as in {self.said_by.get(what, '')}{doubt}"


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    """The variables whose values stand in the service itself."""
    return {str(e["name"]): str(e["value"]) for e in flat.items(container, "env") if e.get("value")}


def from_secrets(container: Mapping[str, Any], project_ids: Collection[str] = ()) -> dict[str, str]:
    """The variables that come from Secret Manager, as SECRET:VERSION; by the full name where another project has it."""
    found: dict[str, str] = {}
    for entry in flat.items(container, "env"):
        source = flat.at(entry, "valueSource.secretKeyRef")
        if source:
            name, version = str(source.get("secret", "")), source.get("version") or "latest"
            elsewhere = "/" in name and name.split("/")[1] not in project_ids
            found[str(entry["name"])] = (
                f"{name}/versions/{version}" if elsewhere else f"{name.rsplit('/', 1)[-1]}:{version}"
            )
    return found


def read(container: Mapping[str, Any]) -> Clues:
    """What *container* tells."""
    variables = environment(container)
    words = [*flat.words(container, "command"), *flat.words(container, "args")]
    spoken = Template(" ".join(words)).safe_substitute(variables)  # a shell's "gs://$BUCKET/mlflow"
    found: dict[str, str] = {}
    said_by: dict[str, str] = {}
    doubted: set[str] = set()

    def keep(where: str, values: Mapping[str, str]) -> None:
        if any(values.get(key, found[key]) != found[key] for key in values if key in found):
            doubted.update(values)
        elif not found.keys() & values.keys():
            found.update(values)
            said_by.update(dict.fromkeys(values, where))

    for where, values in (*_databases(spoken, variables), *_buckets(spoken, variables)):
        keep(where, values)
    app = _APP.search(spoken)
    return Clues(**found, app=app[1] if app else "", said_by=said_by, doubted=frozenset(doubted))


def _databases(spoken: str, variables: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Whatever leads to a database, the likeliest first."""
    named = _STORE_ARGUMENT.search(spoken)
    texts = [(ARGUMENTS, named[1] if named else spoken), *_ranked(variables, _STORE)]
    for where, text in texts:
        if url := _DATABASE.search(text):
            yield where, _of_url(url[1])
    single = {"user": _USER, "database": _NAME, "host": _HOST}
    for name, value in sorted(variables.items()):
        for key, shape in single.items():
            if shape.match(name) and not (key == "host" and value.startswith("/")):
                yield name, {key: value}
    for where, text in texts:
        if socket := _SOCKET.search(unquote(text)):
            yield where, {"instance": socket[1]}


def _buckets(spoken: str, variables: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    named = _ARTIFACTS_ARGUMENT.search(spoken)
    for where, text in ((ARGUMENTS, named[1] if named else spoken), *_ranked(variables, _ARTIFACTS)):
        if bucket := _BUCKET.search(text):
            yield where, {"bucket": bucket[1], "folder": (bucket[2] or "").strip("/")}
    for name, value in sorted(variables.items()):
        if "BUCKET" in name and _BARE_BUCKET.fullmatch(value):
            yield name, {"bucket": value}


def _ranked(variables: Mapping[str, str], likely: re.Pattern[str]) -> Iterable[tuple[str, str]]:
    return sorted(variables.items(), key=lambda one: (not likely.search(one[0]), one[0]))


def _of_url(text: str) -> dict[str, str]:
    """User, host and database of what follows `postgresql://`; a password with @ or / in it is read past, too."""
    before, _, question = text.strip("'\"").partition("?")
    login, _, place = before.rpartition("@")
    host, _, name = place.partition("/")
    asked = parse_qs(question)
    told = {
        "user": unquote(login.partition(":")[0]) or asked.get("user", [""])[0],
        "host": host.partition(":")[0] or asked.get("host", [""])[0],
        "database": unquote(name) or asked.get("dbname", [""])[0],
    }
    return {key: value for key, value in told.items() if value and not value.startswith("/")}
