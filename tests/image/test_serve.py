"""The server as its users meet it: a real MLflow behind a real nginx, on a real PostgreSQL."""

from __future__ import annotations

import os
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.image import machine
from tests.image.machine import HOST, LOGIN, ORIGIN, Postgres, Server

SEARCH = "/api/2.0/mlflow/runs/search"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
PROTOCOLS = pytest.mark.parametrize("http2", [False, True], ids=["http1", "h2c"])
MIB = 1024 * 1024


def search(client: httpx.Client, **headers: str) -> httpx.Response:
    """A request that reaches the database."""
    return client.post(SEARCH, json={"experiment_ids": ["0"], "max_results": 1}, headers=headers)


@PROTOCOLS
def test_only_who_logs_in_is_let_in(server: Server, http2: bool) -> None:
    """Without a login, and with a wrong one, everything is refused; with the right one it works."""
    with machine.client(server, http2=http2, login=None) as anonymous:
        assert search(anonymous).status_code == 401
        assert anonymous.get("/").status_code == 401
        assert anonymous.get("/version").status_code == 401
        assert anonymous.post("/api/2.0/mlflow-artifacts/mpu/create/x", json={}).status_code == 401
        assert anonymous.put(f"{ARTIFACTS}/x", content=b"x").status_code == 401
    with machine.client(server, http2=http2, login=(LOGIN[0], LOGIN[1] + "x")) as wrong:
        assert search(wrong).status_code == 401
    with machine.client(server, http2=http2, login=("eve", LOGIN[1])) as unknown:
        assert search(unknown).status_code == 401
    with machine.client(server, http2=http2) as right:
        answer = search(right)
        assert answer.status_code == 200
        assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")


@PROTOCOLS
def test_health_is_open_and_opens_nothing_else(server: Server, http2: bool) -> None:
    """/health answers without a login; a path that only resolves to it reaches MLflow as /health and nothing else."""
    with machine.client(server, http2=http2, login=None) as anonymous:
        answer = anonymous.get("/health")
        assert (answer.status_code, answer.text) == (200, "OK")
    for path in ("/version/../health", f"{ARTIFACTS}/../../../../health", "/%68ealth", "//health"):
        assert machine.get_raw(server, path) == (200, "OK")
    for path in ("/health/../version", "/health/", "/healthy", "/HEALTH"):
        assert machine.get_raw(server, path)[0] == 401


@PROTOCOLS
def test_host_and_origin_are_checked_as_the_client_sent_them(server: Server, http2: bool) -> None:
    """The allowed host and its own origin pass; another host, the host with a port, and a foreign origin do not."""
    with machine.client(server, http2=http2) as client:
        assert search(client, Origin=ORIGIN).status_code == 200
        assert search(client, Origin="https://evil.example").status_code == 403
        for host in ("evil.example", f"{HOST}:443", "127.0.0.1", f"127.0.0.1:{server.port}", "mlflow"):
            assert "Invalid Host" in search(client, Host=host).text


def test_a_browser_gets_the_page(server: Server) -> None:
    """The web interface's page and its scripts come through."""
    with machine.client(server) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert "<title>MLflow</title>" in page.text
        script = page.text.partition('src="')[2].partition('"')[0]
        assert client.get("/" + script.removeprefix("/")).status_code == 200


@PROTOCOLS
def test_a_run_with_an_artifact_goes_in_and_comes_back(server: Server, http2: bool) -> None:
    """A run is made, and an artifact larger than Cloud Run's limit for HTTP/1 comes back byte for byte."""
    content = os.urandom(33 * MIB)
    with machine.client(server, http2=http2) as client:
        created = client.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}).json()["run"]
        path = created["info"]["artifact_uri"].replace("mlflow-artifacts:", ARTIFACTS) + "/x y+ü%25.bin"
        assert client.put(path, content=content).status_code == 200
        assert client.get(path).content == content


def test_an_upload_passes_through_and_is_kept_nowhere(server: Server) -> None:
    """100 MiB sent in pieces do not make the processes grow by more than 60 MiB."""
    pids = list(server.processes())
    before = machine.memory(pids)
    peak = before
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, machine.memory(pids))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with machine.client(server) as client:
            piece = os.urandom(MIB)
            sent = client.put(f"{ARTIFACTS}/large", content=(piece for _ in range(100)))
            assert sent.status_code == 200
    finally:
        done.set()
        watcher.join()
    assert (server.folder / "artifacts" / "large").stat().st_size == 100 * MIB
    assert peak < before + 60 * MIB


def test_a_client_that_wants_multipart_falls_back(
    postgres: Postgres, search_path: str, migrated: str, tmp_path: Path
) -> None:
    """MLflow's own client, told to upload in parts, is told that it cannot, and uploads in one."""
    file = tmp_path / "model.bin"
    file.write_bytes(os.urandom(MIB))
    program = (
        "import sys; from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository as Repository;"
        "Repository('mlflow-artifacts:/multi').log_artifact(sys.argv[1])"
    )
    with machine.started(["serve"], {"PATH": search_path, **postgres.variables(migrated)}) as server:
        server.wait_until_open()
        variables = {
            "PATH": search_path,
            "MLFLOW_TRACKING_URI": server.url,
            "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
            "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        done = subprocess.run(
            ["python", "-c", program, file], env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert (server.folder / "artifacts" / "multi" / "model.bin").read_bytes() == file.read_bytes()
        asked = {"path": "model.bin", "num_parts": 1}
        refused = httpx.post(f"{server.url}/api/2.0/mlflow-artifacts/mpu/create/multi", json=asked)
        assert refused.status_code == 501
        assert refused.json()["message"].startswith("Multipart upload is not supported")


def test_nothing_secret_is_visible(server: Server) -> None:
    """No password is in a command line, in the log, in nginx's configuration, or in a file that others may read."""
    secrets = (machine.DATABASE_PASSWORD, "p%40ss", LOGIN[1])
    with machine.client(server, login=(LOGIN[0], "wrong" + LOGIN[1])) as wrong:
        search(wrong)  # nginx logs that this login failed
    shown = [*server.processes().values(), server.log()]
    shown += [
        f"{path} {path.read_text()}"
        for path in server.run_dir().iterdir()
        if path.is_file() and path.name != "nginx"
    ]
    for secret in secrets:
        assert not [text for text in shown if secret in text]
    assert stat.S_IMODE(server.run_dir().stat().st_mode) == 0o700
    assert stat.S_IMODE((server.run_dir() / "htpasswd").stat().st_mode) == 0o600
    assert f"{LOGIN[0]}:$6$" in (server.run_dir() / "htpasswd").read_text()
    nginx = server.part("nginx: master")
    environment = Path(f"/proc/{nginx}/environ").read_bytes().decode()
    assert not [secret for secret in secrets if secret in environment]


def test_the_port_opens_when_mlflow_answers(postgres: Postgres, search_path: str, migrated: str) -> None:
    """While MLflow starts the port refuses connections; the first answer that anybody gets is a good one."""
    variables = {"PATH": search_path, **postgres.variables(migrated)}
    with machine.started(["serve"], variables) as server:
        seen: list[int] = []
        while not seen:
            assert server.process.poll() is None, server.log()
            try:
                answer = httpx.post(server.url + SEARCH, json={"experiment_ids": ["0"]}, timeout=5)
                seen.append(answer.status_code)
            except httpx.ConnectError:
                continue
        assert seen == [200]
        assert (
            httpx.post(server.url + "/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}).status_code
            == 200
        )


@pytest.mark.parametrize(
    ("revision", "reason"),
    [
        ("", "has no MLflow schema. Run the migrate job"),
        ("0584bdc529eb", "needs"),
        ("fedcba987654", "a newer MLflow made it"),
    ],
)
def test_a_wrong_schema_is_not_served(
    postgres: Postgres,
    search_path: str,
    pristine: str,
    new_database: Callable[[str | None], str],
    revision: str,
    reason: str,
) -> None:
    """Missing, older or newer: the server says what to do, exits with 65, and leaves the database as it is."""
    database = new_database(pristine if revision else None)
    if revision:
        postgres.sql(f"update alembic_version set version_num = '{revision}'", database)  # noqa: S608 -- from the list above
    tables = "select count(*) from pg_tables where schemaname = 'public'"
    before = postgres.sql(tables, database)
    with machine.started(["serve"], {"PATH": search_path, **postgres.variables(database)}) as server:
        assert server.process.wait(15) == 65
        assert reason in server.log()
        assert "Traceback" not in server.log()
    assert postgres.sql(tables, database) == before


def test_two_workers_and_the_job_runner_work(postgres: Postgres, search_path: str, migrated: str) -> None:
    """With workers and jobs asked for, both are there, and the jobs can use the server behind its login."""
    variables = {
        "PATH": search_path,
        **machine.basic(postgres, migrated),
        "MLFLOW_WORKERS": "2",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true",
    }
    with machine.started(["serve"], variables) as server:
        server.wait_until_open()
        machine.until(lambda: "_job_runner" in " ".join(server.processes().values()), 10)
        given = dict(
            line.split("=", 1)
            for line in Path(f"/proc/{server.part('_job_runner')}/environ").read_text().split("\0")
            if "=" in line
        )
        answer = httpx.post(
            given["MLFLOW_TRACKING_URI"] + SEARCH,
            json={"experiment_ids": ["0"]},
            auth=(given["MLFLOW_TRACKING_USERNAME"], given["MLFLOW_TRACKING_PASSWORD"]),
        )
        assert answer.status_code == 200
        assert (
            len([command for command in server.processes().values() if "multiprocessing.spawn" in command])
            == 2
        )
        assert server.stop() == 0
