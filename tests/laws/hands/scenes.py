"""The deployments that others meddle with: between them they want every kind that there is."""

from __future__ import annotations

import base64
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.laws.hands.edit import OPEN, WALLED
from tests.laws.hands.hand import Hand
from tests.laws.walks import NAME, PROJECT, REGION, Ground, bench, ground
from tests.sandbox.calls import Cloud
from tests.scenarios.command import Bench, run

RING: Final = "projects/{P}/locations/{R}/keyRings/ring"
KEY: Final = f"{RING}/cryptoKeys/ours"
_KEY = KEY.replace("{P}", PROJECT).replace("{R}", REGION)
TEAM: Final = "group:ml@acme.example"
GIVEN: Final = "projects/{P}/secrets/openai-key"
"""A secret that somebody else made, and that the spec names."""
CHANGED: Final = {WALLED: "walled-changed", OPEN: "open-changed"}
"""The spec of each scene with something else in every kind that can change."""
_WALLED = f"""
version: 1
extends: prod.yaml
name: {NAME}
project: {PROJECT}
region: {REGION}
labels: {{team: ours}}
networking: {{connector: {{subnetwork: between}}}}
artifacts: {{kms_key: {_KEY}}}
lifecycle: {{nearline_after_days: 30, retention: {{delete_runs_after_days: 180}}}}
database:
  kms_key: {_KEY}
  deletion_protection: false
  flags: {{log_min_duration_statement: "1000"}}
budget: {{billing_account: 012345-6789AB-CDEF01, amount: 400}}
"""
_OPEN = f"""
version: 1
name: {NAME}
project: {PROJECT}
region: {REGION}
labels: {{team: ours}}
auth: {{mode: iam, invokers: ["{TEAM}"]}}
memory: 1Gi
artifacts: {{access: direct, writers: ["{TEAM}"]}}
lifecycle: {{versioning: true, delete_prefixes: [{{prefix: scratch/, after_days: 14}}]}}
database: {{tier: db-custom-1-3840, deletion_protection: false}}
server:
  webhooks: true
  secrets: {{OPENAI_API_KEY: "openai-key:1"}}
monitoring: {{enabled: true, emails: [ml-oncall@acme.example], uptime_minutes: 5}}
"""
_SPECS = {
    WALLED: _WALLED,
    OPEN: _OPEN,
    CHANGED[WALLED]: _WALLED.replace("team: ours", "team: ours, cost-center: one")
    .replace("nearline_after_days: 30", "nearline_after_days: 40, soft_delete_days: 14")
    .replace("delete_runs_after_days: 180", "delete_runs_after_days: 90")
    .replace("amount: 400", "amount: 500")
    .replace('"1000"', '"2000"')
    + "memory: 4Gi\nimage: {keep: 3}\nmonitoring: {emails: [ml-oncall@acme.example, somebody-else@acme.example]}\n",
    CHANGED[OPEN]: _OPEN.replace("team: ours", "team: ours, cost-center: one")
    .replace(f'["{TEAM}"]}}\nmemory: 1Gi', f'["{TEAM}", "user:lead@acme.example"]}}\nmemory: 2Gi')
    .replace("uptime_minutes: 5", "uptime_minutes: 10, errors_per_minute: 3")
    .replace("webhooks: true", "gateway: true\n  webhooks: true")
    .replace("after_days: 14", "after_days: 20")
    .replace("db-custom-1-3840", "db-custom-2-7680"),
}


@contextmanager
def scenes() -> Generator[Ground]:
    """A ground whose prepared state has what the specs of the scenes need of others."""
    with ground() as own:
        for name, text in _SPECS.items():
            own.spec(name).write_text(text)
        prepared = own.state("")
        with bench(own, prepared) as made:
            _prepare(hand(made))
            run("sandbox", "stop", env=made.env)
            own.made[""] = _kept(made.home, own.folder / "state-scenes")
        yield own


def hand(made: Bench, word: str = "t0", *, patient: bool = True) -> Hand:
    """Somebody else in the sandbox of *made*."""
    port = int(made.endpoint.rpartition(":")[2])
    number = Cloud(port).ok("GET", f"/v1/projects/{PROJECT}")["projectNumber"]
    return Hand(Cloud(port, PROJECT, number), word, patient)


def _kept(home: Path, to: Path) -> Path:
    return home.rename(to)


def _prepare(own: Hand) -> None:
    for api in ("cloudkms", "secretmanager", "cloudresourcemanager"):
        own.done("POST", "serviceusage", f"/v1/projects/{{P}}/services/{api}.googleapis.com:enable", {})
    ring, _, key = KEY.rpartition("/cryptoKeys/")
    own.done("POST", "cloudkms", f"/v1/{ring.replace('/keyRings/', '/keyRings?keyRingId=')}", {})
    own.done("POST", "cloudkms", f"/v1/{ring}/cryptoKeys?cryptoKeyId={key}", {"purpose": "ENCRYPT_DECRYPT"})
    given: dict[str, Any] = {"replication": {"automatic": {}}}
    own.done("POST", "secretmanager", "/v1/projects/{P}/secrets?secretId=openai-key", given)
    payload = {"payload": {"data": base64.b64encode(b"not-a-real-key").decode()}}
    own.done("POST", "secretmanager", f"/v1/{GIVEN}:addVersion", payload)
    between = {"name": "between", "network": "projects/{P}/global/networks/ml", "ipCidrRange": "10.9.0.0/28"}
    own.done("POST", "compute", "/compute/v1/projects/{P}/regions/{R}/subnetworks", between)
