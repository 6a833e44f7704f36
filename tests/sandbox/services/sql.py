"""Cloud SQL Admin as tests call it: bodies, and operations waited for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.sandbox.control import Running
from reconciler.sandbox.runtime import postgres
from reconciler.sandbox.runtime.postgres import Cluster
from tests.sandbox.calls import Answered, Cloud

ROOT = "/v1/projects/{P}"
INSTANCES = f"{ROOT}/instances"
DB = f"{INSTANCES}/db"
REGION = "europe-west9"
SMALL = {"tier": "db-f1-micro", "edition": "ENTERPRISE"}


def body(name: str = "db", version: str = "POSTGRES_16", **settings: Any) -> dict[str, Any]:
    """What an insert sends for a small instance with *settings*."""
    return {"name": name, "region": REGION, "databaseVersion": version, "settings": {**SMALL, **settings}}


def wait(cloud: Cloud, operation: Mapping[str, Any]) -> dict[str, Any]:
    """The operation once it is done."""
    current = dict(operation)
    while current["status"] != "DONE":
        current = cloud.ok("GET", f"{ROOT}/operations/{operation['name']}")
    return current


def do(cloud: Cloud, method: str, path: str, sent: Any = None) -> dict[str, Any]:
    """The operation that a call started, done and without an error."""
    done = wait(cloud, cloud.ok(method, path, sent))
    assert "error" not in done, done
    return done


def reason(answered: Answered) -> tuple[int, str]:
    """Status and reason of an error."""
    return answered.status, answered.error["errors"][0]["reason"]


def message(answered: Answered) -> str:
    """What an error says."""
    return str(answered.error["message"])


def cluster(cloud: Cloud, running: Running, name: str = "db") -> Cluster:
    """The PostgreSQL behind an instance."""
    return postgres.cluster(running.home, cloud.project, REGION, name)


def tidy(cloud: Cloud) -> None:
    """Delete every instance of the project: databases take memory."""
    for one in cloud.ok("GET", INSTANCES).get("items", []):
        cloud.call("DELETE", f"{INSTANCES}/{one['name']}")
