"""What the search goes by: states that differ are told apart, those that differ by chance are not."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.laws import state
from tests.laws.search import AT_ONCE, spread, together, written
from tests.laws.trouble import Point, Sort

Row = tuple[str, str, dict[str, Any]]
SUCCESS = {"status": "SUCCESS"}
AROUND = (("", ""), ("mlflow:", ""), ("ab", "c"), ("a", "bc"), ("abc", "d"))
SECRET = "projects/p/secrets/mlflow-password"
ROWS: tuple[Row, ...] = (
    ("storage.bucket", "artifacts", {"versioning": True, "etag": "a", "timeCreated": "2026-01-01T00:00:00Z"}),
    ("cloudbuild.build", "projects/p/builds/0b9ffedd-7103-463b-8f62-eedd45341997", SUCCESS),
    ("secretmanager.version", f"{SECRET}/versions/1", {"state": "ENABLED", "data": "cGFzcy93b3Jk"}),
    ("secretmanager.secret", "projects/p/secrets/mlflow-lease", {"annotations": {"lease-run": "x"}}),
    ("operation", "operations/1", {"kind": "sqladmin.update", "arguments": {"name": "sql"}}),
)
AGAIN: tuple[Row, ...] = (
    ("storage.bucket", "artifacts", {"versioning": True, "etag": "b", "timeCreated": "2026-02-02T00:00:00Z"}),
    ("cloudbuild.build", "projects/p/builds/5ed498b6-cff7-4a7f-831a-f2888498d27e", SUCCESS),
    ("secretmanager.version", f"{SECRET}/versions/1", {"state": "ENABLED", "data": "b3RoZXI="}),
    ("operation", "operations/2", {"kind": "sqladmin.update", "arguments": {"name": "sql"}}),
)
"""The same state, made by another run, whose lease is gone."""


def _read(home: Path, rows: tuple[Row, ...]) -> state.State:
    home.mkdir()
    with closing(sqlite3.connect(home / "state.db")) as db:
        db.execute("CREATE TABLE resources (kind TEXT, name TEXT, body TEXT)")
        told = [(kind, name, json.dumps(body)) for kind, name, body in rows]
        db.executemany("INSERT INTO resources VALUES (?, ?, ?)", told)
        db.commit()
    return state.read(home)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        pytest.param(AGAIN, [], id="by chance"),
        pytest.param(AGAIN[1:], ["storage.bucket artifacts: missing"], id="missing"),
        pytest.param(
            (*AGAIN, ("cloudbuild.build", "projects/p/builds/11111111-7103-463b-8f62-eedd45341997", SUCCESS)),
            ["cloudbuild.build projects/p/builds/UUID: more than expected"],
            id="doubled",
        ),
        pytest.param(
            (*AGAIN, ("secretmanager.version", f"{SECRET}/versions/2", {"state": "ENABLED"})),
            [f"secretmanager.version {SECRET}/versions/2: not expected"],
            id="orphan",
        ),
        pytest.param(
            (("storage.bucket", "artifacts", {"versioning": False}), *AGAIN[1:]),
            ["storage.bucket artifacts: …"],
            id="changed",
        ),
        pytest.param(
            (*AGAIN, ("operation", "operations/3", {"kind": "sqladmin.update", "arguments": {"name": "sql"}})),
            ['operation sqladmin.update {"name": "sql"}: 1 more than expected'],
            id="operation",
        ),
    ],
)  # fmt: skip
def test_a_difference_is_told_and_chance_is_not(
    tmp_path: Path, rows: tuple[Row, ...], told: list[str]
) -> None:
    """One line for each thing too many, missing or unlike; none for ids, times, payloads and the lease."""
    found = state.differences(_read(tmp_path / "a", ROWS), _read(tmp_path / "b", rows))
    assert len(found) == len(told), found
    assert all(line.startswith(begin) for line, begin in zip(found, told, strict=True)), found


def test_the_payloads_are_what_is_looked_for(tmp_path: Path) -> None:
    """As they are, escaped, and in base64: by themselves, and within what else was encoded."""
    _read(tmp_path / "a", ROWS)
    (secret,) = state.secrets_of(tmp_path / "a")
    assert secret == "pass/word"
    forms = written(secret)
    encoded = [base64.b64encode(f"{before}{secret}{after}".encode()).decode() for before, after in AROUND]
    for text in (secret, quote(secret, safe=""), *encoded):
        assert any(form in f"x={text};" for form in forms), text
    assert not any(form in "x=cGFzc3dvcmQ=; password; pass%20word" for form in forms)


def test_a_sample_is_spread_over_everything() -> None:
    """The same points each time, none twice, from the first to the last stretch; all where there are few."""
    points = [Point(sort, f"GET /{number}") for sort in Sort for number in range(1, 101)]
    chosen = spread(points, 14)
    assert chosen == spread(points, 14)
    assert len(set(chosen)) == 14
    assert {point.sort for point in chosen} == set(Sort)
    assert spread(points[:3], 14) == points[:3]


def test_only_faults_of_what_reads_share_a_run() -> None:
    """Each of them in one run, of one sort and at most so many; a kill, and whatever writes, has a run of its own."""
    points = [
        Point(sort, f"{verb} /{n}") for sort in Sort for verb in ("GET", "PATCH") for n in range(AT_ONCE + 3)
    ]
    runs = together(points)
    assert sorted(map(str, points)) == sorted(str(point) for run in runs for point in run)
    shared = [run for run in runs if len(run) > 1]
    assert len(shared) == 2 * len([sort for sort in Sort if not sort.kills])
    assert all(point.reads and not point.sort.kills for run in shared for point in run)
    assert all(len({point.sort for point in run}) == 1 and len(run) <= AT_ONCE for run in shared)
