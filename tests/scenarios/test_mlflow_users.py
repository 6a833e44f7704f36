"""MLflow's own users on a live deployment: who gets in, what they may do, what outlives changes and upgrades."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.browser import browser
from tests.environments import mlflow_pythons
from tests.scenarios.command import ROOT, Bench, plain_env, sandbox

NAME = "mlflow-users"
PROJECT = "mlflow-sandbox"
QUICKSTART = (
    (ROOT / "specs" / "quickstart.yaml").read_text().replace("name: mlflow-quickstart", f"name: {NAME}")
)
BASIC, USERS = "auth: {mode: basic}", "auth: {mode: mlflow}"
API = "/api/2.0/mlflow"
GRACE, HEDY = ("grace", "hopper: 1906 %40"), ("hedy", "lamarr & antheil")
OF_ADMIN, SHARED = "only the administrator's", "shared with Grace"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
WORK = """
import pathlib, tempfile, mlflow
mlflow.set_experiment("Grace's own")
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5)
    path = pathlib.Path(tempfile.mkdtemp()) / "notes x+y.txt"
    path.write_text("content")
    mlflow.log_artifact(str(path))
assert mlflow.get_run(run.info.run_id).data.metrics == {"loss": 0.5}
back = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="notes x+y.txt")
assert pathlib.Path(back).read_text() == "content"
"""


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    """A sandbox with the deployment in mode basic, which the tests then change in their order."""
    with sandbox() as bench:
        applied = bench.run("apply", "--sandbox", "--yes", spec(bench, BASIC), timeout=600)
        assert applied.code == 0, applied.said
        yield bench


def spec(bench: Bench, auth: str, more: str = "") -> str:
    """The quickstart with another section on auth."""
    path = bench.home.parent / "mlflow-users.yaml"
    path.write_text(QUICKSTART.replace("auth:\n  mode: basic\n", f"{auth}\n{more}"))
    return str(path)


def apply(bench: Bench, auth: str, more: str = "") -> str:
    """Apply that, see that nothing is left to do, and return the spec."""
    path = spec(bench, auth, more)
    applied = bench.run("apply", "--sandbox", "--yes", path, timeout=600)
    assert applied.code == 0, applied.said
    again = bench.run("apply", "--sandbox", "--yes", path)
    assert "No changes." in again.out, again.said
    return path


def admin(bench: Bench, path: str) -> dict[str, str]:
    """What `login` prints."""
    shown = bench.run("login", "--sandbox", path)
    assert shown.code == 0, shown.said
    exported = [line for line in shown.out.splitlines() if line.startswith("export ")]
    return dict(shlex.split(line)[1].split("=", 1) for line in exported)


def client(bench: Bench, login: tuple[str, str] | None) -> httpx.Client:
    """A client of the server, logged in or not."""
    status = json.loads(bench.run("sandbox", "status", "--format", "json").out)
    return httpx.Client(base_url=str(status["services"][0]["local_url"]), auth=login, timeout=120)


def as_admin(bench: Bench, path: str) -> httpx.Client:
    """A client with the login that the program prints."""
    printed = admin(bench, path)
    return client(bench, (printed["MLFLOW_TRACKING_USERNAME"], printed["MLFLOW_TRACKING_PASSWORD"]))


def experiment(there: httpx.Client, name: str) -> httpx.Response:
    """What a user is told of an experiment."""
    return there.get(f"{API}/experiments/get-by-name", params={"experiment_name": name})


def may_log(there: httpx.Client, name: str) -> bool:
    """Whether a user may make a run in an experiment."""
    made = there.post(
        f"{API}/runs/create",
        json={"experiment_id": experiment(there, name).json()["experiment"]["experiment_id"]},
    )
    assert made.status_code in {200, 403}, made.text
    return made.status_code == 200


def test_from_basic_to_mlflow_is_one_plan_that_says_who_gets_in(bench: Bench) -> None:
    """A second database, two secrets, the migration, a new revision; afterwards nothing is left to do."""
    planned = bench.run("plan", "--sandbox", spec(bench, USERS))
    assert planned.code == 2
    assert "MLflow asks users and decides what they may do" in planned.out
    for made in (
        "sqladmin.database/mlflow_auth",
        f"secretmanager.secret/{NAME}-admin-password",
        f"secretmanager.secret/{NAME}-flask-key",
        "users.administrator",
    ):
        assert made in planned.out
    apply(bench, USERS)


def test_nobody_gets_in_without_a_login(bench: Bench) -> None:
    """No login and a wrong one are refused, the administrator's is right; the health path is open."""
    path = spec(bench, USERS)
    for login in (None, ("admin", "wrong"), ("nobody", "nothing")):
        with client(bench, login) as there:
            assert there.post(f"{API}/experiments/search", json={"max_results": 1}).status_code == 401
            assert there.get("/version").status_code == 401
            assert there.get("/health").status_code == 200
    with as_admin(bench, path) as there:
        assert there.post(f"{API}/experiments/search", json={"max_results": 1}).status_code == 200
        assert there.get("/version").text == "3.17.2"


def test_verify_proves_that_the_administrator_can_work(bench: Bench) -> None:
    """Every check holds, and `status` says who logs in."""
    path = spec(bench, USERS)
    proved = bench.run("verify", "--sandbox", path)
    assert proved.code == 0, proved.said
    for check in (
        "refuses the anonymous",
        "refuses a wrong password",
        "33 MiB",
        "deletes what this check made",
    ):
        assert check in proved.out
    facts = json.loads(bench.run("status", "--sandbox", "--format", "json", path).out)
    assert (facts["auth"], facts["in_sync"], facts["administrator"]) == ("mlflow", True, "admin")


def test_the_administrators_password_is_nowhere_but_where_it_is_asked_for(bench: Bench) -> None:
    """Not in a plan, nor in the service: the job alone is given it."""
    path = spec(bench, USERS)
    password = admin(bench, path)["MLFLOW_TRACKING_PASSWORD"]
    for command in ("plan", "status", "drift"):
        assert password not in bench.run(command, "--sandbox", "--format", "json", path).said
    shown = bench.gcloud(
        "run", "services", "describe", NAME, "--region=europe-west1", "--format=json", project=PROJECT
    )
    assert "MLFLOW_FLASK_SERVER_SECRET_KEY" in shown.out
    assert "ADMIN_PASSWORD" not in shown.out


def test_what_nobody_has_shared_is_read_and_not_changed(bench: Bench) -> None:
    """Two users: one is given an experiment, the other is not; both read the rest, as READ by default says."""
    with as_admin(bench, spec(bench, USERS)) as there:
        for name, password in (GRACE, HEDY):
            made = there.post(f"{API}/users/create", json={"username": name, "password": password})
            assert made.status_code == 200, made.text
        ids = {
            name: there.post(f"{API}/experiments/create", json={"name": name}).json()["experiment_id"]
            for name in (OF_ADMIN, SHARED)
        }
        grant = {"username": GRACE[0], "resource_type": "experiment", "resource_id": ids[SHARED]}
        given = there.post("/api/3.0/mlflow/users/permissions/grant", json={**grant, "permission": "EDIT"})
        assert given.status_code == 200, given.text
    with client(bench, GRACE) as grace, client(bench, HEDY) as hedy:
        assert [may_log(grace, OF_ADMIN), may_log(grace, SHARED)] == [False, True]
        assert [may_log(hedy, OF_ADMIN), may_log(hedy, SHARED)] == [False, False]


def test_mlflows_client_works_as_a_user(bench: Bench, tmp_path: Path) -> None:
    """A user who is no administrator makes an experiment, and logs a run and an artifact, with a stock client."""
    login = {"MLFLOW_TRACKING_USERNAME": GRACE[0], "MLFLOW_TRACKING_PASSWORD": GRACE[1]}
    env = {**plain_env(), **admin(bench, spec(bench, USERS)), **login, "HOME": str(tmp_path)}
    command = [mlflow_pythons()[0], "-c", WORK]
    ended = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; CI installs one")
def test_the_page_opens_in_a_browser(bench: Bench, tmp_path: Path) -> None:
    """Chromium is asked for the login once, and shows what the user may see."""
    address = admin(bench, spec(bench, USERS))["MLFLOW_TRACKING_URI"]
    with browser(str(CHROMIUM), tmp_path / "profile", GRACE) as page:
        page.open(f"{address}/#/experiments")
        assert page.waits_for(SHARED, seconds=60), page.text()
        assert page.asked == 1


def test_users_outlive_an_upgrade_of_the_image(bench: Bench) -> None:
    """Another image, migrated and rolled out: the same password, the same permission."""
    path = spec(bench, USERS, "server: {pip: [humanize==4.9.0]}\n")
    planned = bench.run("plan", "--sandbox", path)
    assert "backs up the database, then migrates its schema" in planned.out
    apply(bench, USERS, "server: {pip: [humanize==4.9.0]}\n")
    with client(bench, GRACE) as grace:
        assert [may_log(grace, OF_ADMIN), may_log(grace, SHARED)] == [False, True]


def test_users_outlive_other_modes(bench: Bench) -> None:
    """Back to basic, users mean nothing but are kept; in mode mlflow again, nothing is forgotten.

    On the way back a permission by default is chosen that hides what is not shared.
    """
    back = bench.run("plan", "--sandbox", spec(bench, BASIC))
    assert "users whom MLflow knew are kept, but mean nothing" in back.out
    assert "left in place: it holds data" in back.out
    basic = apply(bench, BASIC)
    with client(bench, GRACE) as grace:
        assert grace.post(f"{API}/experiments/search", json={"max_results": 1}).status_code == 401
    with as_admin(bench, basic) as everybody:
        assert experiment(everybody, OF_ADMIN).status_code == 200
    apply(bench, "auth: {mode: mlflow, mlflow: {default_permission: NO_PERMISSIONS}}")
    with client(bench, GRACE) as grace, client(bench, HEDY) as hedy:
        assert may_log(grace, SHARED)
        assert experiment(grace, OF_ADMIN).status_code == 403
        assert experiment(hedy, SHARED).status_code == 403


def test_a_new_version_of_the_secret_is_a_new_password(bench: Bench) -> None:
    """The plan says so, the old one ends, and other users are not touched."""
    auth = "auth: {mode: mlflow, mlflow: {default_permission: NO_PERMISSIONS}}"
    path = spec(bench, auth)
    before = admin(bench, path)["MLFLOW_TRACKING_PASSWORD"]
    new = bench.home.parent / "new-password"
    new.write_text("a new password of 2026")
    added = bench.gcloud(
        "secrets", "versions", "add", f"{NAME}-admin-password", f"--data-file={new}", project=PROJECT
    )
    assert added.code == 0, added.said
    planned = bench.run("plan", "--sandbox", path)
    assert "gives the administrator the secret's password; other users keep theirs" in planned.out
    apply(bench, auth)
    assert admin(bench, path)["MLFLOW_TRACKING_PASSWORD"] == "a new password of 2026"
    with client(bench, ("admin", before)) as old, client(bench, ("admin", "a new password of 2026")) as there:
        assert old.post(f"{API}/experiments/search", json={"max_results": 1}).status_code == 401
        assert experiment(there, OF_ADMIN).status_code == 200
    with client(bench, GRACE) as grace:
        assert may_log(grace, SHARED)


def test_another_administrator_leaves_the_first(bench: Bench) -> None:
    """The plan says so; afterwards both are administrators, and `login` prints the new one's login."""
    auth = "auth: {mode: mlflow, mlflow: {admin_username: chief, default_permission: NO_PERMISSIONS}}"
    planned = bench.run("plan", "--sandbox", spec(bench, auth))
    assert "makes this user an administrator, with the secret's password; others stay" in planned.out
    path = apply(bench, auth)
    assert admin(bench, path)["MLFLOW_TRACKING_USERNAME"] == "chief"
    for name in ("chief", "admin"):
        with client(bench, (name, "a new password of 2026")) as there:
            assert there.get(f"{API}/users/list").status_code == 200


def test_users_log_in_behind_iam(bench: Bench) -> None:
    """Only invokers reach MLflow's login: a right password is not enough without Google's token."""
    invoker = "invokers: ['user:operator@sandbox.example']"
    path = apply(bench, f"auth: {{mode: mlflow, behind_iam: true, {invoker}}}")
    with as_admin(bench, path) as there:
        assert there.post(f"{API}/experiments/search", json={"max_results": 1}).status_code in {401, 403}
    proved = bench.run("verify", "--sandbox", path)
    assert proved.code == 0, proved.said
    assert "refuses a token without the login" in proved.out
