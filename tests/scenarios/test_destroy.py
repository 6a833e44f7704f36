"""Taking a deployment away: data stays unless that is said twice, and what stays is said."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.relay import Reply, relay
from tests.sandbox.calls import Cloud as Hand
from tests.scenarios.command import ROOT, Bench, sandbox

KEPT = (
    "storage.bucket/mlflow-sandbox-mlflow-gone-artifacts",
    "sqladmin.instance/mlflow-gone",
    "secretmanager.secret/mlflow-gone-db-password",
)


@pytest.fixture(scope="module", name="deployed")
def _deployed(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Bench, str]]:
    """A deployment of this module's own, and the spec that made it."""
    spec = tmp_path_factory.mktemp("destroy") / "spec.yaml"
    text = (ROOT / "specs" / "quickstart.yaml").read_text()
    spec.write_text(text.replace("name: mlflow-quickstart", "name: mlflow-gone"))
    with sandbox() as bench:
        applied = bench.run("apply", "--sandbox", "--yes", str(spec), timeout=600)
        assert applied.code == 0, applied.said
        yield bench, str(spec)


def _plan(bench: Bench, spec: str, *options: str) -> dict[str, str]:
    ended = bench.run("destroy", "--sandbox", "--dry-run", "--format", "json", *options, spec)
    changes = json.loads(ended.out)["resource_changes"]
    return {change["address"]: change["change"]["actions"][0] for change in changes}


def test_a_dry_run_says_what_would_go_and_deletes_nothing(deployed: tuple[Bench, str]) -> None:
    """Without --delete-data the bucket, the instance and the secrets stay; with it they go."""
    bench, spec = deployed
    assert [_plan(bench, spec)[address] for address in KEPT] == ["no-op"] * 3
    assert [_plan(bench, spec, "--delete-data")[address] for address in KEPT] == ["delete"] * 3
    assert bench.run("drift", "--sandbox", spec).code == 0


def test_data_is_not_deleted_unless_the_name_is_typed(deployed: tuple[Bench, str]) -> None:
    """--delete-data alone, or with another name, is refused with exit code 5 before any write."""
    bench, spec = deployed
    for options in ([], ["--yes"], ["--confirm", "mlflow"]):
        refused = bench.run("destroy", "--sandbox", "--delete-data", *options, spec)
        assert refused.code == 5, refused.said
    assert bench.run("drift", "--sandbox", spec).code == 0


def test_without_a_terminal_nothing_goes_unless_told(deployed: tuple[Bench, str]) -> None:
    """Nobody is asked where nobody can answer."""
    bench, spec = deployed
    assert bench.run("destroy", "--sandbox", spec).code == 5


def test_deletion_protection_stands_in_the_way(deployed: tuple[Bench, str], tmp_path: Path) -> None:
    """A protected instance refuses the whole destruction, data typed or not, before any write."""
    bench, spec = deployed
    guarded = tmp_path / "guarded.yaml"
    guarded.write_text(
        Path(spec).read_text().replace("deletion_protection: false", "deletion_protection: true")
    )
    assert bench.run("apply", "--sandbox", "--yes", str(guarded)).code == 0
    refused = bench.run("destroy", "--sandbox", "--delete-data", "--confirm", "mlflow-gone", str(guarded))
    assert refused.code == 5, refused.said
    assert "deletion_protection" in refused.err
    assert bench.run("drift", "--sandbox", str(guarded)).code == 0
    assert bench.run("apply", "--sandbox", "--yes", spec).code == 0


def test_destroy_leaves_the_data_and_says_so(deployed: tuple[Bench, str]) -> None:
    """The server goes, the data stays, and the next apply finds it again."""
    bench, spec = deployed
    gone = bench.run("destroy", "--sandbox", "--yes", spec)
    assert gone.code == 0, gone.said
    assert "Left in place:" in gone.said
    assert bench.run("destroy", "--sandbox", "--yes", spec).code == 0
    back = bench.run("apply", "--sandbox", "--yes", spec)
    assert back.code == 0, back.said
    assert "sqladmin.instance" not in back.err
    assert bench.run("verify", "--sandbox", spec).code == 0


def test_what_somebody_takes_over_meanwhile_is_not_deleted(deployed: tuple[Bench, str]) -> None:
    """The bucket loses our label after the plan was made: it stays, and that is said; all else goes."""
    bench, spec = deployed
    hand = Hand(int(bench.endpoint.rpartition(":")[2]), "mlflow-sandbox")
    bucket = f"/storage/v1/b/{KEPT[0].rpartition('/')[2]}"
    label = dict(hand.ok("GET", bucket)["labels"])
    taken = threading.Event()

    def take_over(method: str, path: str, forward: Callable[[], Reply]) -> Reply:
        del path
        if method == "DELETE" and not taken.is_set():
            taken.set()
            hand.ok("PATCH", bucket, {"labels": dict.fromkeys(label)})
        return forward()

    with relay(bench.endpoint, hinder=take_over) as through:
        words = ("destroy", "--delete-data", "--confirm", "mlflow-gone", spec)
        ended = bench.run(*words, env={"MLFLOW_RECONCILE_ENDPOINT": through.url})
    assert ended.code == 7, ended.said
    assert f"{KEPT[0]} is not ours any more, and was not deleted" in ended.err
    assert not hand.ok("GET", bucket).get("labels")
    left = _plan(bench, spec, "--delete-data")
    assert {address for address, action in left.items() if action == "delete"} == set()
    hand.ok("PATCH", bucket, {"labels": label})


def test_destroy_with_data_leaves_nothing(deployed: tuple[Bench, str]) -> None:
    """Typed out in full, everything goes, and a second time there is nothing to do."""
    bench, spec = deployed
    gone = bench.run("destroy", "--sandbox", "--delete-data", "--confirm", "mlflow-gone", spec)
    assert gone.code == 0, gone.said
    assert set(_plan(bench, spec, "--delete-data").values()) == {"no-op"}
