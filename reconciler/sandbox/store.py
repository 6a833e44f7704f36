"""Where every resource lives: five verbs over one SQLite file that survives `kill -9`.

A resource is (kind, name) -> JSON body. Kinds are the sandbox's own words ("secretmanager.secret"), names are full
Google names ("projects/p/secrets/s"). All verbs are atomic and may be called from any thread;
`transaction` groups several. Bodies are copied in and out, so a caller can never change what is stored by accident.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Body = dict[str, Any]


def inner(body: Mapping[str, Any], name: str) -> Body:
    """The object in the field *name*; {} where the field is absent or null."""
    found: Body | None = body.get(name)
    return found if found is not None else {}


class Missing(LookupError):
    """There is no such resource."""


class Exists(LookupError):
    """There is such a resource already."""


class Store:
    """The sandbox's state, kept in *path*."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS resources (kind TEXT, name TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, name))"
        )

    @property
    def format_number(self) -> int:
        """Which version of the sandbox's bodies is stored; 0 in a new store. What it means is `upgrades`' business."""
        return self._db.execute("PRAGMA user_version").fetchone()[0]

    @format_number.setter
    def format_number(self, number: int) -> None:
        self._db.execute(f"PRAGMA user_version = {number:d}")

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Everything inside happens at once or, on an exception, not at all. Nests; other threads wait."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("COMMIT")

    def create(self, kind: str, name: str, body: Body) -> Body:
        """Keep a new resource; raises Exists."""
        text = json.dumps(body)
        with self.transaction():
            try:
                self._db.execute("INSERT INTO resources VALUES (?, ?, ?)", (kind, name, text))
            except sqlite3.IntegrityError as error:
                raise Exists(f"{kind} {name}") from error
        return json.loads(text)

    def get(self, kind: str, name: str) -> Body | None:
        """The resource, or None."""
        with self._lock:
            row = self._db.execute(
                "SELECT body FROM resources WHERE kind = ? AND name = ?", (kind, name)
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def list(
        self, kind: str, prefix: str = "", *, after: str = "", limit: int = -1
    ) -> list[tuple[str, Body]]:
        """(name, body) of every resource of *kind* whose name starts with *prefix*, in order of name."""
        query = (
            "SELECT name, body FROM resources "
            "WHERE kind = ? AND name >= ? AND name < ? AND name > ? ORDER BY name LIMIT ?"
        )
        top = prefix + "\U0010ffff"
        with self._lock:
            rows = self._db.execute(query, (kind, prefix, top, after, limit)).fetchall()
        return [(name, json.loads(text)) for name, text in rows]

    def update(self, kind: str, name: str, change: Callable[[Body], Body]) -> Body:
        """Replace a resource by what *change* makes of it, atomically; raises Missing."""
        with self.transaction():
            current = self.get(kind, name)
            if current is None:
                raise Missing(f"{kind} {name}")
            text = json.dumps(change(current))
            self._db.execute("UPDATE resources SET body = ? WHERE kind = ? AND name = ?", (text, kind, name))
        return json.loads(text)

    def put(self, kind: str, name: str, body: Body) -> None:
        """Keep a resource, new or not."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO resources VALUES (?, ?, ?)", (kind, name, json.dumps(body))
            )

    def delete(self, kind: str, name: str) -> None:
        """Forget a resource; raises Missing."""
        with self.transaction():
            done = self._db.execute("DELETE FROM resources WHERE kind = ? AND name = ?", (kind, name))
            if done.rowcount == 0:
                raise Missing(f"{kind} {name}")

    def close(self) -> None:
        """Write everything out and let go of the file."""
        with self._lock:
            self._db.close()
