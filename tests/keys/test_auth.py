"""Who may use the server: every key on a live deployment. Those of `auth.oidc` are in a file of their own."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.keys.live import Case, Live, keys_of, living, prove

ENV = "~ run.service/mlflow-keys template.containers.env"
JOB = "~ run.job/mlflow-keys-migrate template.template.containers.env"
INVOKER = "~ run.service_iam/mlflow-keys roles/run.invoker"
ACCESSOR = "~ iap.web_iam/mlflow-keys roles/iap.httpsResourceAccessor"
LOGIN = (
    "~ secretmanager.secret_iam/mlflow-keys-login-password roles/secretmanager.secretAccessor "
    "serviceAccount:mlflow-keys-run@every-key.iam.gserviceaccount.com"
)
HIDDEN = "(somebody else's, not shown: it may be a secret)"
ADA, BOB = "user:ada@acme.example", "user:bob@acme.example"
CASES = {
    "auth.mode": Case(
        "iam",
        (
            f"{ENV}.FRONT_AUTH: basic -> none",
            f"{ENV}.FRONT_PASSWORD: projects/every-key/secrets/mlflow-keys-login-password/versions/1 -> None",
            f"{ENV}.FRONT_USERNAME: {HIDDEN} -> None",
            f"{INVOKER} allUsers: granted -> None",
            f"{INVOKER} {ADA}: None -> granted",
            f"{LOGIN}: granted -> None",
        ),
        along={"auth.invokers": [ADA]},
    ),
    "auth.acknowledge_public": Case(
        True,
        (f"{INVOKER} allUsers: None -> granted",),
        along={"auth.mode": "none", "auth.invokers": []},
    ),
    "auth.username": Case(
        "ada",
        (f"{ENV}.FRONT_USERNAME: mlflow -> ada",),
        given={"auth.mode": "basic", "auth.acknowledge_public": False},
    ),
    "auth.behind_iam": Case(True, (f"{INVOKER} allUsers: granted -> None",), along={"auth.invokers": [ADA]}),
    "auth.invokers": Case([ADA, BOB], (f"{INVOKER} {BOB}: None -> granted",)),
    "auth.accessors": Case(
        [BOB],
        (f"{ACCESSOR} {BOB}: None -> granted",),
        given={
            "auth.behind_iam": False,
            "auth.invokers": [],
            "auth.mode": "iap",
            "auth.accessors": [ADA],
        },
    ),
    "auth.exclusive": Case(True, (f"{ACCESSOR} {ADA}: granted -> None",)),
    "auth.mlflow.admin_username": Case(
        "chief",
        (
            f"{JOB}.MLFLOW_AUTH_ADMIN_USERNAME: admin -> chief",
            f"{ENV}.MLFLOW_AUTH_ADMIN_USERNAME: admin -> chief",
            "~ run.migration/mlflow-keys users.administrator: admin -> chief",
        ),
        given={"auth.exclusive": False, "auth.accessors": [], "auth.mode": "mlflow"},
    ),
    "auth.mlflow.default_permission": Case("EDIT", (f"{ENV}.MLFLOW_AUTH_DEFAULT_PERMISSION: READ -> EDIT",)),
}


@pytest.fixture(scope="module", name="live")
def _live(tmp_path_factory: pytest.TempPathFactory) -> Generator[Live]:
    with living(tmp_path_factory.mktemp("auth")) as live:
        yield live


@pytest.mark.parametrize("key", [key for key in keys_of("auth") if not key.startswith("auth.oidc.")])
def test_a_key_changes_exactly_what_it_says(live: Live, key: str) -> None:
    """Applied, it leaves nothing to say; applied again, nothing is written."""
    prove(live, key, CASES)
