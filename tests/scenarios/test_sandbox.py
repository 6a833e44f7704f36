"""Telling a sandbox how to behave, and reading what it was asked, as a person does it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
import yaml

from tests.scenarios.command import RECONCILE, ROOT, Bench, sandbox

SPEC = "specs/quickstart.yaml"
CANARY = "canary-7f3a91"


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    """A sandbox for this module, in which nothing is deployed."""
    with sandbox() as one:
        assert one.run("plan", "--sandbox", SPEC).code == 2
        yield one


def behave(bench: Bench, folder: Path, text: str) -> tuple[int, str]:
    """Exit code and words of `sandbox conditions` with a file of *text*."""
    path = folder / "conditions.yaml"
    path.write_text(text)
    ended = bench.run("sandbox", "conditions", str(path))
    return ended.code, ended.said


def test_conditions_are_shown_set_and_cleared(bench: Bench, tmp_path: Path) -> None:
    """What was set is shown as YAML that could be set again; --clear takes it all back."""
    assert behave(bench, tmp_path, "organization_policies: [sql.restrictPublicIp]\nlatency: 0.001\n")[0] == 0
    shown = yaml.safe_load(bench.run("sandbox", "conditions").out)
    assert shown == {"organization_policies": ["sql.restrictPublicIp"], "latency": 0.001}
    assert yaml.safe_load(bench.run("sandbox", "conditions", "--clear").out) == {}
    assert bench.run("sandbox", "conditions").out == "{}  # nothing in the way\n"


def test_realistic_work_is_set_at_the_start_and_taken_back(bench: Bench) -> None:
    """It is said of a running sandbox, too, and other conditions stay."""
    assert bench.run("sandbox", "start", "--realistic", "60").code == 0
    assert yaml.safe_load(bench.run("sandbox", "conditions").out) == {"realistic": 60.0}
    assert bench.run("sandbox", "start", "--realistic", "0").code == 0
    assert bench.run("sandbox", "conditions", "--clear").code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latncy: 1\n", "'latncy' was unexpected"),
        ("faults:\n- {method: run.*, fault: '404'}\n", "faults.0.fault: '404' is not one of"),
        ("[1, 2]\n", "holds no mapping"),
        ("a: [\n", "is no YAML"),
        ("? [1]\n: 2\n", "is no YAML"),
    ],
)
def test_unusable_conditions_are_refused_with_their_place(
    bench: Bench, tmp_path: Path, text: str, said: str
) -> None:
    """Exit 3, the file, the key and the way out; nothing is changed."""
    code, words = behave(bench, tmp_path, text)
    assert code == 3
    assert said in words
    assert "conditions.yaml" in words
    assert "Traceback" not in words
    assert bench.run("sandbox", "conditions").out.startswith("{}")


def test_the_log_tells_a_person_what_was_asked_and_answered(bench: Bench) -> None:
    """One line a call with its time, status, method and URL; a refusal with its reason."""
    lines = bench.run("sandbox", "log", "--last", "0").out.splitlines()
    refused = next(number for number, line in enumerate(lines) if "storage.buckets.get " in line)
    assert " 404 " in lines[refused]
    assert lines[refused + 1].strip() == "The specified bucket does not exist."
    failed = bench.run("sandbox", "log", "--failed", "--method", "storage.*").out
    assert " 404 " in failed
    assert " 200 " not in failed
    bodies = bench.run("sandbox", "log", "--bodies", "--method", "serviceusage.*", "--last", "1").out
    assert '"services": [' in bodies


def test_the_log_is_json_lines_for_a_program(bench: Bench) -> None:
    """Each line is one object; bodies come where they are asked for."""
    plain = bench.run("sandbox", "log", "--last", "3", "--format", "json").out.splitlines()
    assert len(plain) == 3
    assert all("answer" not in json.loads(line) for line in plain)
    whole = [
        json.loads(line)
        for line in bench.run("sandbox", "log", "--format", "json", "--bodies").out.splitlines()
    ]
    assert any(line["answer"] for line in whole)
    assert {"time", "http_method", "path", "api", "method_id", "status", "milliseconds", "caller"} <= set(
        whole[0]
    )


def test_secrets_are_masked_in_the_log(bench: Bench) -> None:
    """A password, a secret's payload, a connection string and a variable that sounds like a secret."""
    import base64

    from tests.sandbox.calls import new_project

    cloud = new_project(int(bench.endpoint.rpartition(":")[2]), "secretmanager", "sqladmin", "run")
    cloud.ok("POST", "/v1/projects/{P}/secrets?secretId=one", {"replication": {"automatic": {}}})
    payload = {"payload": {"data": base64.b64encode(CANARY.encode()).decode()}}
    cloud.ok("POST", "/v1/projects/{P}/secrets/one:addVersion", payload)
    cloud.ok("GET", "/v1/projects/{P}/secrets/one/versions/1:access")
    cloud.post("/v1/projects/{P}/instances/none/users", {"name": "x", "password": CANARY})
    env = [
        {"name": "DB_URI", "value": f"postgresql://mlflow:{CANARY}@/mlflow"},
        {"name": "ADMIN_PASSWORD", "value": CANARY},
    ]
    container = {"image": "europe-docker.pkg.dev/p/r/i", "env": env}
    cloud.post(
        "/v2/projects/{P}/locations/europe-west1/jobs?jobId=one",
        {"template": {"template": {"containers": [container]}}},
    )
    told = (bench.home / "logs" / "requests.jsonl").read_text()
    assert "ADMIN_PASSWORD" in told
    assert CANARY not in told
    assert payload["payload"]["data"] not in told
    assert "postgresql://mlflow:…@/mlflow" in told


def test_the_log_can_be_followed(bench: Bench) -> None:
    """What comes after is shown as it comes."""
    command = [RECONCILE, "sandbox", "log", "--last", "1", "--follow", "--format", "json"]
    follower = subprocess.Popen(command, env=bench.env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert follower.stdout is not None
        assert follower.stdout.readline()
        assert bench.run("status", "--sandbox", SPEC).code != 1
        assert json.loads(follower.stdout.readline())["path"]
    finally:
        follower.terminate()
        follower.wait(10)


def test_without_a_sandbox_the_way_out_is_named(tmp_path: Path) -> None:
    """Conditions need one that runs; the log of none is empty."""
    from tests.scenarios.command import plain_env, run

    env = {**plain_env(), "MLFLOW_RECONCILE_SANDBOX_HOME": str(tmp_path)}
    ended = run("sandbox", "conditions", env=env)
    assert ended.code == 1
    assert "Start one: mlflow-reconcile sandbox start." in ended.said
    assert run("sandbox", "log", env=env).said == ""
