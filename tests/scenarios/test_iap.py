"""Google's login page before the server: in a browser, from Python, and on the way there and back, never open."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.browser import browser
from tests.environments import mlflow_pythons
from tests.scenarios.command import ROOT, Bench, plain_env, sandbox

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
PROJECT = "mlflow-sandbox"
TRAINER = f"trainer@{PROJECT}.iam.gserviceaccount.com"
STRANGER = f"stranger@{PROJECT}.iam.gserviceaccount.com"
ADA = "ada@sandbox.example"
SPEC = (
    (ROOT / "specs" / "quickstart.yaml").read_text().replace("name: mlflow-quickstart", "name: mlflow-page")
)
SEARCH = "/api/2.0/mlflow/experiments/search"
WORK = """
import mlflow, pathlib, tempfile
mlflow.set_experiment("behind the page")
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5)
    path = pathlib.Path(tempfile.mkdtemp()) / "report.txt"
    path.write_text("content")
    mlflow.log_artifact(str(path))
back = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="report.txt")
assert pathlib.Path(back).read_text() == "content"
"""


def _spec(folder: Path, auth: str) -> str:
    """The spec with another section auth."""
    path = folder / "spec.yaml"
    path.write_text(SPEC.replace("auth:\n  mode: basic\n", f"auth: {auth}\n"))
    return str(path)


IAP = f"{{mode: iap, accessors: ['user:{ADA}', 'serviceAccount:{TRAINER}']}}"


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("iap")


@pytest.fixture(scope="module", name="bench")
def _bench(folder: Path) -> Generator[Bench]:
    """A server of mode basic, and the service accounts that will be named; then the change to iap."""
    with sandbox() as bench:
        applied = bench.run("apply", "--sandbox", "--yes", _spec(folder, "{mode: basic}"), timeout=600)
        assert applied.code == 0, applied.said
        for name in ("trainer", "stranger"):
            made = httpx.post(
                f"{bench.endpoint}/v1/projects/{PROJECT}/serviceAccounts",
                json={"accountId": name},
                trust_env=False,
            )
            assert made.status_code == 200, made.text
        spec = _spec(folder, IAP)
        planned = bench.run("plan", "--sandbox", spec)
        assert "only accessors pass it" in planned.out
        assert _order(planned.out) == ["run.service_iam", "run.service", "iap.service_agent", "iap.web_iam"]
        changed = bench.run("apply", "--sandbox", "--yes", spec, timeout=600)
        assert changed.code == 0, changed.said
        yield bench


def _order(planned: str) -> list[str]:
    """The kinds about the way in that a plan changes, in the order of the work."""
    return re.findall(r"^  [+~] ((?:run\.service|iap)\w*(?:\.\w+)?)/", planned, re.MULTILINE)


def _url(bench: Bench) -> str:
    return str(json.loads(bench.run("sandbox", "status", "--format", "json").out)["services"][0]["local_url"])


def _signed(bench: Bench, account: str, audience: str) -> str:
    """A JWT of *account* for an hour, as IAM signs it."""
    now = int(time.time())
    claims = {"iss": account, "sub": account, "aud": audience, "iat": now, "exp": now + 3600}
    address = f"{bench.endpoint}/v1/projects/-/serviceAccounts/{account}:signJwt"
    return str(httpx.post(address, json={"payload": json.dumps(claims)}, trust_env=False).json()["signedJwt"])


def _ask(bench: Bench, **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(_url(bench) + SEARCH, json={"max_results": 1}, headers=sent, trust_env=False)


def test_nothing_is_left_to_do(bench: Bench, folder: Path) -> None:
    """The plan is empty, status says how to get in, and verify proves it."""
    spec = _spec(folder, IAP)
    assert bench.run("plan", "--sandbox", spec).code == 0
    assert "choose the Google account" in bench.run("status", "--sandbox", spec).out
    proved = bench.run("verify", "--sandbox", spec)
    assert proved.code == 0, proved.said
    for told in ("sends the anonymous to Google's login page", "refuses a token for another address"):
        assert f"ok   {told}" in proved.out


def test_who_brings_nothing_is_sent_to_the_login_page(bench: Bench) -> None:
    """A redirect of IAP's own; a script on a page gets a 401 instead."""
    sent = _ask(bench)
    assert (sent.status_code, sent.headers["x-goog-iap-generated-response"]) == (302, "true")
    assert "/o/oauth2/v2/auth?" in sent.headers["location"]
    assert _ask(bench, X_Requested_With="XMLHttpRequest").status_code == 401


def test_tokens_are_for_this_server_and_for_accessors(bench: Bench, folder: Path) -> None:
    """Garbage, ID tokens, another address, another account: each is refused in IAP's words; the right one is served."""
    url = bench.run("status", "--sandbox", "--format", "json", _spec(folder, IAP)).out
    host = json.loads(url)["url"]
    good = _signed(bench, TRAINER, f"{host}/*")
    cases = (
        ("nonsense", 401, "Unable to parse JWT"),
        (f"{good[:-8]}AAAAAAAA", 401, "JWT signature is invalid"),
        (_signed(bench, TRAINER, "https://elsewhere.example/*"), 401, "Invalid JWT audience"),
        (_signed(bench, TRAINER, host), 401, "Invalid JWT audience"),
        (_signed(bench, STRANGER, f"{host}/*"), 403, "4033"),
        (good, 200, "experiments"),
    )
    for token, status, words in cases:
        answer = _ask(bench, Authorization=f"Bearer {token}")
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert (
        _ask(bench, Authorization="Basic bWU6bWU=", Proxy_Authorization=f"Bearer {good}").status_code == 200
    )


def test_mlflows_client_gets_in_with_what_login_prints(bench: Bench, folder: Path, tmp_path: Path) -> None:
    """A stock client, a run and an artifact."""
    lines = bench.run("login", "--sandbox", _spec(folder, IAP)).out.splitlines()
    printed = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
    env = {**plain_env(), **printed, "HOME": str(tmp_path)}
    ended = subprocess.run(
        [mlflow_pythons()[0], "-c", WORK], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=180,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium")
def test_a_person_chooses_an_account_and_sees_the_page(bench: Bench, tmp_path: Path) -> None:
    """An accessor sees MLflow; somebody else of the organisation is told that he has no access."""
    choose = "document.querySelector(\"a[href*='{}']\").click()"
    with browser(str(CHROMIUM), tmp_path / "ada", ("", "")) as page:
        page.open(_url(bench))
        assert page.waits_for("Choose an account", seconds=30), page.text()
        page.call("Runtime.evaluate", expression=choose.format("ada%40"))
        assert page.waits_for("Experiments", seconds=60), page.text()
    with browser(str(CHROMIUM), tmp_path / "owner", ("", "")) as page:
        page.open(_url(bench))
        assert page.waits_for("Choose an account", seconds=30), page.text()
        page.call("Runtime.evaluate", expression=choose.format("operator%40"))
        assert page.waits_for("You don't have access", seconds=30), page.text()


def test_back_to_a_password_it_opens_last(bench: Bench, folder: Path) -> None:
    """IAP's agent goes first, then the server gets its login, then everybody may reach it."""
    spec = _spec(folder, "{mode: basic}")
    planned = bench.run("plan", "--sandbox", spec).out
    assert _order(planned) == ["iap.service_agent", "run.service", "run.service_iam"]
    assert bench.run("apply", "--sandbox", "--yes", spec, timeout=600).code == 0
    assert _ask(bench).status_code == 401
    assert bench.run("verify", "--sandbox", spec).code == 0
