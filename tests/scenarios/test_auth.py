"""Changing who may use the server, on a live deployment: basic to iam to none, each one plan with its effect said."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.browser import browser
from tests.environments import mlflow_pythons
from tests.scenarios.command import ROOT, Bench, plain_env, sandbox

SPEC = (
    (ROOT / "specs" / "quickstart.yaml").read_text().replace("name: mlflow-quickstart", "name: mlflow-doors")
)
SEARCH = "/api/2.0/mlflow/experiments/search"
IAM = "auth: {mode: iam, invokers: ['user:operator@sandbox.example']}"
SEEN = "seen by an invoker"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
LOGS_A_RUN = """
import mlflow
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5)
    mlflow.log_text("content", "a.txt")
assert mlflow.artifacts.load_text(run.info.artifact_uri + "/a.txt") == "content"
"""


def _with_auth(folder: Path, name: str, lines: str) -> str:
    """The spec with its auth section replaced, in a file of its own."""
    kept: list[str] = []
    skipping = False
    for line in SPEC.splitlines():
        if line.startswith("auth:"):
            skipping = True
            continue
        if skipping and line.startswith((" ", "\t")):
            continue
        skipping = False
        kept.append(line)
    path = folder / f"{name}.yaml"
    path.write_text("\n".join([*kept, lines, ""]))
    return str(path)


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    with sandbox() as bench:
        yield bench


def _local_url(bench: Bench) -> str:
    return str(json.loads(bench.run("sandbox", "status", "--format", "json").out)["services"][0]["local_url"])


def _login(bench: Bench, spec: str) -> dict[str, str]:
    """What `login` prints for a shell."""
    lines = bench.run("login", "--sandbox", spec).out.splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))


def _works(folder: Path, login: dict[str, str], code: str) -> None:
    """Run *code* with MLflow's own client, logged in by *login*; it must end well."""
    ended = subprocess.run(
        [mlflow_pythons()[0], "-c", code],
        env={**plain_env(), **login, "HOME": str(folder)}, cwd=folder, capture_output=True, text=True,
        timeout=180, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]


def test_none_must_be_acknowledged(bench: Bench, tmp_path: Path) -> None:
    """A server open to the world is not deployed by a slip."""
    ended = bench.run("validate", _with_auth(tmp_path, "open", "auth: {mode: none}"))
    assert ended.code == 3
    assert "acknowledge_public" in ended.said


def test_iam_lets_only_invokers_through(bench: Bench, tmp_path: Path) -> None:
    """Google's front door asks for an ID token: none is 403, the operator's is served, verify proves the rest."""
    spec = _with_auth(tmp_path, "iam", IAM)
    applied = bench.run("apply", "--sandbox", "--yes", spec, timeout=600)
    assert applied.code == 0, applied.said
    assert httpx.post(_local_url(bench) + SEARCH, json={"max_results": 1}).status_code in {401, 403}
    proved = bench.run("verify", "--sandbox", spec)
    assert proved.code == 0, proved.said
    assert bench.run("drift", "--sandbox", spec).code == 0


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; CI installs one")
def test_an_invoker_works_with_client_and_browser(bench: Bench, tmp_path: Path) -> None:
    """With what `login` prints; without it a browser is shown Google's own page, and no login."""
    login = _login(bench, str(_with_auth(tmp_path, "iam", IAM)))
    _works(tmp_path, login, f"{LOGS_A_RUN}mlflow.create_experiment('{SEEN}')")
    address = f"{login['MLFLOW_TRACKING_URI']}/#/experiments"
    with browser(str(CHROMIUM), tmp_path / "stranger", ("", "")) as page:
        page.open(address)
        assert page.waits_for("Error: Forbidden", seconds=60), page.text()
        assert page.asked == 0
    with browser(str(CHROMIUM), tmp_path / "invoker", ("", "")) as page:
        # As `gcloud run services proxy` does: the token goes with every request.
        page.open(address, {"Authorization": f"Bearer {login['MLFLOW_TRACKING_TOKEN']}"})
        assert page.waits_for(SEEN, seconds=60), page.text()
        page.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 0


def test_from_iam_to_basic_is_one_plan_that_says_who_gets_in(bench: Bench, tmp_path: Path) -> None:
    """The plan names the effect; after it nginx asks for the login and Google's front door for nothing."""
    spec = _with_auth(tmp_path, "basic", "auth: {mode: basic}")
    planned = bench.run("plan", "--sandbox", spec)
    assert planned.code == 2
    assert "anyone on the internet reaches the server" in planned.out
    applied = bench.run("apply", "--sandbox", "--yes", spec)
    assert applied.code == 0, applied.said
    assert httpx.post(_local_url(bench) + SEARCH, json={"max_results": 1}).status_code == 401
    assert bench.run("verify", "--sandbox", spec).code == 0


BEHIND = "auth: {mode: basic, behind_iam: true, invokers: ['user:operator@sandbox.example']%s}"


def test_iam_before_the_password_closes_first_and_takes_both(bench: Bench, tmp_path: Path) -> None:
    """A token without the login and a login without the token are refused; the README's snippet brings both."""
    spec = _with_auth(tmp_path, "behind", BEHIND % "")
    planned = bench.run("plan", "--sandbox", spec).out
    assert "only invokers reach the server" in planned
    applied = bench.run("apply", "--sandbox", "--yes", spec)
    assert applied.code == 0, applied.said
    proved = bench.run("verify", "--sandbox", spec)
    assert proved.code == 0, proved.said
    assert "ok   refuses a token without the login" in proved.out
    printed = _login(bench, spec)
    snippet = (ROOT / "README.md").read_text().split("```python\nimport os\n", 1)[1].split("```", 1)[0]
    _works(tmp_path, printed, f"import os\n{snippet}{LOGS_A_RUN}")


def test_who_has_the_role_beyond_the_spec_is_named_and_loses_it_when_asked(
    bench: Bench, tmp_path: Path
) -> None:
    """Additive by default, with a word; exclusive takes it away, and nothing is left to do."""
    more = (BEHIND % "").replace("example']", "example', 'user:eve@sandbox.example']")
    assert bench.run("apply", "--sandbox", "--yes", _with_auth(tmp_path, "eve", more)).code == 0
    kept = bench.run("plan", "--sandbox", _with_auth(tmp_path, "kept", BEHIND % ""))
    assert (kept.code, "left to them: roles/run.invoker user:eve@sandbox.example" in kept.out) == (0, True)
    spec = _with_auth(tmp_path, "exclusive", BEHIND % ", exclusive: true")
    taken = bench.run("apply", "--sandbox", "--yes", spec)
    assert (taken.code, "roles/run.invoker user:eve@sandbox.example: taken away" in taken.out) == (0, True)
    assert "No changes." in bench.run("apply", "--sandbox", "--yes", spec).out
    assert (
        bench.run("apply", "--sandbox", "--yes", _with_auth(tmp_path, "basic", "auth: {mode: basic}")).code
        == 0
    )


def test_from_basic_to_none_opens_the_server(bench: Bench, tmp_path: Path) -> None:
    """Acknowledged, everybody gets in; the login's secret stays, because it holds data."""
    spec = _with_auth(tmp_path, "none", "auth: {mode: none, acknowledge_public: true}")
    applied = bench.run("apply", "--sandbox", "--yes", spec)
    assert applied.code == 0, applied.said
    assert httpx.post(_local_url(bench) + SEARCH, json={"max_results": 1}).status_code == 200
    assert bench.run("verify", "--sandbox", spec).code == 0
    assert "No changes." in bench.run("apply", "--sandbox", "--yes", spec).out
