"""Builds the Dockerfile with buildah and runs the image as a container would; started by .ci/image, as root.

Debian's own Python 3.13 on a fresh Debian 13 stands in for the base image, which no registry is asked for. The steps of
the Dockerfile are proven by this, the base image's bytes are not.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.image import machine
from tests.image.machine import IMAGE, Postgres

BASE = "docker.io/library/python:3.13-slim-trixie"
BUILT = "localhost/mlflow-server:checked"
PACKAGES = "ca-certificates,python3,python3-venv"
UID = 10001
IN_CONTAINER = """
set -e
root=$1 sockets=$2 files=$3 workdir=$4; shift 4
mount --make-rprivate /
mkdir -p "$root/cloudsql/a:b:c" "$root/artifacts"
mount --bind "$sockets" "$root/cloudsql/a:b:c"
mount --bind "$files" "$root/artifacts"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
# As Cloud Run does: a user without rights, and no way to get any.
exec chroot "$root" /usr/bin/setpriv --reuid=$UID --regid=$UID --clear-groups --no-new-privs --bounding-set=-all \
    /usr/bin/env -u UID -C "$workdir" "$@"
"""


@dataclass(frozen=True)
class Builder:
    """buildah with a storage of its own."""

    folder: Path

    def run(self, *words: str | Path) -> str:
        """Run a command of buildah and return what it prints. Its own words on failure."""
        storage = [
            "--storage-driver",
            "overlay",
            "--root",
            self.folder / "root",
            "--runroot",
            self.folder / "run",
        ]
        done = subprocess.run(
            ["buildah", *storage, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f".ci/image: buildah {words[0]} failed\n{done.stdout[-4000:]}")
        return done.stdout.strip()


def main() -> None:
    """Build, run, check; the time of each step on a line of its own."""
    with storage() as folder:
        builder = Builder(folder)
        with timed("base image"):
            make_base(builder)
        with timed("build of the Dockerfile"):
            build(builder)
        config = json.loads(builder.run("inspect", "--type", "image", BUILT))["OCIv1"]["config"]
        check_config(config)
        container = builder.run("from", "--pull-never", BUILT)
        try:
            root = Path(builder.run("mount", container))
            with (
                machine.running_postgres() as postgres,
                tempfile.TemporaryDirectory(prefix="mlflow-files-") as files,
            ):
                Path(files).chmod(0o777)
                postgres.sql("create database mlflow")
                run_image(root, config, postgres, files)
        finally:
            builder.run("umount", container)
            builder.run("rm", container)
    say("the image builds, and what it makes works")


def check_config(config: Mapping[str, object]) -> None:
    """The image says what Cloud Run goes by."""
    assert config["User"] == f"{UID}:{UID}", config
    assert config["Entrypoint"] == ["/app/entrypoint"], config
    assert config["Cmd"] == ["serve"], config


def run_image(root: Path, config: Mapping[str, object], postgres: Postgres, files: str) -> None:
    """Migrate, serve, use it, and end it."""
    port = machine.free_port()
    variables = {
        **machine.basic(postgres, "mlflow"),
        "MLFLOW_DB_HOST": "/cloudsql/a:b:c",
        "MLFLOW_ARTIFACTS_DESTINATION": "file:///artifacts",
        "PORT": str(port),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with timed("migrate"):
        migration = start(root, config, ["migrate"], variables, postgres, files)
        said, _ = migration.communicate(timeout=120)
        assert migration.returncode == 0, said
        assert "schema before: none" in said, said
    with timed("serve, until the first run is made"):
        process = start(root, config, ["serve"], variables, postgres, files)
        try:
            machine.until(lambda: process.poll() is not None or machine.is_open(port), 60)
            assert process.poll() is None, process.communicate()[0]
            use(port)
        except BaseException:
            process.kill()
            sys.stderr.write(process.communicate()[0])
            raise
    check_processes(process, root)
    with timed("SIGTERM, until the end"):
        os.kill(machine.descendants(process.pid)[1], signal.SIGTERM)
        said, _ = process.communicate(timeout=15)
        assert process.returncode == 0, said
        assert machine.DATABASE_PASSWORD not in said


def use(port: int) -> None:
    """Health without a login, nothing else without one, and a run with an artifact."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Host": machine.HOST}) as client:
        assert client.get("/health").text == "OK"
        search = client.post("/api/2.0/mlflow/runs/search", json={"experiment_ids": ["0"]})
        assert search.status_code == httpx.codes.UNAUTHORIZED
        client.auth = httpx.BasicAuth(*machine.LOGIN)
        created = client.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"})
        assert created.status_code == httpx.codes.OK, created.text
        path = "/api/2.0/mlflow-artifacts/artifacts/from-the-image"
        assert client.put(path, content=b"x").status_code == httpx.codes.OK
        assert client.get(path).content == b"x"


def check_processes(process: subprocess.Popen[str], root: Path) -> None:
    """All of it runs as the image's user; and its idle memory."""
    pids = machine.descendants(process.pid)[1:]
    owners = {os.stat(f"/proc/{pid}").st_uid for pid in pids}  # noqa: PTH116 -- a process's folder
    assert owners == {UID}, owners
    with_bytecode = root / "app" / "serving" / "__pycache__"
    assert list(with_bytecode.glob("supervisor.*.pyc"))
    say(f"{len(pids)} processes as user {UID}, {machine.memory(pids) / 2**20:.0f} MiB (PSS)")


def start(
    root: Path,
    config: Mapping[str, object],
    words: list[str],
    variables: Mapping[str, str],
    postgres: Postgres,
    files: str,
) -> subprocess.Popen[str]:
    """Start the image's entrypoint as process 1 of its own namespace, with the image's variables and these."""
    given: object = config["Env"]
    entrypoint: object = config["Entrypoint"]
    assert isinstance(given, list)
    assert isinstance(entrypoint, list)
    command = [str(word) for word in entrypoint] + words  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType] -- JSON is untyped
    environ = dict(str(line).split("=", 1) for line in given)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType] -- JSON is untyped
    namespaces = ["unshare", "--pid", "--mount", "--ipc", "--uts", "--fork", "--kill-child"]
    shell = [
        "sh",
        "-c",
        IN_CONTAINER,
        "sh",
        str(root),
        str(postgres.folder),
        files,
        str(config["WorkingDir"]),
    ]
    return subprocess.Popen(
        [*namespaces, *shell, *command],
        env={**environ, **variables, "UID": str(UID)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def make_base(builder: Builder) -> None:
    """A Debian 13 with Python at the places where the base image has it; kept in the storage by its name."""
    if BASE in builder.run("images", "--format", "{{.Name}}:{{.Tag}}").splitlines():
        return
    with tempfile.TemporaryDirectory(prefix="debian-") as folder:
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "trixie", folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if made.returncode:
            raise SystemExit(f".ci/image: debootstrap failed\n{made.stdout[-4000:]}")
        # There it has pip, and nothing of Debian's packages: as in the base image.
        subprocess.run(["chroot", folder, "/usr/bin/python3", "-m", "venv", "/usr/local"], check=True)
        shutil.rmtree(Path(folder) / "var/cache/apt/archives")
        container = builder.run("from", "scratch")
        builder.run("add", "--quiet", container, folder, "/")
        path = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        builder.run("config", "--env", f"PATH={path}", container)
        builder.run("commit", "--quiet", container, BASE)
        builder.run("rm", container)


def build(builder: Builder) -> None:
    """Build the Dockerfile; pip inside it gets this machine's settings, which stay out of the image."""
    with tempfile.TemporaryDirectory(prefix="pip-") as folder:
        settings = pip_settings()
        config = Path(folder) / "pip.conf"
        config.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
        volumes = ["--volume", f"{config}:/etc/pip.conf:ro"]
        if certificates := settings.get("cert"):
            volumes += ["--volume", f"{certificates}:{certificates}:ro"]
        options = ["--isolation", "chroot", "--pull-never", "--layers", "--platform", "linux/amd64"]
        builder.run("build", *options, *volumes, "--tag", BUILT, IMAGE)


def pip_settings() -> dict[str, str]:
    """How pip reaches its index on this machine: of its own settings those that make sense elsewhere."""
    shown = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, str] = {}
    for line in shown.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key in ("cert", "index-url", "proxy", "trusted-host", "default-timeout", "timeout", "retries"):
            (found[key],) = shlex.split(value)
    return found


@contextmanager
def storage() -> Generator[Path]:
    """buildah's storage: in MLFLOW_RECONCILE_CACHE where that is set, else away when all is done."""
    named = os.environ.get("MLFLOW_RECONCILE_CACHE")
    folder = Path(named) / "real-image" if named else Path(tempfile.mkdtemp(prefix="real-image-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if line.split()[1].startswith(f"{folder}/"):
                subprocess.run(["umount", line.split()[1]], check=False)
        if not named:
            shutil.rmtree(folder)


@contextmanager
def timed(step: str) -> Generator[None]:
    """Say how long a step took."""
    began = time.monotonic()
    yield
    say(f"{step}: {time.monotonic() - began:.1f} s")


def say(text: str) -> None:
    """One line for the log of CI."""
    sys.stdout.write(f".ci/image: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
