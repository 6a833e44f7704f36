"""What a sandbox's project has become, in a form in which two runs can be compared.

Read from the file that the sandbox keeps everything in, so that nothing is missed that no list shows. What is random
or a time is taken out; that leaves some resources with the same name, which is why they are counted.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

LEASE = "-lease"
_NOT_COMPARED = {
    "operation": "compared by what they do, and how often",
    "compute.subnetwork": "those of the network that every project begins with",
    "run.task": "what an execution does, which is compared",
}
_DROPPED = re.compile(
    r"etag|uid|id|uniqueId|crc32c|data|insertId|since|until|heldUntil|created|updated|(meta)?generation|settingsVersion|time"
    r"|cert|file|localPort|lastModifier|creator|.*[tT]ime(stamp)?|.*[fF]ingerprint|timeCreated|.*Timestamp|start|end|started|ended"
)
"""Fields that hold times, random ids, versions that count writes, and secrets."""
_UNORDERED = {"bindings", "members"}
"""Lists of IAM policies: in which order they are depends on how often the policy was written."""
_RANDOM = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)"), "TIME"),
    (re.compile(r"\b(\d{11,}|\d{10}\.\d+)\b"), "NUMBER"),
    (re.compile(r"(-\d{5})-[a-z0-9]{3}\b"), r"\1-REVISION"),
    (re.compile(r"(-(?:migrate|retain|retention))-[a-z0-9]{5}\b"), r"\1-EXECUTION"),
    (re.compile(r"(?<= in )[\d.]+s\b"), "SECONDS"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+"), "PORT"),
    (re.compile(r"/tmp/[\w./-]+?/s(?=/|\b)"), "HOME"),  # noqa: S108 -- what is looked for, not a file that is made
)


@dataclass(frozen=True, slots=True)
class State:
    """Resources (kind, name, body), and what long-running operations did; each with how often."""

    resources: Counter[tuple[str, str, str]]
    operations: Counter[str]


def read(home: Path) -> State:
    """The state of the sandbox of *home*, which may run."""
    resources: Counter[tuple[str, str, str]] = Counter()
    operations: Counter[str] = Counter()
    for kind, name, body in _rows(home):
        if kind == "operation":
            operations[_operation(body)] += 1
        elif kind not in _NOT_COMPARED and LEASE not in name:
            resources[kind, _plain(name), _plain(json.dumps(_without_chance(body), sort_keys=True))] += 1
    return State(resources, operations)


def secrets_of(home: Path) -> frozenset[str]:
    """The payloads of every secret version in the sandbox of *home*."""
    payloads = (body.get("data") for kind, _, body in _rows(home) if kind == "secretmanager.version")
    return frozenset(base64.b64decode(data).decode(errors="replace") for data in payloads if data)


def differences(expected: State, found: State) -> list[str]:
    """What *found* has too much or lacks, one line each; an operation is a difference where it ran more often."""
    told = [
        f"{kind} {name}: {_first_difference(body, _like(expected, kind, name), 'not expected')}"
        for kind, name, body in found.resources - expected.resources
    ]
    unlike = {(kind, name) for kind, name, _ in found.resources - expected.resources}
    told += [
        f"{kind} {name}: missing, or fewer than expected"
        for kind, name, _ in expected.resources - found.resources
        if (kind, name) not in unlike
    ]
    told += [
        f"operation {what}: {count} more than expected"
        for what, count in (found.operations - expected.operations).items()
    ]
    return sorted(told)


def _rows(home: Path) -> Iterable[tuple[str, str, dict[str, Any]]]:
    with closing(sqlite3.connect(f"file:{home / 'state.db'}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT kind, name, body FROM resources").fetchall()
    return [(kind, name, json.loads(body)) for kind, name, body in rows]


def _operation(body: dict[str, Any]) -> str:
    """What an operation does, to what, without how."""
    given: dict[str, Any] = body.get("arguments", {})
    target = {key: value for key, value in given.items() if not isinstance(value, dict)}
    return _plain(f"{body.get('kind')} {json.dumps(_without_chance(target), sort_keys=True)}")


def _plain(text: str) -> str:
    for pattern, word in _RANDOM:
        text = pattern.sub(word, text)
    return text


def _without_chance(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        plain = {key: _without_chance(one) for key, one in fields.items() if not _DROPPED.fullmatch(key)}
        for key in _UNORDERED & plain.keys():
            plain[key] = sorted(plain[key], key=lambda one: json.dumps(one, sort_keys=True))
        return plain
    if isinstance(value, list):
        return [_without_chance(one) for one in cast("list[Any]", value)]
    return value


def _like(state: State, kind: str, name: str) -> str:
    """The body of the resource of that kind and name; "" where there is none."""
    return next((body for k, n, body in state.resources if (k, n) == (kind, name)), "")


def _first_difference(found: str, expected: str, missing: str) -> str:
    """Where two bodies begin to differ, with some of what is around it."""
    if not expected:
        return missing
    if found == expected:
        return "more than expected"
    at = next((n for n, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), 0)
    begin = max(0, at - 60)
    return f"…{found[begin : at + 90]}… instead of …{expected[begin : at + 90]}…"
