"""How quick the commands are, as ratios to what they stand on, all in one run.

Prints the bare interpreter with the two libraries that `validate` needs, `validate`, `--help`, and `plan` on a settled
deployment with 0 and with 100 ms per answer beside its floor: the import of Google's libraries and two rounds of reads.

    python -m bench.plan [ROUNDS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from tests.relay import relay
from tests.scenarios.command import RECONCILE, ROOT, plain_env, run, sandbox

SPEC = "specs/quickstart.yaml"
LATENCY = 0.1
ROUNDS_OF_READS = 2
LIBRARIES = (
    "import googleapiclient.discovery, google.cloud.run_v2, google.cloud.storage, google.cloud.secretmanager_v1, "
    "yaml, jsonschema, click"
)


def main(rounds: int) -> None:
    """Measure and print."""
    env = plain_env()
    bare = [sys.executable, "-c", "import yaml, jsonschema"]
    libraries = [sys.executable, "-c", LIBRARIES]
    with sandbox() as bench:
        applied = run("apply", "--sandbox", "--yes", SPEC, env=bench.env)
        if applied.code:
            raise SystemExit(applied.said)
        with relay(bench.endpoint) as quick, relay(bench.endpoint, LATENCY) as slow:
            cases: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {
                "bare": (bare, env),
                "help": ([str(RECONCILE), "--help"], env),
                "validate": ([str(RECONCILE), "validate", SPEC], env),
                "libraries": (libraries, env),
                "plan": ([str(RECONCILE), "plan", SPEC], {**env, "MLFLOW_RECONCILE_ENDPOINT": quick.url}),
                "plan, 100 ms": (
                    [str(RECONCILE), "plan", SPEC],
                    {**env, "MLFLOW_RECONCILE_ENDPOINT": slow.url},
                ),
            }
            took = {
                name: [_time(command, where) for _ in range(rounds)]
                for name, (command, where) in cases.items()
            }
    best = {name: statistics.median(times) for name, times in took.items()}
    floors = {
        "help": ("bare", best["bare"]),
        "validate": ("bare", best["bare"]),
        "plan": ("libraries", best["libraries"]),
        "plan, 100 ms": ("libraries + 2 rounds", best["libraries"] + ROUNDS_OF_READS * LATENCY),
    }
    print(f"{'process':<14}{'median s':>10}{'min':>8}{'max':>8}   ratio to its floor")
    for name, times in took.items():
        floor = f"{best[name] / floors[name][1]:.2f} x {floors[name][0]}" if name in floors else ""
        print(f"{name:<14}{best[name]:>10.3f}{min(times):>8.3f}{max(times):>8.3f}   {floor}")


def _time(command: Sequence[str], env: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=env, cwd=ROOT, capture_output=True, check=False)
    return time.perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
