"""The real gcloud makes, shows, changes, backs up and deletes databases, led there by nothing but `sandbox env`."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

import pytest

from reconciler.sandbox import contact
from tests.scenarios.command import Bench, Ended, sandbox
from tests.scenarios.test_drift import needs_gcloud

pytestmark = needs_gcloud

PROJECT, REGION = "sql-by-hand", "--region=europe-west1"
SMALL = ("--edition=enterprise", "--tier=db-f1-micro", REGION)
ON_DB = "--instance=db"


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    """A sandbox with a project that has the instance db, made by gcloud."""
    with sandbox() as bench:
        port = urlsplit(bench.endpoint).port or 0
        contact.ask(port, "POST", "/sandbox/v1/projects", {"projectId": PROJECT})
        _ok(bench, "services", "enable", "sqladmin.googleapis.com")
        _ok(bench, "sql", "instances", "create", "db", "--database-version=POSTGRES_16", *SMALL)
        yield bench


def _gcloud(bench: Bench, *command: str) -> Ended:
    return bench.gcloud(*command, project=PROJECT)


def _ok(bench: Bench, *command: str) -> str:
    ended = _gcloud(bench, *command)
    assert ended.code == 0, ended.said
    return ended.out


def _json(bench: Bench, *command: str) -> Any:
    return json.loads(_ok(bench, *command, "--format=json"))


def _names(bench: Bench, what: str, *where: str) -> list[str]:
    return sorted(one["name"] for one in _json(bench, "sql", what, "list", *where))


def test_an_instance_is_described_listed_and_patched(bench: Bench) -> None:
    """The patch is on the settings alone, and gcloud waits for its operation."""
    _ok(bench, "sql", "instances", "patch", "db", "--tier=db-g1-small", "--database-flags=work_mem=8192")
    shown = _json(bench, "sql", "instances", "describe", "db")
    assert (shown["state"], shown["settings"]["tier"]) == ("RUNNABLE", "db-g1-small")
    assert shown["settings"]["databaseFlags"] == [{"name": "work_mem", "value": "8192"}]
    assert _names(bench, "instances") == ["db"]
    kinds = [one["operationType"] for one in _json(bench, "sql", "operations", "list", ON_DB)]
    assert (kinds[-1], "UPDATE" in kinds) == ("CREATE", True)


def test_a_database_and_a_user_from_their_making_to_their_end(bench: Bench) -> None:
    """Create, describe, list, a new password, delete; what is there already is refused in PostgreSQL's words."""
    _ok(bench, "sql", "databases", "create", "shop", ON_DB)
    assert _json(bench, "sql", "databases", "describe", "shop", ON_DB)["charset"] == "UTF8"
    again = _gcloud(bench, "sql", "databases", "create", "shop", ON_DB)
    assert 'pq: database "shop" already exists.' in again.err
    _ok(bench, "sql", "users", "create", "ada", ON_DB, "--password=one")
    _ok(bench, "sql", "users", "set-password", "ada", ON_DB, "--password=two")
    assert _names(bench, "users", ON_DB) == ["ada", "postgres"]
    _ok(bench, "sql", "users", "delete", "ada", ON_DB)
    _ok(bench, "sql", "databases", "delete", "shop", ON_DB)
    assert _names(bench, "databases", ON_DB) == ["postgres"]


def test_a_backup_is_made_shown_and_restored(bench: Bench) -> None:
    """What was dropped in between is there again."""
    _ok(bench, "sql", "databases", "create", "kept", ON_DB)
    _ok(bench, "sql", "backups", "create", ON_DB, "--description=before")
    (run,) = _json(bench, "sql", "backups", "list", ON_DB)
    shown = _json(bench, "sql", "backups", "describe", run["id"], ON_DB)
    assert (shown["status"], shown["description"], shown["location"]) == ("SUCCESSFUL", "before", "eu")
    _ok(bench, "sql", "databases", "delete", "kept", ON_DB)
    _ok(bench, "sql", "backups", "restore", run["id"], "--restore-instance=db")
    assert "kept" in _names(bench, "databases", ON_DB)
    _ok(bench, "sql", "backups", "delete", run["id"], ON_DB)
    assert _json(bench, "sql", "backups", "list", ON_DB) == []


def test_an_instance_is_stopped_started_and_restarted(bench: Bench) -> None:
    """gcloud calls it stopped, and cannot list its users then."""
    _ok(bench, "sql", "instances", "patch", "db", "--activation-policy=NEVER")
    assert "STOPPED" in _ok(bench, "sql", "instances", "list")
    stopped = _gcloud(bench, "sql", "users", "list", ON_DB)
    assert "Invalid request since instance is not running." in stopped.err
    _ok(bench, "sql", "instances", "patch", "db", "--activation-policy=ALWAYS")
    _ok(bench, "sql", "instances", "restart", "db")


def test_a_protected_instance_is_deleted_when_it_is_no_more(bench: Bench) -> None:
    """A clone, which can be thrown away."""
    _ok(bench, "sql", "instances", "clone", "db", "copy")
    _ok(bench, "sql", "instances", "patch", "copy", "--deletion-protection")
    refused = _gcloud(bench, "sql", "instances", "delete", "copy")
    assert "The instance is protected." in refused.err
    _ok(bench, "sql", "instances", "patch", "copy", "--no-deletion-protection")
    _ok(bench, "sql", "instances", "delete", "copy")
    gone = _gcloud(bench, "sql", "instances", "describe", "copy")
    assert "The Cloud SQL instance does not exist." in gone.err


@pytest.mark.parametrize(
    ("version", "options", "users"),
    [
        ("MYSQL_8_0", ("--edition=enterprise", "--tier=db-n1-standard-1"), ["root"]),
        ("SQLSERVER_2022_STANDARD", ("--tier=db-custom-2-7680", "--root-password=Abc123"), ["sqlserver"]),
    ],
)
def test_instances_of_other_engines_are_records(
    bench: Bench, version: str, options: tuple[str, ...], users: list[str]
) -> None:
    """gcloud makes and deletes them like any other."""
    name = version.lower().replace("_", "-")
    _ok(bench, "sql", "instances", "create", name, f"--database-version={version}", REGION, *options)
    assert set(users) <= set(_names(bench, "users", f"--instance={name}"))
    _ok(bench, "sql", "instances", "delete", name)


def test_tiers_and_flags_are_listed(bench: Bench) -> None:
    """What gcloud shows before anybody chooses."""
    assert "db-f1-micro" in [one["tier"] for one in _json(bench, "sql", "tiers", "list")]
    flags = _json(bench, "sql", "flags", "list", "--database-version=POSTGRES_16")
    found = {one["name"]: one for one in flags}["max_connections"]
    assert (found["type"], found["requiresRestart"]) == ("INTEGER", True)
