"""What the image's tests and benchmark run on: a real PostgreSQL, a real nginx, a real MLflow in an environment."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from reconciler.sandbox.runtime import environments, images, pg_binaries, programs

IMAGE = Path(__file__).parents[2] / "image"
ENTRYPOINT = IMAGE / "entrypoint"
DATABASE_PASSWORD = "p@ss/w:%r d"  # everything that a URI could stumble over
LOGIN = ("ada", "lovel@ce: 1815")
HOST = "mlflow-123456789012.europe-west9.run.app"
ORIGIN = f"https://{HOST}"


def environment() -> Path:
    """The Python environment that the Dockerfile asks for; made once per machine, which takes a minute."""
    with tempfile.TemporaryDirectory() as folder:
        image = images.build(IMAGE, "Dockerfile", {}, Path(folder), _nothing)
    return environments.provide(image.steps, _nothing)


def _nothing(line: str) -> None:
    del line  # of a build log that nobody reads


@contextmanager
def search_path() -> Generator[str]:
    """A PATH with the environment's Python and an nginx that is new enough."""
    with tempfile.TemporaryDirectory(prefix="nginx-") as folder:
        (Path(folder) / "nginx").symlink_to(programs.nginx())
        yield f"{environment() / 'bin'}:{folder}:{os.defpath}"


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL that is reached by its socket only."""

    folder: Path
    """Of the socket."""
    programs: Path

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement as the superuser, and return what it answers, unaligned."""
        shown = subprocess.run(
            [self.programs / "psql", "-XAtq", "-h", self.folder, "-U", "postgres", "-c", statement, database],
            env={"PGPASSWORD": DATABASE_PASSWORD, "PATH": os.defpath},
            capture_output=True,
            text=True,
            check=True,
        )
        return shown.stdout.strip()

    def variables(self, database: str) -> dict[str, str]:
        """What the image reads to find this database."""
        return {
            "MLFLOW_DB_HOST": str(self.folder),
            "MLFLOW_DB_NAME": database,
            "MLFLOW_DB_USER": "postgres",
            "MLFLOW_DB_PASSWORD": DATABASE_PASSWORD,
        }


@contextmanager
def running_postgres(connections: int = 100) -> Generator[Postgres]:
    """A new PostgreSQL below /tmp: its socket's path must be short, and its user must be able to reach it."""
    account = pg_binaries.server_account()
    home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        installation = pg_binaries.installations(home)[0]
        cluster = home / "cluster"
        cluster.mkdir()
        home.chmod(0o755)
        (cluster / "password").write_text(DATABASE_PASSWORD)
        if account:
            os.chown(cluster, account.pw_uid, account.pw_gid)

        def run(*words: str) -> None:
            done = pg_binaries.run_as(account, [str(installation.folder / words[0]), *words[1:]], cwd=cluster)
            assert done.returncode == 0, done.stdout + done.stderr

        data = str(cluster / "data")
        run(
            "initdb",
            "-N",
            "-D",
            data,
            "-A",
            "scram-sha-256",
            "-U",
            "postgres",
            "--pwfile",
            f"{cluster}/password",
        )
        options = f"-c listen_addresses= -c unix_socket_directories={cluster} -c fsync=off"
        options += f" -c max_connections={connections}"
        run("pg_ctl", "-D", data, "-w", "-l", f"{cluster}/log", "-o", options, "start")
        try:
            yield Postgres(cluster, installation.folder)
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@dataclass
class Server:
    """A started entrypoint."""

    process: subprocess.Popen[bytes]
    port: int
    log_file: Path
    folder: Path
    """Where its temporary files are, and its artifacts below `artifacts`."""
    variables: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """Where nginx listens."""
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        """What it has said so far."""
        return self.log_file.read_text()

    def processes(self) -> dict[int, str]:
        """Every process of it, with its command line."""
        return {pid: command_line(pid) for pid in descendants(self.process.pid)}

    def part(self, words: str) -> int:
        """The process with these words in its command line."""
        return next(pid for pid, command in self.processes().items() if words in command)

    def run_dir(self) -> Path:
        """Its private folder."""
        (found,) = self.folder.glob("mlflow-*")
        return found

    def wait_until_open(self) -> None:
        """Wait until the port answers."""
        until(lambda: self.process.poll() is not None or is_open(self.port), 60)
        assert self.process.poll() is None, self.log()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@contextmanager
def started(words: list[str], variables: Mapping[str, str]) -> Generator[Server]:
    """Start the entrypoint with exactly these variables, and leave nothing of it behind."""
    folder = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    port = free_port()
    given = {
        "PORT": str(port),
        "LISTEN_ADDRESS": "127.0.0.1",
        "TMPDIR": str(folder),
        "HOME": str(folder),
        "MLFLOW_ARTIFACTS_DESTINATION": f"file://{folder}/artifacts",
        "FRONT_AUTH": "none",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **variables,
    }
    log_file = folder / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [ENTRYPOINT, *words],
            env=given,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
    server = Server(process, port, log_file, folder, given)
    try:
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        until(lambda: not left_over(folder), 5)
        shutil.rmtree(folder)


def basic(postgres: Postgres, database: str) -> dict[str, str]:
    """The variables of a server as it is deployed: a login, one host and its origin."""
    return {
        **postgres.variables(database),
        "FRONT_AUTH": "basic",
        "FRONT_USERNAME": LOGIN[0],
        "FRONT_PASSWORD": LOGIN[1],
        "MLFLOW_SERVER_ALLOWED_HOSTS": HOST,
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ORIGIN,
    }


def own_users(postgres: Postgres, database: str, users: str) -> dict[str, str]:
    """The variables of a server, and of its migration, whose users MLflow keeps in the database *users*."""
    variables = basic(postgres, database)
    del variables["FRONT_USERNAME"], variables["FRONT_PASSWORD"]
    return {
        **variables,
        "FRONT_AUTH": "mlflow",
        "MLFLOW_AUTH_DB_NAME": users,
        "MLFLOW_AUTH_ADMIN_USERNAME": LOGIN[0],
        "MLFLOW_AUTH_ADMIN_PASSWORD": LOGIN[1],
        "MLFLOW_AUTH_DEFAULT_PERMISSION": "READ",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "the same in every instance",
    }


def client(server: Server, *, http2: bool = False, login: tuple[str, str] | None = LOGIN) -> httpx.Client:
    """A client that speaks HTTP/1.1, or HTTP/2 from the first byte as Cloud Run does, and sends the real host."""
    return httpx.Client(
        base_url=server.url, http1=not http2, http2=http2, auth=login, headers={"Host": HOST}, timeout=60
    )


def get_raw(server: Server, target: str) -> tuple[int, str]:
    """Ask for exactly this target, without a login: other clients tidy paths up before they send them."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", target, headers={"Host": HOST})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def until(condition: Callable[[], object], seconds: float) -> None:
    """Wait until the condition holds; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.01)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_open(port: int) -> bool:
    """Whether somebody accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] != "Z":
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for parent in found:
        found += parents.get(parent, [])
    return found


def left_over(folder: Path) -> list[str]:
    """The command lines of all processes whose environment or command names this server's folder."""
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if str(folder).encode() in words and state != "Z":
            found.append(command_line(int(entry.name)))
    return found


def command_line(pid: int) -> str:
    """What the process was started with; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def memory(pids: list[int]) -> int:
    """Bytes of memory of these processes: what they share is counted once (PSS)."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total
