"""The environment that the image reads, checked as a whole before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final

from . import provider

# Exit codes; the first three are those of sysexits.h.
BAD_ENVIRONMENT: Final = 64
BAD_SCHEMA: Final = 65
NO_DATABASE: Final = 69
PART_DIED: Final = 70

_SOCKET_NAME: Final = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES: Final = 107
"""The longest path of a Unix socket on Linux: sockaddr_un holds 108 bytes, the last of them zero."""
_BUCKET_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_BUILT_HERE: Final = ("MLFLOW_BACKEND_STORE_URI", "MLFLOW_REGISTRY_STORE_URI", "MLFLOW_DEFAULT_ARTIFACT_ROOT")


class BadEnvironment(Exception):
    """What is missing or wrong, one sentence each; never with a value of a secret."""

    def __init__(self, findings: list[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = findings


@dataclass(frozen=True)
class Database:
    """Where the database is and how to log in."""

    host: str
    """The folder of PostgreSQL's socket, or a host name."""
    name: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Users:
    """MLflow's own users: their database, and what is theirs where nobody has shared or locked anything."""

    database: Database
    administrator: str
    default_permission: str
    key: str = field(repr=False)
    """With which MLflow's pages sign their forms; the same in every instance."""


@dataclass(frozen=True)
class Administrator:
    """Who is made administrator of MLflow's own users, and in which database."""

    database: Database
    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """What `serve` needs."""

    database: Database
    address: str
    port: int
    artifacts: str
    """`gs://BUCKET[/FOLDER]`, or `file:///FOLDER` outside Cloud Run."""
    login: tuple[str, str] | None = field(repr=False)
    """User name and password, or None where nginx asks for none."""
    users: Users | None
    """None where MLflow knows no users of its own."""
    provided: Database | None
    """Of the users whom an identity provider knows; None where nobody logs in elsewhere."""
    workers: int
    jobs: bool


@dataclass(frozen=True)
class Retention:
    """What `retain` needs; ages in days."""

    database: Database
    artifacts: str
    """`gs://BUCKET[/FOLDER]`, or `file:///FOLDER` outside Cloud Run: where the server keeps what it is sent."""
    after_days: int
    restorable_days: int
    keep_tag: str
    dry_run: bool


def read_database(environ: Mapping[str, str]) -> Database:
    """What `migrate` needs. Raises BadEnvironment with every finding."""
    findings: list[str] = []
    database = _database(environ, findings)
    if findings:
        raise BadEnvironment(findings)
    return database


def read_retention(environ: Mapping[str, str]) -> Retention:
    """What `retain` needs. Raises BadEnvironment with every finding."""
    findings: list[str] = []
    retention = Retention(
        database=_database(environ, findings),
        artifacts=_artifacts(environ, findings).rstrip("/"),
        after_days=_number(environ, "RETAIN_AFTER_DAYS", 0, 36500, findings),
        restorable_days=_number(environ, "RETAIN_RESTORABLE_DAYS", 0, 36500, findings, least=0),
        keep_tag=_text(environ, "RETAIN_KEEP_TAG", "the tag that keeps a run or an experiment", findings),
        dry_run=_flag(environ, "RETAIN_DRY_RUN", findings),
    )
    if findings:
        raise BadEnvironment(findings)
    return retention


def read_users(environ: Mapping[str, str]) -> Users | None:
    """What MLflow needs to know its users; None where it knows none. Raises BadEnvironment with every finding."""
    findings: list[str] = []
    users = _users(environ, _database(environ, findings), findings)
    if findings:
        raise BadEnvironment(findings)
    return users


def read_provided(environ: Mapping[str, str]) -> Database | None:
    """The database of the users whom an identity provider knows. Raises BadEnvironment."""
    if not provider.chosen(environ):
        return None
    findings: list[str] = []
    provided = _users_database(environ, _database(environ, findings), findings)
    if findings:
        raise BadEnvironment(findings)
    return provided


def read_administrator(environ: Mapping[str, str]) -> Administrator | None:
    """Whom `migrate` makes administrator, where there are users. Raises BadEnvironment with every finding."""
    if environ.get("FRONT_AUTH") != OWN_USERS:
        return None
    findings: list[str] = []
    administrator = Administrator(
        database=_users_database(environ, _database(environ, findings), findings),
        name=_administrator(environ, findings),
        password=_text(environ, "MLFLOW_AUTH_ADMIN_PASSWORD", "the administrator's password", findings),
    )
    if findings:
        raise BadEnvironment(findings)
    return administrator


def read(environ: Mapping[str, str]) -> Settings:
    """What `serve` needs. Raises BadEnvironment with every finding."""
    findings: list[str] = []
    database = _database(environ, findings)
    settings = Settings(
        database=database,
        address=environ.get("LISTEN_ADDRESS") or "0.0.0.0",  # noqa: S104 -- a container is reached from outside
        port=_number(environ, "PORT", 8080, 65535, findings),
        artifacts=_artifacts(environ, findings),
        login=_login(environ, findings),
        users=_users(environ, database, findings),
        provided=_users_database(environ, database, findings) if provider.chosen(environ) else None,
        workers=_number(environ, "MLFLOW_WORKERS", 1, 64, findings),
        jobs=_flag(environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION", findings),
    )
    _refuse_what_cannot_work(environ, findings)
    if findings:
        raise BadEnvironment(findings)
    return settings


def _database(environ: Mapping[str, str], findings: list[str]) -> Database:
    host = _text(environ, "MLFLOW_DB_HOST", "the folder of the PostgreSQL socket, or a host name", findings)
    path = f"{host}/{_SOCKET_NAME}"
    if host.startswith("/") and len(path.encode()) > _SOCKET_PATH_BYTES:
        findings.append(
            f"MLFLOW_DB_HOST is too long: the socket's path {path} has {len(path.encode())} bytes, "
            f"and a socket's path has at most {_SOCKET_PATH_BYTES}"
        )
    return Database(
        host=host,
        name=_text(environ, "MLFLOW_DB_NAME", "the database", findings),
        user=_text(environ, "MLFLOW_DB_USER", "the database user", findings),
        password=_text(environ, "MLFLOW_DB_PASSWORD", "the database user's password", findings),
    )


def _text(environ: Mapping[str, str], name: str, meaning: str, findings: list[str]) -> str:
    value = environ.get(name, "")
    if not value:
        findings.append(f"{name} is not set: {meaning}")
    elif not value.isprintable():
        findings.append(f"{name} contains a line end or another control character")
    return value


def _number(
    environ: Mapping[str, str], name: str, default: int, most: int, findings: list[str], least: int = 1
) -> int:
    value = environ.get(name) or str(default)
    if value.isascii() and value.isdigit() and least <= int(value) <= most:
        return int(value)
    findings.append(f"{name} is {value!r}: a whole number from {least} to {most} is needed")
    return default


def _flag(environ: Mapping[str, str], name: str, findings: list[str]) -> bool:
    value = environ.get(name) or "false"
    if value not in ("true", "false"):
        findings.append(f"{name} is {value!r}: true or false is needed")
    return value == "true"


def _artifacts(environ: Mapping[str, str], findings: list[str]) -> str:
    name = "MLFLOW_ARTIFACTS_DESTINATION"
    if (access := environ.get("MLFLOW_ARTIFACTS_ACCESS") or "proxied") not in ("proxied", "direct"):
        findings.append(f"MLFLOW_ARTIFACTS_ACCESS is {access!r}: proxied or direct is needed")
    scheme, _, rest = (value := _text(environ, name, "gs://BUCKET[/FOLDER]", findings)).partition("://")
    if scheme == "file" and "K_SERVICE" in environ:
        findings.append(f"{name} is a folder of this container, and on Cloud Run that is memory: use gs://")
    elif scheme == "file" and not PurePosixPath(rest).is_absolute():
        findings.append(f"{name} is {value!r}: a local folder is written file:///FOLDER")
    elif value and scheme not in ("gs", "file"):
        findings.append(f"{name} is {value!r}: gs://BUCKET[/FOLDER] is needed")
    elif scheme == "gs" and not _is_bucket_name(rest.partition("/")[0]):
        findings.append(f"{name} is {value!r}: {rest.partition('/')[0]!r} is not a bucket's name")
    return value


def _is_bucket_name(name: str) -> bool:
    """Google's rule, short of the parts between dots: https://cloud.google.com/storage/docs/buckets#naming."""
    return 3 <= len(name) <= 222 and set(name) <= _BUCKET_LETTERS and name[0].isalnum() and name[-1].isalnum()


def _login(environ: Mapping[str, str], findings: list[str]) -> tuple[str, str] | None:
    mode = environ.get("FRONT_AUTH", "")
    if mode in ("none", OWN_USERS, provider.OIDC):
        return None
    if mode != "basic":
        findings.append(
            f"FRONT_AUTH is {mode!r}: none, basic, mlflow or oidc is needed" if mode else _NO_MODE
        )
        return None
    user = _text(environ, "FRONT_USERNAME", "the user name that nginx asks for", findings)
    password = _text(environ, "FRONT_PASSWORD", "the password that nginx asks for", findings)
    if ":" in user:
        findings.append("FRONT_USERNAME contains a colon, which ends a user name in an HTTP login")
    return user, password


def _users(environ: Mapping[str, str], database: Database, findings: list[str]) -> Users | None:
    if environ.get("FRONT_AUTH") != OWN_USERS:
        return None
    name, key = "MLFLOW_AUTH_DEFAULT_PERMISSION", "MLFLOW_FLASK_SERVER_SECRET_KEY"
    permission = _text(environ, name, "what users may do with what nobody has shared", findings)
    if permission and permission not in _PERMISSIONS:
        findings.append(f"{name} is {permission!r}: one of {', '.join(_PERMISSIONS)} is needed")
    return Users(
        database=_users_database(environ, database, findings),
        administrator=_administrator(environ, findings),
        default_permission=permission,
        key=_text(environ, key, "the key with which MLflow's pages sign their forms", findings),
    )


def _administrator(environ: Mapping[str, str], findings: list[str]) -> str:
    return _text(environ, "MLFLOW_AUTH_ADMIN_USERNAME", "the administrator among MLflow's users", findings)


def _users_database(environ: Mapping[str, str], database: Database, findings: list[str]) -> Database:
    name = _text(environ, "MLFLOW_AUTH_DB_NAME", "the database of MLflow's users", findings)
    if name and name == database.name:
        findings.append("MLFLOW_AUTH_DB_NAME and MLFLOW_DB_NAME are the same: users live in a database apart")
    return replace(database, name=name)


OWN_USERS: Final = "mlflow"
_PERMISSIONS: Final = ("NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE")
_NO_MODE: Final = (
    "FRONT_AUTH is not set: none (whoever reaches the port is let in), basic (nginx asks for a login), "
    "mlflow (MLflow asks, and knows its users) or oidc (an identity provider asks)"
)


def _refuse_what_cannot_work(environ: Mapping[str, str], findings: list[str]) -> None:
    findings += provider.complaints(environ)
    built = [name for name in _BUILT_HERE if environ.get(name)]
    findings += [f"{name} is set, but it is made here from the MLFLOW_DB_ variables" for name in built]
    if environ.get("MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW") == "0":
        findings.append("MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW is 0, which MLflow reads as unset: use 1")
    if environ.get("MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", "false").lower() not in ("false", "0"):
        findings.append(
            "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE is set: it would let any web page use the server"
        )
    for name in ("MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"):
        if "*" in [part.strip() for part in environ.get(name, "").split(",")]:
            findings.append(f"{name} contains *, which switches the check off: name the hosts")
