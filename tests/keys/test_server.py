"""MLflow itself and its image: every key on a live deployment."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.keys.live import Case, Live, keys_of, living, prove

ENV = "~ run.service/mlflow-keys template.containers.env"
FILE = "~ run.service/mlflow-keys template.volumes.secret"
SECRET = "projects/every-key/secrets/words/versions"
GRANTED = (
    "~ secretmanager.secret_iam/words roles/secretmanager.secretAccessor "
    "serviceAccount:mlflow-keys-run@every-key.iam.gserviceaccount.com: None -> granted"
)
IMAGE = "europe-west1-docker.pkg.dev/every-key/mlflow-keys/server@sha256:HASH"
BUILT = f"{IMAGE} -> (known after the image is built)"
NEW_IMAGE = (
    f"~ run.job/mlflow-keys-migrate template.template.containers.image: {BUILT}",
    f"~ run.migration/mlflow-keys image: {BUILT}",
    f"~ run.service/mlflow-keys template.containers.image: {BUILT}",
)


BUILDER = "mlflow-keys-build@every-key.iam.gserviceaccount.com"
NO_BUILDS = (
    f"- iam.service_account/{BUILDER}",
    "- storage.bucket/every-key-mlflow-keys-build",
    "~ artifactregistry.repository_iam/mlflow-keys roles/artifactregistry.writer "
    f"serviceAccount:{BUILDER}: granted -> None",
    f"~ cloudresourcemanager.project_iam/every-key roles/logging.logWriter serviceAccount:{BUILDER}: granted -> None",
    "~ storage.bucket_iam/every-key-mlflow-keys-build roles/storage.objectViewer "
    f"serviceAccount:{BUILDER}: granted -> None",
)


def _key(name: str, variable: str) -> tuple[str, ...]:
    made = tuple(f"+ secretmanager.{kind}/mlflow-keys-{name}" for kind in ("secret", "secret_iam", "version"))
    return (*made, f"{ENV}.{variable}: None -> (known after the secret has a version)")


def _running(live: Live) -> str:
    """The image that runs now, by its digest."""
    (service,) = [change for change in live.plan().changes if change.ref.kind == "run.service"]
    assert service.observed is not None
    return str(service.observed.body["template.containers.image"])


CASES = {
    "server.version": Case("3.17.1", ("+ artifactregistry.image/3.17.1-HASH", *NEW_IMAGE)),
    "server.workers": Case(2, (f"{ENV}.MLFLOW_WORKERS: 1 -> 2",)),
    "server.pool_size": Case(3, (f"{ENV}.MLFLOW_SQLALCHEMYSTORE_POOL_SIZE: 2 -> 3",)),
    "server.pool_overflow": Case(2, (f"{ENV}.MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW: 1 -> 2",)),
    "server.job_runner": Case(
        True,
        (f"{ENV}.MLFLOW_SERVER_ENABLE_JOB_EXECUTION: false -> true",),
        given={
            "scaling": {"max_instances": 1, "min_instances": 1, "cpu_always_on": True},
            "memory": "4Gi",
        },
    ),
    "server.webhooks": Case(
        True, _key("webhook-key", "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"), given={"server.job_runner": False}
    ),
    "server.gateway": Case(True, _key("gateway-passphrase", "MLFLOW_CRYPTO_KEK_PASSPHRASE")),
    "server.pip": Case(["humanize==4.9.0"], ("+ artifactregistry.image/3.17.1-HASH", *NEW_IMAGE)),
    "server.telemetry": Case(
        True,
        (f"{ENV}.DO_NOT_TRACK: true -> false", f"{ENV}.MLFLOW_DISABLE_TELEMETRY: true -> false"),
    ),
    "server.env": Case({"A": "1"}, (f"{ENV}.A: None -> 1",)),
    "server.secrets": Case(
        {"WORDS": "words:1"},
        (GRANTED, f"{ENV}.WORDS: None -> {SECRET}/1"),
    ),
    "server.secret_files": Case(
        {"/secrets/words/all.txt": "words:2"}, (f"{FILE}./secrets/words/all.txt: None -> {SECRET}/2",)
    ),
    "image.build": Case("docker", (), given={"image.digest": ""}),
    "image.keep": Case(
        3,
        (
            "~ artifactregistry.repository/mlflow-keys cleanupPolicies.keep-latest: "
            "{'action': 'KEEP', 'mostRecentVersions': {'keepCount': 5}} -> "
            "{'action': 'KEEP', 'mostRecentVersions': {'keepCount': 3}}",
        ),
    ),
    "image.digest": Case(_running, NO_BUILDS),
}


@pytest.fixture(scope="module", name="live")
def _live(tmp_path_factory: pytest.TempPathFactory) -> Generator[Live]:
    folder = tmp_path_factory.mktemp("server")
    with living(folder) as live:
        for value in ("first", "second"):
            live.keep_secret("words", value)
        yield live


@pytest.mark.parametrize("key", keys_of("server", "image"))
def test_a_key_changes_exactly_what_it_says(live: Live, key: str) -> None:
    """Applied, it leaves nothing to say; applied again, nothing is written."""
    prove(live, key, CASES)
