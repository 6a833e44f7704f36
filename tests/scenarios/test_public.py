"""The spec with every key: it can be applied as it stands, and a user can work with what comes of it."""

from __future__ import annotations

from tests.relay import relay
from tests.sandbox.calls import new_project
from tests.scenarios.command import Bench, sandbox

SPEC = "specs/public.yaml"


def _make(bench: Bench, secret: str, versions: int) -> None:
    """What the spec refers to, and somebody else has put into Secret Manager before."""
    cloud = new_project(int(bench.endpoint.rpartition(":")[2]), "secretmanager", project="acme-ml")
    cloud.ok("POST", f"/v1/projects/{{P}}/secrets?secretId={secret}", {"replication": {"automatic": {}}})
    for _ in range(versions):
        cloud.ok("POST", f"/v1/projects/{{P}}/secrets/{secret}:addVersion", {"payload": {"data": "d29yZHM="}})


def test_the_spec_with_every_key_is_applied_verified_and_then_left_alone() -> None:
    """Two workers, versioning, lifecycle, a bucket of its own name, invokers: all of it in one apply."""
    with sandbox() as bench:
        for secret, versions in {"openai-key": 1, "company-ca": 2}.items():
            _make(bench, secret, versions)
        applied = bench.run("apply", "--sandbox", "--yes", SPEC, timeout=600)
        assert applied.code == 0, applied.said
        proved = bench.run("verify", "--sandbox", SPEC)
        assert proved.code == 0, proved.said
        with relay(bench.endpoint) as through:
            again = bench.run("apply", "--yes", SPEC, env={"MLFLOW_RECONCILE_ENDPOINT": through.url})
            assert (again.code, through.writes) == (0, []), again.said
