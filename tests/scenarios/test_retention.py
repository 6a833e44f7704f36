"""Old runs go, on a schedule and by asking the registry first; what a model in production needs stays."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.conftest import QUICKSTART
from tests.environments import mlflow_pythons
from tests.scenarios.command import ROOT, Bench, sandbox

PROJECT = "mlflow-sandbox"
REGION = "europe-west1"
NAME = "mlflow-quickstart"
JOB = f"{NAME}-retention"
BUCKET = f"{PROJECT}-{NAME}-artifacts"
LOG = """
import json, sys, time
import mlflow
from mlflow import MlflowClient

client = MlflowClient()
past = int((time.time() - 200 * 86400) * 1000)
made = {}


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input


def old(name, experiment, **tags):
    run = client.create_run(experiment, start_time=past, tags=tags, run_name=name)
    client.log_text(run.info.run_id, "weights of " + name, "model/weights.txt")
    client.set_terminated(run.info.run_id, end_time=past + 1000)
    made[name] = run.info.run_id
    return run.info.run_id


work = client.create_experiment("work")
kept = client.create_experiment("kept", tags={"keep": "yes"})
old("stale", work)
old("tagged", work, keep="")
old("in a kept experiment", kept)
parent = old("sweep", work)
old("trial that lost", work, **{"mlflow.parentRunId": parent})
best = old("trial that won", work, **{"mlflow.parentRunId": parent})
client.create_registered_model("churn")
version = client.create_model_version("churn", "runs:/" + best + "/model", best)
client.set_registered_model_alias("churn", "champion", version.version)
client.set_registered_model_tag("churn", "baseline", "runs:/" + old("baseline", work))

mlflow.set_experiment("work")
for name in ("logged a model", "logged a model that nobody wants"):
    with mlflow.start_run(run_id=old(name, work)) as run:
        model = mlflow.pyfunc.log_model(name="echo", python_model=Echo(), pip_requirements=[])
    client.set_terminated(run.info.run_id, end_time=past + 1000)
    made["model of " + name] = model.model_id
mlflow.register_model("models:/" + made["model of logged a model"], "echo")
deleted = old("deleted by hand", work)
client.delete_run(deleted)
named = old("deleted by hand, though named", work)
client.create_model_version("churn", "runs:/" + named + "/model", named)
client.delete_run(named)
with mlflow.start_run(run_name="young") as run:
    mlflow.log_text("young", "notes.txt")
made["young"] = run.info.run_id
json.dump(made, sys.stdout)
"""
LOAD = """
import json, sys
import mlflow, pandas
from mlflow import MlflowClient

model = mlflow.pyfunc.load_model("models:/echo/1")
frame = model.predict(pandas.DataFrame({"a": [1]}))
texts = [mlflow.artifacts.load_text(uri) for uri in sys.argv[1:]]
path = mlflow.artifacts.download_artifacts("models:/churn@champion")
texts.append(open(path.rstrip("/") + "/weights.txt").read())
client = MlflowClient()
runs = client.search_runs([e.experiment_id for e in client.search_experiments()], run_view_type=3)
stages = {run.info.run_id: run.info.lifecycle_stage for run in runs}
json.dump({"frame": frame.to_dict("list"), "texts": texts, "runs": stages}, sys.stdout)
"""
GONE = {"stale", "trial that lost", "logged a model that nobody wants", "deleted by hand"}


@dataclass(frozen=True)
class Place:
    """A sandbox with the quickstart deployed, and the runs of *LOG* in it by their names."""

    bench: Bench
    spec: Path
    runs: Mapping[str, str]

    def apply(self, **retention: Any) -> str:
        """Apply the quickstart with this retention, and return what was said."""
        text = yaml.safe_load((ROOT / QUICKSTART).read_text())
        self.spec.write_text(
            yaml.safe_dump({**text, **({"lifecycle": {"retention": retention}} if retention else {})})
        )
        applied = self.bench.run("apply", "--sandbox", "--yes", str(self.spec), timeout=600)
        assert applied.code == 0, applied.said
        return applied.out

    def python(self, script: str, *arguments: str) -> Any:
        """What a stock MLflow client prints as JSON."""
        lines = self.bench.run("login", "--sandbox", str(self.spec)).out.splitlines()
        address = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        ended = subprocess.run(
            [mlflow_pythons()[-1], "-c", script, *arguments],
            env={"PATH": os.defpath, "HOME": str(self.spec.parent), "GIT_PYTHON_REFRESH": "quiet", **address},
            capture_output=True, text=True, timeout=300, check=False, cwd=self.spec.parent,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout.splitlines()[-1])

    def gcloud(self, *words: str) -> str:
        """What gcloud prints."""
        ended = self.bench.gcloud(*words, project=PROJECT)
        assert ended.code == 0, ended.said
        return ended.out

    def executions(self) -> list[dict[str, Any]]:
        """Those of the retention job, newest first."""
        path = f"/v2/projects/{PROJECT}/locations/{REGION}/jobs/{JOB}/executions"
        return httpx.get(f"{self.bench.endpoint}{path}").json().get("executions", [])

    def fire(self) -> str:
        """Run the schedule's job now, wait for its execution, and return what that logged."""
        before = len(self.executions())
        self.gcloud("scheduler", "jobs", "run", JOB, f"--location={REGION}")
        end = time.monotonic() + 120
        while len(done := self.executions()) == before or "completionTime" not in done[0]:
            assert time.monotonic() < end
            time.sleep(0.2)
        assert done[0].get("succeededCount") == 1, done[0]
        return self.log(done[0]["name"].rsplit("/", 1)[-1])

    def log(self, execution: str) -> str:
        """The text that an execution wrote."""
        name = f'labels."run.googleapis.com/execution_name"="{execution}"'
        return self.gcloud("logging", "read", name, "--format=value(textPayload)", "--order=asc")

    def stages(self) -> dict[str, str]:
        """The lifecycle stage of each run by its name, "" for one that is no more; every kept file still loads."""
        kept = [
            f"runs:/{self.runs[name]}/model/weights.txt" for name in ("tagged", "trial that won", "baseline")
        ]
        found = self.python(LOAD, *kept)
        assert found["frame"] == {"a": [1]}
        assert found["texts"][-1] == "weights of trial that won"
        stages = found["runs"]
        return {
            name: stages.get(run, "")
            for name, run in self.runs.items()
            if "model" not in name or name.startswith("logged")
        }

    def objects(self) -> str:
        """The names of all artifacts."""
        return self.gcloud("storage", "ls", "--recursive", f"gs://{BUCKET}/**")


@pytest.fixture(scope="module", name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    with sandbox() as bench:
        spec = tmp_path_factory.mktemp("retention") / "spec.yaml"
        empty = Place(bench, spec, {})
        empty.apply(delete_runs_after_days=90, restorable_days=0, dry_run=True)
        yield Place(bench, spec, empty.python(LOG))


def test_a_dry_run_lists_what_would_go_and_what_is_kept_and_why(place: Place) -> None:
    """On its schedule's call, in the job's log; nothing changes."""
    before, files = place.stages(), place.objects()
    said = place.fire()
    for name in GONE - {"deleted by hand"}:
        assert f"would move to the trash run {place.runs[name]} ({name}, " in said
    assert f"would delete for good run {place.runs['deleted by hand']} (deleted by hand, " in said
    reasons = {
        "tagged": "it has the tag that keeps",
        "in a kept experiment": "its experiment has the tag that keeps",
        "trial that won": "version 1 (champion) of the registered model churn names it",
        "sweep": f"run {place.runs['trial that won']}, which is nested in it, is kept",
        "baseline": "the registered model churn names it: its tag baseline",
        "logged a model": "version 1 of the registered model echo names it",
        "deleted by hand, though named": "version 2 of the registered model churn names it",
    }
    for name, reason in reasons.items():
        (line,) = [line for line in said.splitlines() if f"keeps run {place.runs[name]} " in line]
        assert line.endswith(reason)
    assert "1 runs were seen in the last 90 days, and are kept" in said
    assert (place.stages(), place.objects()) == (before, files)


def test_what_nothing_names_goes_with_its_files_and_nothing_else_does(place: Place) -> None:
    """Rows and objects; every model of the registry still loads, and a second time finds nothing to do."""
    place.apply(delete_runs_after_days=90, restorable_days=0)
    before = place.stages()
    said = place.fire()
    assert (
        "done: 3 runs moved to the trash; 4 runs, 1 logged models and 0 experiments deleted for good; 0 failed"
        in said
    )
    assert place.stages() == {name: "" if name in GONE else stage for name, stage in before.items()}
    files = place.objects()
    left = {name for name, own in place.runs.items() if f"/{own}/" in files}
    assert left == set(place.runs) - GONE - {"model of logged a model that nobody wants"}
    again = place.fire()
    assert "done: 0 runs moved to the trash; 0 runs, 0 logged models and 0 experiments" in again
    assert place.objects() == files


def test_a_paused_schedule_is_drift(place: Place) -> None:
    """Found, said, and taken back by one call."""
    place.gcloud("scheduler", "jobs", "pause", JOB, f"--location={REGION}")
    drifted = place.bench.run("drift", "--sandbox", str(place.spec))
    assert drifted.code == 2
    assert "state: PAUSED -> ENABLED" in drifted.out
    place.apply(delete_runs_after_days=90, restorable_days=0)
    assert place.bench.run("drift", "--sandbox", str(place.spec)).code == 0


def test_a_rule_that_deletes_by_age_is_taken_off_the_bucket(place: Place, tmp_path: Path) -> None:
    """Somebody's rule would delete the champion in time; the rules that the spec wants stay beside it."""
    rules = tmp_path / "rules.json"
    rule = {"action": {"type": "Delete"}, "condition": {"age": 30}}
    rules.write_text(json.dumps({"rule": [rule]}))
    place.gcloud("storage", "buckets", "update", f"gs://{BUCKET}", f"--lifecycle-file={rules}")
    drifted = place.bench.run("drift", "--sandbox", str(place.spec))
    assert drifted.code == 2
    assert "lifecycle.expiry" in drifted.out
    assert "is deleted by age, whether or not the model registry names it" in drifted.out
    place.apply(delete_runs_after_days=90, restorable_days=0)
    assert place.bench.run("drift", "--sandbox", str(place.spec)).code == 0


def test_settings_change_where_they_belong(place: Place) -> None:
    """When is the schedule's, what is the job's; afterwards there is nothing left to do."""
    said = place.apply(
        delete_runs_after_days=120, restorable_days=30, keep_tag="precious", dry_run=True,
        schedule="30 4 1 * *", time_zone="Europe/Paris",
    )  # fmt: skip
    assert f"~ cloudscheduler.job/{JOB}" in said
    assert f"~ run.job/{JOB}" in said
    assert "0 to create, 2 to update, 0 to delete" in said
    assert "whether the job deletes runs, or only lists them in its log" in said
    assert place.bench.run("plan", "--sandbox", str(place.spec)).code == 0


def test_turned_off_it_leaves_nothing_behind(place: Place) -> None:
    """Job, schedule, account and grant go; the runs and the server stay."""
    said = place.apply()
    for gone in (f"run.job/{JOB}", f"cloudscheduler.job/{JOB}", f"iam.service_account/{NAME}-cron"):
        assert f"- {gone}" in said
    assert "No changes." in place.bench.run("plan", "--sandbox", str(place.spec)).out
    accounts = place.gcloud("iam", "service-accounts", "list", "--format=value(email)")
    assert f"{NAME}-cron" not in accounts
