"""MLflow's own users: made by the migration, asked for by the server, kept over restarts and migrations."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.image import machine
from tests.image.machine import ENTRYPOINT, LOGIN, ORIGIN, Postgres, Server

ADA, GRACE = LOGIN, ("grace", "hopper: 1906 %40")
API = "/api/2.0/mlflow"


def migrate(variables: dict[str, str]) -> tuple[int, str]:
    """Run a migration: its exit code and what it said."""
    done = subprocess.run(
        [ENTRYPOINT, "migrate"], env=variables, capture_output=True, text=True, check=False, timeout=90
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module", name="variables")
def _variables(postgres: Postgres, search_path: str, migrated: str) -> dict[str, str]:
    """What a server and its migration are told; the database of users is there, and empty."""
    postgres.sql("create database people")
    return {"PATH": search_path, **machine.own_users(postgres, migrated, "people")}


@pytest.fixture(scope="module", name="people")
def _people(variables: dict[str, str]) -> Generator[Server]:
    """A server that knows its users, after its migration."""
    code, said = migrate(variables)
    assert code == 0, said
    with machine.started(["serve"], variables) as running:
        running.wait_until_open()
        yield running


def search(server: Server, login: tuple[str, str] | None) -> int:
    """The status of what a page asks first."""
    with machine.client(server, login=login) as client:
        headers = {"Origin": ORIGIN}
        asked = client.post(
            "/ajax-api/2.0/mlflow/experiments/search", json={"max_results": 1}, headers=headers
        )
        return asked.status_code


def as_user(server: Server, login: tuple[str, str]) -> httpx.Client:
    """A client that is logged in."""
    return machine.client(server, login=login)


def test_nobody_gets_in_without_a_login(people: Server) -> None:
    """No login, a wrong one and a stranger's are refused on every kind of path; /health is open."""
    for login in (None, (ADA[0], "wrong"), ("nobody", ADA[1])):
        assert search(people, login) == 401
        with machine.client(people, login=login) as client:
            assert client.get("/").status_code == 401
            assert client.get("/version").status_code == 401
            assert client.get("/api/2.0/mlflow-artifacts/artifacts").status_code == 401
            assert (
                client.put("/api/2.0/mlflow-artifacts/artifacts/0/x/artifacts/f", content=b"f").status_code
                == 401
            )
            assert client.post("/v1/traces", content=b"").status_code == 401
            assert client.get("/health").status_code == 200
    assert search(people, ADA) == 200


def test_a_browser_is_asked_for_the_login(people: Server) -> None:
    """The answer is the one at which a browser opens its own window."""
    with machine.client(people, login=None) as client:
        assert client.get("/").headers["WWW-Authenticate"] == 'Basic realm="mlflow"'


def test_the_configuration_is_private_and_the_password_is_not_in_it(people: Server) -> None:
    """Only the server's user may read it, and the administrator's password is nowhere in the server."""
    written = people.run_dir() / "users.ini"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert ADA[1] not in written.read_text()
    assert ADA[1] not in people.log()


def test_what_nobody_has_shared_is_only_read(people: Server) -> None:
    """By default a user reads what is not his, and changes what he is given."""
    with as_user(people, ADA) as ada, as_user(people, GRACE) as grace:
        made = ada.post(f"{API}/users/create", json={"username": GRACE[0], "password": GRACE[1]})
        assert made.status_code == 200, made.text
        experiment = ada.post(f"{API}/experiments/create", json={"name": "ada's"}).json()["experiment_id"]
        run = {"experiment_id": experiment, "start_time": 1}
        assert grace.get(f"{API}/experiments/get", params={"experiment_id": experiment}).status_code == 200
        assert grace.post(f"{API}/runs/create", json=run).status_code == 403
        given = ada.post(
            "/api/3.0/mlflow/users/permissions/grant",
            json={
                "username": GRACE[0], "resource_type": "experiment", "resource_id": experiment, "permission": "EDIT",
            },
        )  # fmt: skip
        assert given.status_code == 200, given.text
        assert grace.post(f"{API}/runs/create", json=run).status_code == 200
        assert (
            grace.post(f"{API}/users/create", json={"username": "x", "password": "y" * 12}).status_code == 403
        )


def test_a_password_changed_in_mlflow_outlives_migrations_until_the_secret_changes(
    people: Server, variables: dict[str, str]
) -> None:
    """Who changed it meant to; a new secret is newer still. Other users are not touched by either."""
    changed = (ADA[0], "changed in MLflow")
    with as_user(people, ADA) as ada:
        body = {"username": ADA[0], "password": changed[1], "current_password": ADA[1]}
        assert ada.patch(f"{API}/users/update-password", json=body).status_code == 200
    code, said = migrate(variables)
    assert code == 0
    assert "schema of users after" in said
    assert [search(people, login) for login in (ADA, changed)] == [401, 200]
    code, said = migrate({**variables, "MLFLOW_AUTH_ADMIN_PASSWORD": "from a new version"})
    assert code == 0
    assert "from a new version" not in said
    assert search(people, (ADA[0], "from a new version")) == 200
    assert search(people, GRACE) == 200
    assert migrate(variables)[0] == 0
    assert search(people, ADA) == 200


def test_another_administrator_leaves_the_first(people: Server, variables: dict[str, str]) -> None:
    """Naming another one makes him, with the same password; one who is a user already becomes an administrator."""
    for name in ("mary", GRACE[0]):
        assert migrate({**variables, "MLFLOW_AUTH_ADMIN_USERNAME": name})[0] == 0
        with as_user(people, (name, ADA[1])) as administrator:
            listed = administrator.get(f"{API}/users/list")
            assert listed.status_code == 200, listed.text
    assert search(people, ADA) == 200


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("drop table alembic_version_auth", "users: the database has no MLflow schema"),
        ("update alembic_version_auth set version_num = 'fedcba987654'", "which MLflow 3.17.2 does not know"),
    ],
)
def test_a_server_refuses_a_database_of_users_that_was_not_migrated(
    postgres: Postgres, people: Server, variables: dict[str, str], statement: str, reason: str
) -> None:
    """It says so and ends; it does not migrate by itself."""
    assert people.process.poll() is None
    postgres.sql("drop database if exists strange")
    postgres.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'people'")
    postgres.sql("create database strange template people")
    postgres.sql(statement, "strange")
    with machine.started(["serve"], {**variables, "MLFLOW_AUTH_DB_NAME": "strange"}) as refused:
        assert refused.process.wait(30) == 65
        assert reason in refused.log()


def test_workers_and_the_job_runner_share_a_pass_that_is_nobodys_password(
    people: Server, variables: dict[str, str]
) -> None:
    """Jobs reach the gateway by it, as MLflow means them to; they learn no user's password and not the pages' key."""
    assert people.process.poll() is None
    changes = {"MLFLOW_WORKERS": "2", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true"}
    with machine.started(["serve"], {**variables, **changes}) as server:
        server.wait_until_open()
        assert search(server, ADA) == 200
        machine.until(lambda: "_job_runner" in " ".join(server.processes().values()), 30)
        told = {
            part: dict(
                line.split("=", 1)
                for line in Path(f"/proc/{server.part(part)}/environ").read_text().split("\0")
                if "=" in line
            )
            for part in ("spawn_main", "_job_runner")
        }
        token = "_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN"
        assert told["spawn_main"][token] == told["_job_runner"][token] != ""
        assert "MLFLOW_FLASK_SERVER_SECRET_KEY" not in told["_job_runner"]
        assert search(server, (ADA[0], told["_job_runner"][token])) == 401
