"""Service accounts: what is there already when one is to be made."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired
from reconciler.resources import iam_service_account
from reconciler.resources.iam_service_account import ServiceAccount
from tests.sandbox.calls import Cloud as Hand
from tests.sandbox.calls import new_project
from tests.scenarios.command import sandbox

PROJECT = "many-hands"


@pytest.fixture(name="somebody")
def _somebody() -> Generator[Hand]:
    with sandbox() as bench:
        yield new_project(int(bench.endpoint.rpartition(":")[2]), "iam", project=PROJECT)


def test_an_account_that_somebody_made_faster_is_brought_up_to_date(somebody: Hand) -> None:
    """Disabled and with another name, it would be found as a difference right after an apply that succeeded."""
    email = somebody.account("mlflow-run")
    somebody.ok("POST", f"/v1/projects/{{P}}/serviceAccounts/{email}:disable", {})
    ref = iam_service_account.ref(PROJECT, email)
    body = {"displayName": "MLflow server", "disabled": False}
    cloud = Cloud(PROJECT, somebody.url)
    ServiceAccount().create(cloud, Desired(ref, body))
    found = ServiceAccount().observe(cloud, ref)
    assert found is not None
    assert found.body == body
