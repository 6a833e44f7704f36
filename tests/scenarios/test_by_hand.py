"""What a team set up by hand with gcloud, MLflow 2.9 and a Dockerfile of their own, works here as it does there.

The commands are those of a public description of such a set-up: made once by two scripts, then looked after by hand.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.sandbox.calls import new_project
from tests.scenarios.command import Bench, Ended, sandbox

NO_GCLOUD = "gcloud is not installed; it is the hand that makes everything here"
pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason=NO_GCLOUD)
REGION, SERVICE, INSTANCE = "europe-west9", "mlflow-tracking", "mlflow-db"
APIS = (
    "artifactregistry", "cloudbuild", "cloudresourcemanager", "compute", "iam", "logging", "run", "secretmanager",
    "servicenetworking", "sql-component", "sqladmin", "vpcaccess",
)  # fmt: skip
DOCKERFILE = """FROM python:3.11-slim
# 2.9.2 asks for any SQLAlchemy before 3, and breaks with 2.1.
RUN pip install --no-cache-dir mlflow==2.9.2 "sqlalchemy<2.1" psycopg2-binary google-cloud-storage
COPY entrypoint.sh /entrypoint.sh
RUN chmod +x /entrypoint.sh && useradd --create-home mlflow
USER mlflow
EXPOSE 8080
ENTRYPOINT ["/entrypoint.sh"]
"""
ENTRYPOINT = """#!/bin/bash
set -e
: "${DB_URI:?must be set}" "${ARTIFACT_ROOT:?must be set}"
exec mlflow server --host 0.0.0.0 --port "${PORT:-8080}" --workers 1 \\
  --backend-store-uri "$DB_URI" --serve-artifacts --artifacts-destination "$ARTIFACT_ROOT"
"""
SPEC = """version: 1
name: mlflow-tracking
project: {project}
region: europe-west9
auth: {{mode: basic}}
scaling: {{max_instances: 2}}
memory: 1Gi
artifacts: {{bucket: {project}-mlflow-artifacts, existing: true, folder: artifacts}}
"""


@dataclass(frozen=True)
class Hand:
    """Somebody with gcloud, a project and a shell."""

    bench: Bench
    project: str
    number: str

    def does(self, command: str, *more: str) -> Ended:
        """How *command*, written as on a page, ended; *more* are words that hold spaces."""
        words = command.format(
            PROJECT=self.project, NUMBER=self.number, REGION=REGION, SERVICE=SERVICE, INSTANCE=INSTANCE
        ).split()
        return self.bench.gcloud(*words, *more, project=self.project)

    def done(self, command: str, *more: str) -> str:
        """What a command said that must succeed."""
        ended = self.does(command, *more)
        assert ended.code == 0, f"gcloud {command}\n{ended.said}"
        return ended.out


@pytest.fixture(scope="module", name="hand")
def _hand(tmp_path_factory: pytest.TempPathFactory) -> Generator[Hand]:
    """The set-up as the two scripts make it, image, server and all."""
    with sandbox() as bench:
        cloud = new_project(int(bench.endpoint.rpartition(":")[2]))
        hand = Hand(bench, cloud.project, cloud.number)
        _set_up(hand, tmp_path_factory.mktemp("by-hand"))
        yield hand


def _set_up(hand: Hand, folder: Path) -> None:
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "entrypoint.sh").write_text(ENTRYPOINT)
    rules = folder / "lifecycle.json"
    rules.write_text('{"rule": [{"action": {"type": "Delete"}, "condition": {"age": 90}}]}')
    account = "serviceAccount:{NUMBER}-compute@developer.gserviceaccount.com"
    image = "{REGION}-docker.pkg.dev/{PROJECT}/mlflow-repo/mlflow:latest"
    for command in (
        f"services enable {' '.join(f'{api}.googleapis.com' for api in APIS)}",
        "sql instances create {INSTANCE} --database-version=POSTGRES_15 --tier=db-f1-micro --region={REGION} "
        "--edition=enterprise --root-password=root-pw --backup-start-time=03:00 --maintenance-window-day=SUN "
        "--maintenance-window-hour=4",
        "sql databases create mlflow --instance={INSTANCE}",
        "sql users create mlflow-bek --instance={INSTANCE} --password=user-pw",
        "storage buckets create gs://{PROJECT}-mlflow-artifacts --location={REGION} --uniform-bucket-level-access",
        f"storage buckets update gs://{{PROJECT}}-mlflow-artifacts --lifecycle-file={rules}",
        f"projects add-iam-policy-binding {{PROJECT}} --member={account} --role=roles/cloudsql.client",
        # The account that builds, and since 2024 has no rights of its own.
        f"projects add-iam-policy-binding {{PROJECT}} --member={account} --role=roles/cloudbuild.builds.builder",
        f"storage buckets add-iam-policy-binding gs://{{PROJECT}}-mlflow-artifacts --member={account} "
        "--role=roles/storage.objectAdmin",
        "artifacts repositories create mlflow-repo --repository-format=docker --location={REGION}",
        # Their script builds with Docker and pushes; Cloud Build does both where there is no Docker.
        f"builds submit {folder} --tag {image}",
    ):
        hand.done(command)
    place = f"{hand.project}:{REGION}:{INSTANCE}"
    uri = f"postgresql+psycopg2://mlflow-bek:user-pw@/mlflow?host=/cloudsql/{place}"
    hand.done(
        f"run deploy {{SERVICE}} --image={image} --region={{REGION}} --allow-unauthenticated --port=8080 --memory=1Gi "
        f"--add-cloudsql-instances={place} --min-instances=0 --max-instances=10 "
        f"--set-env-vars=^##^DB_URI={uri}##ARTIFACT_ROOT=gs://{{PROJECT}}-mlflow-artifacts/artifacts"
    )


def test_runs_and_artifacts_are_logged(hand: Hand) -> None:
    """Anybody reaches it; a run lands in PostgreSQL, an artifact in the bucket."""
    shown = hand.bench.run("sandbox", "status").out
    url = next(
        word for word in shown.split() if word.startswith("http://127.0.0.1") and word != hand.bench.endpoint
    )
    api = f"{url}/api/2.0/mlflow"
    assert httpx.get(f"{url}/health").text == "OK"
    experiment = httpx.post(f"{api}/experiments/create", json={"name": "by hand"}).json()["experiment_id"]
    run = httpx.post(f"{api}/runs/create", json={"experiment_id": experiment}).json()["run"]["info"]["run_id"]
    logged = httpx.post(
        f"{api}/runs/log-metric", json={"run_id": run, "key": "rmse", "value": 0.5, "timestamp": 1}
    )
    assert logged.status_code == 200, logged.text
    put = httpx.put(f"{url}/api/2.0/mlflow-artifacts/artifacts/{run}/report.html", content=b"<p>report")
    assert put.status_code == 200, put.text
    listed = hand.done("storage ls --recursive gs://{PROJECT}-mlflow-artifacts/")
    assert f"/artifacts/{run}/report.html" in listed


MAINTENANCE = (
    "run services logs read {SERVICE} --region={REGION} --limit=50",
    "sql operations list --instance={INSTANCE} --limit=10",
    "run services update {SERVICE} --max-instances=20 --region={REGION}",
    "sql backups create --instance={INSTANCE}",
    "sql backups list --instance={INSTANCE}",
    "sql instances patch {INSTANCE} --activation-policy=NEVER",
    "sql instances patch {INSTANCE} --activation-policy=ALWAYS",
    "run services describe {SERVICE} --region={REGION}",
    "run services add-iam-policy-binding {SERVICE} --member=user:me@example.com --role=roles/run.invoker "
    "--region={REGION}",
    "sql instances list",
    "run services update {SERVICE} --timeout=3600 --region={REGION}",
    "compute networks vpc-access connectors create mlflow-connector --network=default --region={REGION} "
    "--range=10.8.0.0/28",
    "run services update {SERVICE} --vpc-connector=mlflow-connector --vpc-egress=private-ranges-only "
    "--region={REGION}",
    "secrets add-iam-policy-binding db-password "
    "--member=serviceAccount:{NUMBER}-compute@developer.gserviceaccount.com "
    "--role=roles/secretmanager.secretAccessor",
    "run services update {SERVICE} --update-secrets=DB_PASSWORD=db-password:latest --region={REGION}",
    "iam service-accounts create mlflow-client",
)


def test_the_pages_maintenance_works(hand: Hand, tmp_path: Path) -> None:
    """Logs, backups, pausing the database, scaling, a connector, a secret: each command as the page has it."""
    (tmp_path / "password").write_text("your-password")
    hand.done(f"secrets create db-password --data-file={tmp_path / 'password'}")
    for command in MAINTENANCE:
        hand.done(command)
    backup = hand.done("sql backups list --instance={INSTANCE} --format=value(id)").split()[0]
    hand.done(f"sql backups restore {backup} --backup-instance={{INSTANCE}} --restore-instance={{INSTANCE}}")
    logged = hand.done("logging read", "resource.type=cloud_run_revision", "--limit=50", "--format=json")
    assert "mlflow-tracking-00001" in logged


def test_what_the_page_gets_wrong_fails_here_too(hand: Hand) -> None:
    """A private address needs a connection of the network first, which the page forgets."""
    refused = hand.does("sql instances patch {INSTANCE} --network=default --no-assign-ip")
    assert refused.code == 1
    assert f"{hand.project}:{INSTANCE}:NETWORK_NOT_PEERED" in refused.err


def test_a_plan_refuses_what_is_not_ours_and_shows_what_it_would_change(hand: Hand, tmp_path: Path) -> None:
    """The service is not ours: every change of it stands there, what may be a secret without its value."""
    spec = tmp_path / "mlflow.yaml"
    spec.write_text(SPEC.format(project=hand.project))
    planned = hand.bench.run("plan", "--sandbox", str(spec))
    assert planned.code == 5, planned.said
    assert (
        f"run.service/{SERVICE} exists and is not ours: it does not carry labels.mlflow-deployment"
        in planned.out
    )
    assert "it cannot be adopted as it is: template.volumes.cloudsql cannot change" in planned.out
    assert "env.DB_URI: (somebody else's, not shown: it may be a secret) -> (not set)" in planned.out
    assert "user-pw" not in planned.said
    assert "19 to create, 3 to update, 0 to delete" in planned.out
    for style in ("json", "markdown"):
        assert "user-pw" not in hand.bench.run("plan", "--sandbox", "--format", style, str(spec)).said


def test_it_is_found_adopted_and_goes_on_with_its_data(hand: Hand, tmp_path: Path) -> None:
    """From the project's name to a server of ours with the runs and artifacts of before, behind a password."""
    spec = tmp_path / "found.yaml"
    found = hand.bench.run("adopt", "--sandbox", str(spec), "--from", hand.project)
    assert found.code == 0, found.said
    assert "database  mlflow: as in DB_URI" in found.out
    again = hand.bench.run("adopt", "--sandbox", str(spec), "--from", hand.project)
    assert (again.code, "exists, and was not touched" in again.err) == (1, True)
    adopted = hand.bench.run("adopt", "--sandbox", "--yes", str(spec))
    assert adopted.code == 0, adopted.said
    sealed = tmp_path / "first.plan"
    assert hand.bench.run("plan", "--sandbox", str(spec), "--out", str(sealed)).code == 2
    applied = hand.bench.run("apply", "--sandbox", "--yes", str(sealed))
    assert applied.code == 0, applied.said
    assert hand.bench.run("plan", "--sandbox", str(spec)).code == 0
    verified = hand.bench.run("verify", "--sandbox", str(spec))
    assert verified.code == 0, verified.said
    assert "user-pw" not in spec.read_text() + sealed.read_text() + found.said + adopted.said + applied.said
    way_in = dict(
        line.removeprefix("export ").split("=", 1)
        for line in hand.bench.run("login", "--sandbox", str(spec)).out.splitlines()
        if line.startswith("export ")
    )
    url, *login = (way_in[f"MLFLOW_TRACKING_{part}"].strip("'\"") for part in ("URI", "USERNAME", "PASSWORD"))
    assert httpx.get(f"{url}/api/2.0/mlflow/experiments/search?max_results=9").status_code == 401
    with httpx.Client(base_url=url, auth=(login[0], login[1]), timeout=60) as client:
        named = client.get("/api/2.0/mlflow/experiments/get-by-name?experiment_name=by hand").json()
        experiment = named["experiment"]["experiment_id"]
        body = {"experiment_ids": [experiment]}
        (run,) = client.post("/api/2.0/mlflow/runs/search", json=body).json()["runs"]
        assert [(metric["key"], metric["value"]) for metric in run["data"]["metrics"]] == [("rmse", 0.5)]
        artifact = f"/api/2.0/mlflow-artifacts/artifacts/{run['info']['run_id']}/report.html"
        assert client.get(artifact).content == b"<p>report"
