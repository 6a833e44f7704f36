"""A data scientist at work: MLflow's own Python client and a real browser against the deployed server."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.browser import browser
from tests.conftest import QUICKSTART
from tests.environments import mlflow_pythons
from tests.scenarios.command import Bench, plain_env

WORK = """
import os, tempfile, pathlib, mlflow, numpy
from sklearn.linear_model import LinearRegression
mlflow.set_experiment("a scientist's morning")
with mlflow.start_run() as run:
    mlflow.log_param("depth", 3)
    for step in range(20):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "report x y+ü%.txt").write_text("content")
    (folder / "big.bin").write_bytes(os.urandom(1 << 20) * 40)
    mlflow.log_artifacts(str(folder), "data")
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    mlflow.sklearn.log_model(model, name="line", registered_model_name="line", serialization_format="pickle")
got = mlflow.get_run(run.info.run_id)
assert got.data.params == {"depth": "3"} and got.data.metrics["loss"] == 0.05, got.data
names = sorted(a.path for a in mlflow.artifacts.list_artifacts(run_id=run.info.run_id, artifact_path="data"))
assert names == ["data/big.bin", "data/report x y+ü%.txt"], names
back = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="data"))
for path in folder.iterdir():
    assert (back / path.name).read_bytes() == path.read_bytes(), path.name
loaded = mlflow.sklearn.load_model("models:/line/1")
assert numpy.allclose(loaded.predict([[2.0]]), [4.0])
print("logged", run.info.run_id)
"""
SEEN = "seen by a browser"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")


def _login(bench: Bench) -> dict[str, str]:
    lines = bench.run("login", "--sandbox", QUICKSTART).out.splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def test_mlflows_client_logs_and_finds_everything_again(settled: Bench, tmp_path: Path) -> None:
    """Params, metrics, artifacts of every name and 40 MiB, a registered model: written, listed, read back, used."""
    env = {
        **plain_env(),
        **_login(settled),
        "HOME": str(tmp_path),
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
    ended = subprocess.run(
        [mlflow_pythons()[0], "-c", WORK],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]


def test_a_wrong_password_is_told_at_once(settled: Bench, tmp_path: Path) -> None:
    """The client's first call fails with 401, without retries."""
    env = {**plain_env(), **_login(settled), "MLFLOW_TRACKING_PASSWORD": "wrong", "HOME": str(tmp_path)}
    code = "import mlflow; mlflow.search_experiments()"
    ended = subprocess.run(
        [mlflow_pythons()[0], "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode != 0
    assert "401" in ended.stderr


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; CI installs one")
def test_the_page_opens_in_a_browser(settled: Bench, tmp_path: Path) -> None:
    """Chromium is asked for the login once, and the page's own requests are answered: it lists the experiments."""
    login = _login(settled)
    address = login["MLFLOW_TRACKING_URI"]
    credentials = (login["MLFLOW_TRACKING_USERNAME"], login["MLFLOW_TRACKING_PASSWORD"])
    made = httpx.post(
        f"{address}/api/2.0/mlflow/experiments/create", json={"name": SEEN}, auth=credentials, timeout=60
    )
    assert made.status_code == 200, made.text
    with browser(str(CHROMIUM), tmp_path / "profile", credentials) as page:
        page.open(f"{address}/#/experiments")
        assert page.waits_for(SEEN, seconds=60), page.text()
        assert page.asked == 1
