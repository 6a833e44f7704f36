"""A real PostgreSQL for every Cloud SQL instance, reached only through its Unix socket."""

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from reconciler.sandbox.errors import SandboxError
from reconciler.sandbox.runtime.folders import closed_parent, open_path, socket_folder
from reconciler.sandbox.runtime.pg_binaries import Installation, installations, run_as, server_account

SUPERUSER = "cloudsqladmin"
_PORT = "5432"
_LINGERING = 15.0
_ERROR = re.compile(r"ERROR:\s+(?:([0-9A-Z]{5}): )?(.*)")
_DETAIL = re.compile(r"^DETAIL:\s+(.*)", re.MULTILINE)
# Small, because several instances share a laptop with MLflow itself.
_DEFAULTS = {"shared_buffers": "16MB", "log_destination": "stderr"}
# Ours to decide: no flag may open a port, move the socket, or write a statement's password to the log.
_FIXED = {"listen_addresses": "", "port": _PORT, "log_min_error_statement": "panic", "log_statement": "none"}


@dataclass(frozen=True)
class Cluster:
    """One instance's PostgreSQL: its files below `home`, its socket's folder, and the sandbox's home."""

    top: Path
    project: str
    name: str
    sockets: Path

    @property
    def files(self) -> Path:
        """The folder that holds everything of this instance."""
        return self.top / "postgres" / f"{self.project}.{self.name}"

    @property
    def data(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.files / "data"

    @property
    def passwords(self) -> Path:
        """The superuser's password file, readable by the sandbox's user only."""
        return self.files / "superuser"

    @property
    def log(self) -> Path:
        """What PostgreSQL wrote."""
        return self.files / "log"


class PostgresError(Exception):
    """PostgreSQL refused a statement: `code` is its SQLSTATE, the text its own message, `detail` what it adds."""

    def __init__(self, code: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.detail = detail


def cluster(home: Path, project: str, region: str, name: str) -> Cluster:
    """The cluster of an instance."""
    return Cluster(home, project, name, socket_folder(home, f"{project}:{region}:{name}"))


def exists(where: Cluster) -> bool:
    """Whether the cluster was completely created."""
    return (where.files / "complete").exists()


def major(where: Cluster) -> int:
    """The major version of PostgreSQL that made the cluster, and serves it."""
    return int((where.data / "PG_VERSION").read_text().strip())


def create(where: Cluster, settings: Mapping[str, str], wanted: int) -> Installation:
    """Make the cluster, start it, and give it Cloud SQL's roles. Half-made leftovers are replaced.

    PostgreSQL `wanted` serves it where this machine has that version, else the next newer one: it can load what any
    older one wrote, so that a backup fits wherever Cloud SQL says it does.
    """
    if exists(where):
        return start(where)
    if where.files.exists():
        destroy(where)
    installation = _chosen(where, wanted)
    account = server_account()
    where.files.mkdir(parents=True)
    password = secrets.token_urlsafe(24)
    if account is not None:
        _check_reachable(where, account.pw_name)
        open_path(where.files, where.top)
        os.chown(where.files, account.pw_uid, account.pw_gid)
    first_password = where.files / "first-password"
    _write_private(first_password, password)
    if account is not None:
        os.chown(first_password, account.pw_uid, account.pw_gid)
    command = [
        str(installation.folder / "initdb"),
        "-D",
        str(where.data),
        "-U",
        SUPERUSER,
        "-A",
        "scram-sha-256",
    ]
    command += ["--pwfile", str(first_password), "-E", "UTF8", "--locale=C", "--no-sync"]
    _demand(run_as(account, command, cwd=where.files), "initdb")
    first_password.unlink()
    _write_private(where.passwords, f"*:*:*:{SUPERUSER}:{password}\n")
    configure(where, settings)
    start(where)
    run_sql(where, _FIRST_STATEMENTS)
    (where.files / "complete").touch()
    return installation


def _chosen(where: Cluster, wanted: int) -> Installation:
    known = sorted(installations(where.top), key=lambda one: one.major)
    return next((one for one in known if one.major >= wanted), known[-1])


# What a new Cloud SQL instance holds: the role every user made through the API gets, and the postgres user.
_FIRST_STATEMENTS = """
CREATE ROLE cloudsqlsuperuser CREATEDB CREATEROLE;
CREATE ROLE postgres LOGIN CREATEDB CREATEROLE IN ROLE cloudsqlsuperuser;
ALTER DATABASE postgres OWNER TO cloudsqlsuperuser;
"""


def configure(where: Cluster, settings: Mapping[str, str]) -> None:
    """Write the settings; they hold from the next start on. Values are PostgreSQL's own texts."""
    fixed = {**_FIXED, "unix_socket_directories": str(where.sockets)}
    lines = [f"{name} = {literal(value)}" for name, value in {**_DEFAULTS, **settings, **fixed}.items()]
    partial = where.data / "sandbox.conf.partial"
    partial.write_text("\n".join(lines) + "\n")
    _give_to_server(partial)
    partial.replace(where.data / "sandbox.conf")
    main = where.data / "postgresql.conf"
    include = "include = 'sandbox.conf'\n"
    if include not in main.read_text():
        with main.open("a") as file:
            file.write(include)


def start(where: Cluster) -> Installation:
    """Start the server where it is not running, and return when it takes connections."""
    installation = _installation_for(where)
    if running(where):
        return installation
    _forget_dead_server(where)
    where.sockets.mkdir(parents=True, exist_ok=True)
    _give_to_server(where.sockets)
    deadline = time.monotonic() + _LINGERING
    while _pg_ctl(where, installation, "start", "-l", str(where.log)).returncode != 0:
        tail = where.log.read_text(errors="replace")[-1500:] if where.log.exists() else ""
        # A server that was just stopped or killed leaves processes that take a moment to notice.
        if "is still in use" not in tail or time.monotonic() > deadline:
            raise SandboxError(f"PostgreSQL of instance {where.name} does not start:\n{tail}")
        time.sleep(0.05)
    return installation


def stop(where: Cluster) -> bool:
    """Stop the server, ending its connections; False where it is not running."""
    was_running = running(where)
    if was_running:
        _demand(_pg_ctl(where, _installation_for(where), "stop", "-m", "fast"), "pg_ctl stop")
    return was_running


def restart(where: Cluster) -> None:
    """Stop and start, which drops every connection, as Cloud SQL does when a tier or a flag changes."""
    stop(where)
    start(where)


def destroy(where: Cluster) -> None:
    """Stop the server and remove all that is its."""
    if where.data.exists():
        with contextlib.suppress(SandboxError):
            stop(where)
    shutil.rmtree(where.files, ignore_errors=True)
    shutil.rmtree(where.sockets, ignore_errors=True)


def running(where: Cluster) -> bool:
    """Whether this cluster's own server runs; another process that got its number does not count."""
    pid = _recorded_pid(where)
    if pid is None:
        return False
    shown = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return str(where.data) in shown.stdout


def stop_all(home: Path) -> bool:
    """Stop every server whose files lie below the home; whether one ran."""
    parts = [data.parent.name.partition(".") for data in sorted((home / "postgres").glob("*/data"))]
    found = [Cluster(home, project, name, Path("/nonexistent")) for project, _, name in parts]
    with ThreadPoolExecutor(8) as side_by_side:
        return any(list(side_by_side.map(stop, found)))


def run_sql(where: Cluster, statements: str, database: str = "postgres") -> list[list[str]]:
    """Run statements as the superuser, and return the rows, as texts.

    The statements go through standard input and the password through a file: neither shows in a process list.
    Raises PostgresError when PostgreSQL refuses one of them.
    """
    psql = str(_installation_for(where).folder / "psql")
    command = [psql, "-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"]
    done = subprocess.run(
        [*command, "-d", database],
        input=statements,
        env=_client_environment(where),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        found = _ERROR.search(done.stderr)
        if found:
            detail = _DETAIL.search(done.stderr)
            raise PostgresError(found.group(1) or "", found.group(2), detail.group(1) if detail else "")
        raise SandboxError(f"PostgreSQL of instance {where.name} does not answer: {done.stderr.strip()}")
    return [line.split("\x1f") for line in done.stdout.splitlines()]


def dump(where: Cluster, database: str, file: Path) -> None:
    """Write a consistent copy of one database to `file`, in pg_dump's own format."""
    command = [str(_installation_for(where).folder / "pg_dump"), "-Fc", "-d", database, "-f", str(file)]
    _demand(_client(where, command), "pg_dump")


def restore(where: Cluster, database: str, file: Path) -> None:
    """Put a copy made by `dump` in the place of what the database holds."""
    program = str(_installation_for(where).folder / "pg_restore")
    _demand(_client(where, [program, "--clean", "--if-exists", "-d", database, str(file)]), "pg_restore")


def literal(text: str) -> str:
    """A text as an SQL literal."""
    quoted = text.replace("'", "''")
    return f" E'{quoted}'".replace("\\", "\\\\") if "\\" in text else f"'{quoted}'"


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _client(where: Cluster, command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = _client_environment(where)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


def _client_environment(where: Cluster) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LC_ALL": "C",
        "PGHOST": str(where.sockets),
        "PGPORT": _PORT,
        "PGUSER": SUPERUSER,
        "PGPASSFILE": str(where.passwords),
        "PGCONNECT_TIMEOUT": "20",
    }


def _installation_for(where: Cluster) -> Installation:
    made_by = major(where)
    remembered = where.files / "programs"
    if remembered.exists() and (Path(remembered.read_text()) / "postgres").exists():
        return Installation(Path(remembered.read_text()), made_by, str(made_by))
    known = installations(where.top)
    for installation in known:
        if installation.major == made_by:
            remembered.write_text(str(installation.folder))
            return installation
    found = ", ".join(one.version for one in known)
    raise SandboxError(
        f"Instance {where.name} was made by PostgreSQL {made_by}, and this machine has {found}.",
        f"Install PostgreSQL {made_by}, or start again with `mlflow-reconcile sandbox reset`.",
    )


def _pg_ctl(
    where: Cluster, installation: Installation, verb: str, *options: str
) -> subprocess.CompletedProcess[str]:
    command = [str(installation.folder / "pg_ctl"), verb, "-D", str(where.data), "-w", "-t", "60", *options]
    return run_as(server_account(), command, cwd=where.data)


def _recorded_pid(where: Cluster) -> int | None:
    try:
        return int((where.data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _forget_dead_server(where: Cluster) -> None:
    # PostgreSQL itself refuses to start where any process of its user carries the number in these files.
    (where.data / "postmaster.pid").unlink(missing_ok=True)
    for left_over in where.sockets.glob(".s.PGSQL.*"):
        left_over.unlink()


def _check_reachable(where: Cluster, account: str) -> None:
    closed = closed_parent(where.top)
    if closed is not None:
        raise SandboxError(
            f"PostgreSQL runs as {account}, who cannot enter {closed}.",
            f"Run chmod o+x {closed}, or give the sandbox another --home.",
        )


def _give_to_server(path: Path) -> None:
    account = server_account()
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _demand(result: subprocess.CompletedProcess[str], step: str) -> None:
    if result.returncode != 0:
        raise SandboxError(f"{step} failed: {(result.stderr or result.stdout).strip()[-1500:]}")
