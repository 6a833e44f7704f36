"""The real gcloud on the shared sandbox, led there by nothing but what `sandbox env` prints."""

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Any

from reconciler.sandbox import control
from reconciler.sandbox.control import Running


@dataclass(frozen=True, slots=True)
class Gcloud:
    """gcloud on one project."""

    running: Running
    project: str

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What a command did."""
        given = {
            key: value for key, value in os.environ.items() if not key.startswith(("CLOUDSDK_", "GOOGLE_"))
        }
        environment = {**given, **control.environment(self.running, self.project)}
        command = ["gcloud", *words, "--quiet"]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    def ok(self, *words: str) -> str:
        """What a command printed that must succeed."""
        ended = self.run(*words)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def said(self, *words: str) -> str:
        """Everything that a command wrote which must succeed."""
        ended = self.run(*words)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout + ended.stderr

    def json(self, *words: str) -> Any:
        """The same, as data."""
        return json.loads(self.ok(*words, "--format=json") or "null")
