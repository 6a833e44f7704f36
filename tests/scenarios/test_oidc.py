"""Logins at an OpenID Connect provider: who gets in, through a browser and from Python, and what is kept."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser import Page, browser
from tests.environments import mlflow_pythons
from tests.identity_provider import Person, Provider, identity_provider, new_key
from tests.scenarios.command import ROOT, Bench, plain_env, sandbox

NAME, PROJECT = "mlflow-oidc", "mlflow-sandbox"
SEARCH = "/api/2.0/mlflow/experiments/search"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
PEOPLE = {
    "ada": Person("ada@acme.example", "lovelace", ("ml", "ml-admins")),
    "bob": Person("bob@acme.example", "builder", ("ml",)),
    "eve": Person("eve@acme.example", "dropper", ("sales",)),
}
WORK = """
import pathlib, tempfile, mlflow
mlflow.set_experiment("bob's own")
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5)
    file = pathlib.Path(tempfile.mkdtemp()) / "report.bin"
    file.write_bytes(bytes(range(256)) * 4096 * 4)
    mlflow.log_artifact(str(file))
back = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="report.bin"))
assert back.read_bytes() == file.read_bytes()
print("logged", mlflow.get_run(run.info.run_id).data.metrics)
"""


@dataclass
class Place:
    """A deployment whose people log in at *provider*."""

    bench: Bench
    provider: Provider
    folder: Path
    url: str = ""
    local_url: str = ""

    def spec(self, **changed: Any) -> str:
        """A file with the quickstart in mode oidc, some keys of it *changed*."""
        oidc = {
            "discovery_url": self.provider.discovery_url, "client_id": self.provider.client_id,
            "client_secret": "oidc-client:1", "groups_claim": "groups", "users": ["ml"],
            "administrators": ["ml-admins"], "provider_name": "Log in with Acme", **changed,
        }  # fmt: skip
        text = (ROOT / "specs" / "quickstart.yaml").read_text().replace("mlflow-quickstart", NAME)
        path = self.folder / "mlflow.yaml"
        auth = {"mode": "oidc", "oidc": oidc}
        path.write_text(text.replace("auth:\n  mode: basic\n", f"auth: {json.dumps(auth)}\n"))
        return str(path)

    def apply(self, **changed: Any) -> None:
        """Apply it, and find out where it serves."""
        applied = self.bench.run("apply", "--sandbox", "--yes", self.spec(**changed), timeout=900)
        assert applied.code == 0, applied.said
        services = json.loads(self.bench.run("sandbox", "status", "--format", "json").out)["services"]
        found = next(one for one in services if one["name"] == NAME)
        self.url, self.local_url = found["url"], found["local_url"]
        self.provider.redirects.add(f"{self.url}/callback")

    def search(self, **headers: str) -> int:
        """The status of a first question."""
        return httpx.post(
            self.local_url + SEARCH, json={"max_results": 1}, headers=headers, timeout=60
        ).status_code


@pytest.fixture(scope="module", name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    folder = tmp_path_factory.mktemp("oidc")
    with sandbox() as bench, identity_provider(PEOPLE, set()) as provider:
        place = Place(bench, provider, folder)
        refused = bench.run("apply", "--sandbox", "--yes", place.spec())
        assert refused.code != 0, refused.said
        assert "secret oidc-client does not exist" in refused.said
        (folder / "secret").write_text(provider.client_secret)
        for command in (
            ("services", "enable", "secretmanager.googleapis.com"),
            ("secrets", "create", "oidc-client", f"--data-file={folder / 'secret'}"),
        ):
            made = bench.gcloud(*command, project=PROJECT)
            assert made.code == 0, made.said
        place.apply()
        yield place


def logged_in(page: Page, place: Place, name: str) -> None:
    """Go from the server's page to the provider's and fill in its form as *name*."""
    page.open(place.url)
    assert page.waits_for("Log in with Acme", seconds=60), page.text()
    for _ in range(20):  # a click on a page that is still being put together may go nowhere
        page.run("document.querySelector('a[href^=\"/login\"] button')?.click()")
        if page.waits_for("Log in at the test provider", seconds=3):
            break
    fields = {"user": name, "password": PEOPLE[name].password}
    for field, value in fields.items():
        page.run(f"document.querySelector('[name={field}]').value = {json.dumps(value)}")
    page.run("document.querySelector('button').click()")


def fetched(page: Page, path: str, method: str = "GET", body: str = "") -> Any:
    """What the server answers to a request that the page itself makes."""
    options = {
        "method": method,
        "headers": {"Content-Type": "application/json"},
        **({"body": body} if body else {}),
    }
    return page.run(f"fetch({json.dumps(path)}, {json.dumps(options)}).then(answer => answer.json())")


def through(place: Place) -> tuple[str, ...]:
    """Flags that let Chromium find the server under its own address, which the sandbox answers."""
    return (f"--proxy-server={place.bench.endpoint}", "--ignore-certificate-errors")


def test_a_second_apply_changes_nothing(place: Place) -> None:
    """Database, session key and the foreign secret's grant are as they should be."""
    assert "No changes." in place.bench.run("apply", "--sandbox", "--yes", place.spec()).out


def test_no_secret_stands_in_the_environment(place: Place) -> None:
    """Client secret, session key and passwords come from Secret Manager, by version; no text shows them."""
    described = place.bench.gcloud(
        "run", "services", "describe", NAME, "--region=europe-west1", "--format=json", project=PROJECT
    )
    assert described.code == 0, described.said
    assert place.provider.client_secret not in described.out
    (container,) = json.loads(described.out)["spec"]["template"]["spec"]["containers"]
    secret = {one["name"] for one in container["env"] if "valueFrom" in one}
    assert secret >= {"OIDC_CLIENT_SECRET", "SECRET_KEY", "MLFLOW_DB_PASSWORD"}
    assert not any("postgresql" in one.get("value", "") for one in container["env"])


def test_who_has_no_credentials_or_wrong_ones_is_refused(place: Place) -> None:
    """Nothing, a password, a forgery, a token for somebody else's server: 401 each, by the server itself."""
    provider = place.provider
    assert place.search() == 401
    assert place.search(Authorization="Basic Ym9iOndyb25n") == 401
    for token in (provider.token("bob", key=new_key()), provider.token("bob", aud="another"), "not a token"):
        assert place.search(Authorization=f"Bearer {token}") == 401


def test_verify_proves_what_it_can_and_says_what_it_cannot(place: Place) -> None:
    """The provider's description, the redirect and the refusals; a person's login needs a person."""
    proved = place.bench.run("verify", "--sandbox", place.spec())
    assert proved.code == 0, proved.said
    assert "ok   its identity provider describes itself" in proved.out
    assert "ok   sends a visitor to the identity provider" in proved.out
    assert "ok   refuses a token that the identity provider has not signed" in proved.out
    assert "skip lets a person in" in proved.out


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; CI installs one")
def test_a_member_logs_in_and_works_from_python(place: Place, tmp_path: Path) -> None:
    """Through the provider's page to MLflow's; with a token made there, a stock client logs a run and an artifact."""
    with browser(str(CHROMIUM), tmp_path / "profile", ("", ""), *through(place)) as page:
        logged_in(page, place, "bob")
        assert page.waits_for("Experiments", seconds=60), page.text()
        page.picture(tmp_path / "member.png")
        current = fetched(page, "/ajax-api/2.0/mlflow/users/current")
        assert (current["username"], current["is_admin"]) == ("bob@acme.example", False)
        token = fetched(page, "/ajax-api/2.0/mlflow/users/access-token", "PATCH", "{}")["token"]
    login = {"MLFLOW_TRACKING_USERNAME": "bob@acme.example", "MLFLOW_TRACKING_PASSWORD": token}
    env = {**plain_env(), **login, "HOME": str(tmp_path), "MLFLOW_TRACKING_URI": place.local_url}
    command = [mlflow_pythons()[0], "-c", WORK]
    ended = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "logged {'loss': 0.5}" in ended.stdout
    assert place.search(Authorization=f"Bearer {place.provider.token('bob')}") == 200
    proved = place.bench.run("verify", "--sandbox", place.spec(), env=login)
    assert proved.code == 0, proved.said
    assert "ok   takes an artifact of 33 MiB" in proved.out


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; CI installs one")
def test_who_is_in_no_group_that_may_is_told_so(place: Place, tmp_path: Path) -> None:
    """The provider knows her, and the server does not let her in."""
    with browser(str(CHROMIUM), tmp_path / "profile", ("", ""), *through(place)) as page:
        logged_in(page, place, "eve")
        assert page.waits_for("not allowed", seconds=60), page.text()
        page.picture(tmp_path / "refused.png")
    assert place.search(Authorization=f"Bearer {place.provider.token('eve')}") == 401


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; CI installs one")
def test_an_administrator_manages_and_is_remembered(place: Place, tmp_path: Path) -> None:
    """Her group makes her one; her session, her users and their permissions outlive the revision she logged in to."""
    with browser(str(CHROMIUM), tmp_path / "profile", ("", ""), *through(place)) as page:
        logged_in(page, place, "ada")
        assert page.waits_for("Experiments", seconds=60), page.text()
        assert fetched(page, "/ajax-api/2.0/mlflow/users/current")["is_admin"] is True
        exchanged = place.provider.exchanged
        place.apply(provider_name="Log in with Acme again")
        assert fetched(page, "/ajax-api/2.0/mlflow/users/current")["username"] == "ada@acme.example"
        assert "ada@acme.example" in fetched(page, "/ajax-api/2.0/mlflow/users")
        assert place.provider.exchanged == exchanged


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; CI installs one")
def test_where_no_group_is_named_everybody_may_log_in(place: Place, tmp_path: Path) -> None:
    """The plan says that it changes who may; then whom the provider knows is let in, and nobody is administrator."""
    planned = place.bench.run("plan", "--sandbox", place.spec(users=[], administrators=[]))
    assert planned.code == 2
    assert "changes who may log in" in planned.out
    place.apply(users=[], administrators=[])
    with browser(str(CHROMIUM), tmp_path / "profile", ("", ""), *through(place)) as page:
        logged_in(page, place, "eve")
        assert page.waits_for("Experiments", seconds=60), page.text()
        current = fetched(page, "/ajax-api/2.0/mlflow/users/current")
        assert {group["group_name"] for group in current["groups"]} == {"everybody", "sales"}
        assert current["is_admin"] is False


def test_another_way_to_log_in_is_one_plan_that_keeps_the_users(place: Place) -> None:
    """It says what that means for people; the database with users and permissions stays as it is."""
    text = Path(place.spec()).read_text()
    (start,) = [line for line in text.splitlines() if line.startswith("auth:")]
    other = place.folder / "basic.yaml"
    other.write_text(text.replace(start, "auth: {mode: basic}"))
    planned = place.bench.run("plan", "--sandbox", str(other), "--format", "json")
    assert planned.code == 2, planned.said
    assert "one user name and password open everything" in planned.out
    changes = json.loads(planned.out)["resource_changes"]
    databases = [one for one in changes if one["address"].endswith("mlflow_oidc")]
    assert not any(set(one["change"]["actions"]) - {"no-op"} for one in databases)
