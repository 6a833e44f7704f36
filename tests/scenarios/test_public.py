"""The spec with every key: it can be applied as it stands, and a user can work with what comes of it."""

from __future__ import annotations

from tests.relay import relay
from tests.scenarios.command import sandbox

SPEC = "specs/public.yaml"


def test_the_spec_with_every_key_is_applied_verified_and_then_left_alone() -> None:
    """Two workers, versioning, lifecycle, a bucket of its own name, invokers: all of it in one apply."""
    with sandbox() as bench:
        applied = bench.run("apply", "--sandbox", "--yes", SPEC, timeout=600)
        assert applied.code == 0, applied.said
        proved = bench.run("verify", "--sandbox", SPEC)
        assert proved.code == 0, proved.said
        with relay(bench.endpoint) as through:
            again = bench.run("apply", "--yes", SPEC, env={"MLFLOW_RECONCILE_ENDPOINT": through.url})
            assert (again.code, through.writes) == (0, []), again.said
