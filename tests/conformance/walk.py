"""A walk through the life of a deployment in a sandbox of its own, and what of the APIs it touched.

It is made with the installed command, as a user would: apply, apply a changed spec, destroy with the data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.conformance.sendable import Call, calls
from tests.scenarios.command import ROOT, Bench, sandbox

NAME: Final = "mlflow-walk"
WATCHED: Final = """
monitoring: {enabled: true, emails: [ada@acme.example, bob@acme.example]}
budget: {billing_account: 012345-6789AB-CDEF01, amount: 100}
networking: {database_ip: private, egress: connector, connector: {max_instances: 3}}
"""
"""What the first spec says beside the quickstart: what is found by its label or its name is part of the walk."""
CHANGED: Final = """
labels: {walked: "yes"}
lifecycle: {delete_noncurrent_after_days: 9, retention: {delete_runs_after_days: 90}}
"""
"""What the second spec says besides."""


ELSEWHERE: Final[Mapping[str, str]] = {
    "cloudkms.v1 projects.locations.keyRings.cryptoKeys.getIamPolicy": "only where the spec names a key",
    "cloudkms.v1 projects.locations.keyRings.cryptoKeys.setIamPolicy": "only where the spec names a key",
    "cloudresourcemanager.v1 projects.get": "only where a network or a key is another project's",
    "cloudscheduler.v1 projects.locations.jobs.patch": "only where the schedule of retention changes",
    "cloudscheduler.v1 projects.locations.jobs.resume": "only where somebody has paused the schedule of retention",
    "compute.v1 subnetworks.get": "only where instances or a connector take addresses of a subnet",
    "iam.v1 projects.serviceAccounts.enable": "only where somebody has disabled the account",
    "iam.v1 projects.serviceAccounts.patch": "only where the account was there before, with another display name",
    "iam.v1 projects.serviceAccounts.testIamPermissions": "only for a caller who lacks a permission on the project",
    "iamcredentials.v1 projects.serviceAccounts.signJwt": "only where somebody logs in through Google's login page",
    "iap.v1 getIamPolicy": "only where Google's login page stands before the server",
    "iap.v1 setIamPolicy": "only where Google's login page stands before the server",
    "secretmanager.v1 projects.secrets.testIamPermissions": "only for a caller who lacks a permission on the project",
    "secretmanager.v1 projects.secrets.versions.enable": "only where somebody has disabled the version",
    "servicenetworking.v1 services.connections.patch": "only where the network is connected already",
    "serviceusage.v1beta1 services.generateServiceIdentity": "only for keys of Cloud SQL, and for Google's login page",
    "sqladmin.v1 backupRuns.insert": "only before a newer MLflow migrates a database that holds data",
    "run.v1 projects.locations.services.list": "only where adopt looks for what somebody made by hand",
    "sqladmin.v1 instances.list": "only where adopt looks for what somebody made by hand",
    "sqladmin.v1 users.list": "only where adopt looks for what somebody made by hand",
    "sqladmin.v1 users.update": "only where the user was there before, with another password",
    "storage.v1 objects.get": "only where an earlier run has left the context of a build",
}
"""What the walk does not come by, each with its reason; other tests call these."""


@dataclass(frozen=True)
class Walk:
    """What was asked on the way."""

    lines: Sequence[dict[str, Any]]
    """The sandbox's log: one entry for each request."""

    @property
    def called(self) -> set[tuple[str, str]]:
        """(API, method) of each request."""
        return {(line["api"], line["method_id"]) for line in self.lines}

    def missed(self) -> list[Call]:
        """What the reconciler can call and the walk did not."""
        return [call for call in sorted(calls()) if (call.api, call.method_id) not in self.called]


def walk(folder: Path) -> Walk:
    """Walk; *folder* is for the specs. Raises AssertionError where a command fails."""
    spec = folder / "spec.yaml"
    text = (ROOT / "specs" / "quickstart.yaml").read_text(encoding="utf-8")
    first = text.replace("name: mlflow-quickstart", f"name: {NAME}") + WATCHED
    with sandbox() as bench:
        spec.write_text(first, encoding="utf-8")
        _run(bench, "apply", "--sandbox", "--yes", str(spec))
        spec.write_text(changed(first), encoding="utf-8")
        _run(bench, "apply", "--sandbox", "--yes", str(spec))
        _run(bench, "destroy", "--sandbox", "--delete-data", "--delete-peering", "--confirm", NAME, str(spec))
        return Walk(_logged(bench))


def changed(spec: str) -> str:
    """A spec that differs in something of every kind that can be updated."""
    other = {
        "memory: 512Mi": "memory: 1Gi",
        "emails: [ada@": "emails: [eve@",
        "amount: 100": "amount: 200",
        "max_instances: 3": "max_instances: 4",
    }
    for before, after in other.items():
        spec = spec.replace(before, after)
    return spec + CHANGED


def _run(bench: Bench, *arguments: str) -> None:
    ended = bench.run(*arguments, timeout=600)
    if ended.code != 0:
        raise AssertionError(f"{arguments[0]} failed: {ended.said}")


def _logged(bench: Bench) -> list[dict[str, Any]]:
    text = (bench.home / "logs" / "requests.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def report(found: Walk) -> list[str]:
    """The coverage as lines of text."""
    every, missed = len(calls()), found.missed()
    lines = [
        f"A walk of apply, update and destroy called {every - len(missed)} of these {every} methods. The others:"
    ]
    return [*lines, *(f"  {call}: {ELSEWHERE.get(str(call), 'not explained')}" for call in missed)]
