"""The workflows as data, and their steps' scripts run with stand-ins for gh and mlflow-reconcile."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[2] / ".github" / "workflows"


@dataclass(frozen=True)
class Ran:
    """What became of a script: its exit code, what it printed, what it called, and its folder."""

    code: int
    output: str
    calls: list[str]
    folder: Path


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def workflows() -> Mapping[str, Any]:
    """Each workflow by its file's stem."""
    return {
        path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yml"))
    }


@pytest.fixture
def run_step(tmp_path: Path, workflows: Mapping[str, Any]) -> Run:
    """Runs the script of the step with this name, as GitHub does.

    *tools* are shell scripts by program name; each call is noted as one line. *environment* is the step's.
    """

    def run(workflow: str, step: str, tools: Mapping[str, str], **environment: str) -> Ran:
        bins, calls = tmp_path / "bin", tmp_path / "calls"
        bins.mkdir(exist_ok=True)
        for name, script in tools.items():
            program = bins / name
            program.write_text(
                f'#!/bin/bash\nprintf "%s\\n" "{name} $*" >> "{calls}"\n{script}\n', encoding="utf-8"
            )
            program.chmod(0o755)
        (script,) = [
            found["run"]
            for job in workflows[workflow]["jobs"].values()
            for found in job["steps"]
            if found.get("name") == step
        ]
        outputs = {
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={
                "PATH": f"{bins}{os.pathsep}{os.environ['PATH']}",
                "SPEC": "specs/prod.yaml",
                "GITHUB_REPOSITORY": "acme/ml",
                "RUN_URL": "https://github.example/run/1",
                **outputs,
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        lines = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
        return Ran(done.returncode, done.stdout + done.stderr, lines, tmp_path)

    return run
