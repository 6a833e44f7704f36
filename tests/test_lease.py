"""The lease, on a real sandbox: one holder at a time, and nobody waits for somebody who is gone."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors, lease
from reconciler.gcp.cloud import Cloud
from reconciler.lease import LASTS, Lease
from reconciler.spec.deployment import Deployment
from reconciler.spec.load import load
from tests.sandbox.calls import new_project
from tests.scenarios.command import Bench, sandbox

SPEC = "version: 1\nname: {name}\nproject: leases\nregion: europe-west1\nauth: {{mode: basic}}\n"
NUMBERS = itertools.count(1)
SOON = 20
"""Seconds after which a test that waits for another thread gives up."""
HOLDER = """
import sys
from reconciler import lease
from reconciler.gcp.cloud import Cloud
from reconciler.spec.load import load
held = lease.look(Cloud("leases", sys.argv[1]), load(sys.argv[2]))
held.take()
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    with sandbox() as bench:
        cloud = new_project(int(bench.endpoint.rpartition(":")[2]), project="leases")
        cloud.call("POST", "/v1/projects/{P}/services/secretmanager.googleapis.com:enable", {})
        yield bench


@pytest.fixture(name="deployment")
def _deployment(tmp_path: Path) -> Deployment:
    """A deployment of each test's own."""
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC.format(name=f"mlflow-{next(NUMBERS)}"))
    return load(str(file))


def _look(bench: Bench, deployment: Deployment) -> Lease:
    return lease.look(Cloud("leases", bench.endpoint), deployment)


def _theirs(secret: Any) -> dict[str, str]:
    """The annotations of *secret* that are not the lease's."""
    return {key: value for key, value in secret.annotations.items() if not key.startswith("lease-")}


def test_one_takes_it_and_the_other_is_told_who(bench: Bench, deployment: Deployment) -> None:
    """Whoever looked while nobody held it and comes second is refused with owner, age and way out."""
    first, second = _look(bench, deployment), _look(bench, deployment)
    with first:
        first.take()
        with pytest.raises(errors.LeaseHeld, match=r"holds it since \d+ s, renewed \d+ s ago") as refused:
            second.take()
        assert f"lease break {deployment.file}" in refused.value.way_out
        with pytest.raises(errors.LeaseHeld):
            _look(bench, deployment).refuse_if_held()
    assert lease.standing(Cloud("leases", bench.endpoint), deployment) is None


def test_of_many_at_once_one_takes_it(bench: Bench, deployment: Deployment) -> None:
    """Eight that looked at the same moment: seven are refused, whether the secret exists already or not."""
    for _ in range(5):
        claims = [_look(bench, deployment) for _ in range(8)]
        start = threading.Barrier(len(claims), timeout=SOON)
        got: list[Lease] = []

        def race(claim: Lease, start: threading.Barrier = start, got: list[Lease] = got) -> None:
            start.wait()
            try:
                claim.take()
            except errors.LeaseHeld:
                return
            got.append(claim)

        threads = [threading.Thread(target=race, args=(claim,)) for claim in claims]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1
        with got[0]:
            pass


def test_who_planned_before_another_run_does_not_get_it(bench: Bench, deployment: Deployment) -> None:
    """A run that came and went since the plan was made has changed what the plan was made from."""
    with _look(bench, deployment) as earlier:
        earlier.take()
    planned = _look(bench, deployment)
    with _look(bench, deployment) as other:
        other.take()
    with pytest.raises(errors.LeaseHeld, match="began or ended since this one read what is there"):
        planned.take()


@pytest.mark.parametrize("first", [False, True], ids=["a killed holder", "given back"])
def test_somebody_elses_label_since_the_plan_is_no_other_run(
    bench: Bench, deployment: Deployment, first: bool
) -> None:
    """Only its etag has moved: nobody has had it since."""
    cloud = Cloud("leases", bench.endpoint)
    earlier = _look(bench, deployment)
    earlier.lasts = LASTS if first else 0.0
    earlier.take()
    if first:
        earlier.__exit__()
    planned = _look(bench, deployment)
    secret = {"name": lease.name_of(deployment), "labels": {"team": "theirs"}}
    cloud.secrets.update_secret(request={"secret": secret, "update_mask": "labels"})
    with planned:
        planned.take()
        found = lease.standing(cloud, deployment)
        assert found is not None
        assert dict(cloud.secrets.get_secret(name=secret["name"]).labels) == {"team": "theirs"}
    with earlier:
        earlier.lost = "over"  # nothing is given back by who does not hold it


def test_it_is_renewed_while_it_is_held(bench: Bench, deployment: Deployment) -> None:
    """The time at which it expires moves on, and the claim is still one and the same."""
    cloud = Cloud("leases", bench.endpoint)
    with _look(bench, deployment) as held:
        held.renewed = 0.02
        held.take()
        first = lease.standing(cloud, deployment)
        assert first is not None
        later = first
        end = datetime.now(UTC) + timedelta(seconds=SOON)
        while later.renewed <= first.renewed:
            assert datetime.now(UTC) < end, "it was not renewed"
            later = lease.standing(cloud, deployment) or pytest.fail("nobody holds it")
        assert (later.run, later.taken) == (first.run, first.taken)
        assert later.until > first.until
        assert held.lost == ""


def test_a_holder_who_loses_it_stops(bench: Bench, deployment: Deployment) -> None:
    """Broken by hand, the run that held it begins nothing new, and does not give back what is not its own."""
    held = _look(bench, deployment)
    with held:
        held.renewed = 0.02
        held.take()
        broken = lease.break_it(Cloud("leases", bench.endpoint), deployment)
        assert broken is not None
        assert held.cloud.stopped.wait(SOON)
        assert held.lost == "somebody broke it"
        with _look(bench, deployment) as next_one:
            next_one.take()
            assert lease.standing(Cloud("leases", bench.endpoint), deployment) is not None


def test_it_expires_by_itself(bench: Bench, deployment: Deployment) -> None:
    """One that was not renewed is taken by the next run, without anybody's help."""
    gone = _look(bench, deployment)
    gone.lasts = 0.0
    gone.take()
    with _look(bench, deployment) as held:
        held.take()
        assert held.lost == ""
    with gone:
        gone.lost = "expired"  # nothing is given back by who does not hold it


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells when a process started")
def test_a_killed_process_of_this_machine_holds_nothing(bench: Bench, deployment: Deployment) -> None:
    """Killed in the midst of it, a run leaves a lease that the next one here takes over at once."""
    command = [sys.executable, "-c", HOLDER, bench.endpoint, deployment.file]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "taken\n"
        with pytest.raises(errors.LeaseHeld):
            _look(bench, deployment).refuse_if_held()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(SOON)
    with _look(bench, deployment) as held:
        held.take()


@pytest.mark.parametrize("method", ["create", "patch"])
def test_a_lost_answer_is_not_taken_for_somebody_else(
    bench: Bench, deployment: Deployment, tmp_path: Path, method: str
) -> None:
    """The claim got through and its answer did not: asked again, it is still ours."""
    if method == "patch":
        with _look(bench, deployment) as before:
            before.take()
    conditions = tmp_path / "conditions.yaml"
    fault = f"{{method: secretmanager.projects.secrets.{method}, fault: reset-after, times: 1}}"
    conditions.write_text(f"faults: [{fault}]\n")
    assert bench.run("sandbox", "conditions", str(conditions)).code == 0
    with _look(bench, deployment) as held:
        held.take()
        assert held.lost == ""
    assert "fired: 1" in bench.run("sandbox", "conditions").out
    assert bench.run("sandbox", "conditions", "--clear").code == 0


def test_destroying_with_the_data_takes_the_secret_as_well(bench: Bench, deployment: Deployment) -> None:
    """Nothing of a deployment that is gone stays."""
    cloud = Cloud("leases", bench.endpoint)
    with _look(bench, deployment) as held:
        held.gone = True
        held.take()
    assert lease.look(cloud, deployment).seen is None


@pytest.mark.parametrize("gone", [False, True], ids=["given back", "destroyed"])
def test_somebody_elses_label_does_not_keep_it(bench: Bench, deployment: Deployment, gone: bool) -> None:
    """It is given back on the etag that the secret has by then; what others wrote on it stays as long as it does."""
    cloud = Cloud("leases", bench.endpoint)
    secret = {"name": lease.name_of(deployment), "labels": {"team": "theirs"}, "annotations": {"theirs": "x"}}
    with _look(bench, deployment) as held:
        held.take()
        held.gone = gone
        mask = {"secret": secret, "update_mask": "labels,annotations"}
        claim = dict(cloud.secrets.get_secret(name=secret["name"]).annotations)
        cloud.secrets.update_secret(
            request={**mask, "secret": {**secret, "annotations": {**claim, "theirs": "x"}}}
        )
    assert lease.standing(cloud, deployment) is None
    found = cloud.found("reading it", lambda: cloud.secrets.get_secret(name=secret["name"], retry=None))
    assert (found is None) is gone
    if found is not None:
        assert (dict(found.labels), _theirs(found)) == ({"team": "theirs"}, {"theirs": "x"})


def test_somebody_elses_annotation_survives_a_whole_run(bench: Bench, deployment: Deployment) -> None:
    """Taking it and giving it back write our own annotations and no others."""
    cloud = Cloud("leases", bench.endpoint)
    with _look(bench, deployment) as first:
        first.take()
    secret = {"name": lease.name_of(deployment), "annotations": {"theirs": "x"}}
    cloud.secrets.update_secret(request={"secret": secret, "update_mask": "annotations"})
    cloud.forget()
    with _look(bench, deployment) as second:
        second.take()
        now = dict(cloud.secrets.get_secret(name=secret["name"]).annotations)
        assert now["theirs"] == "x"
        assert now["lease-run"]
    assert _theirs(cloud.secrets.get_secret(name=secret["name"])) == {"theirs": "x"}


def test_the_command_shows_and_breaks_it(bench: Bench, deployment: Deployment) -> None:
    """Who holds it and for how long; broken only by somebody who agrees."""
    env = {"MLFLOW_RECONCILE_ENDPOINT": bench.endpoint}
    assert "nobody holds it" in bench.run("lease", "show", deployment.file, env=env).out
    with _look(bench, deployment) as held:
        held.take()
        assert "holds it since" in bench.run("lease", "show", deployment.file, env=env).out
        asked = bench.run("lease", "break", deployment.file, env=env)
        assert (asked.code, "--yes" in asked.err) == (5, True)
        assert bench.run("lease", "break", "--yes", deployment.file, env=env).code == 0
        assert "nobody holds it" in bench.run("lease", "show", deployment.file, env=env).out
