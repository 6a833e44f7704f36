"""Recordings of the real APIs, as rows: what was asked and what was answered.

A recording is a JSON Lines file; a line is
    {"service", "kind", "case", "seq", "provenance": {"commit", "date"},
     "request": {"method", "url", "path", "query", "body"}, "response": {"status", "body"}}
`seq` is the order within one recording of a case. A case recorded more than once appears under more than one commit;
each of these is a *take*, and each take is replayed in a project of its own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from tests.conformance import http_logs

PLACES: Final = ("recordings", "../recordings", "../shared/recordings")
"""Where recordings are looked for, beside the checkout; FOLDER goes first."""
FOLDER: Final = "MLFLOW_RECONCILE_RECORDINGS"


@dataclass(frozen=True)
class Row:
    """One request and its recorded answer."""

    service: str
    kind: str
    case: str
    take: str
    """Which recording of the case: the commit that brought it."""
    seq: int
    method: str
    host: str
    path: str
    query: Mapping[str, str]
    body: Any
    status: int
    answer: Any
    """The recorded JSON body; None where it was empty."""
    day: str = ""
    """When it was recorded: "2024-08-28"; "" where that is not known."""

    @property
    def api(self) -> str:
        """ "service kind", as the report groups rows."""
        return f"{self.service} {self.kind}"

    def __str__(self) -> str:
        """How differences name a row."""
        return f"{self.case.partition(chr(9))[0]} {self.seq} {self.method} {self.path}"


@dataclass(frozen=True)
class Take:
    """One recording of one case, in order."""

    case: str
    name: str
    rows: Sequence[Row]


def find() -> Path | None:
    """The folder of recordings on this machine, or None."""
    named = os.environ.get(FOLDER)
    return next((path for path in map(Path, (named,) if named else PLACES) if path.is_dir()), None)


def refuse(line: str) -> None:
    """Raise ValueError with *line*: what cannot be read is an error."""
    raise ValueError(line)


def read(folder: Path, unread: Callable[[str], None] = refuse) -> list[Row]:
    """Every row of every `*.jsonl` in *folder*, and of every HTTP log of the Config Connector project below it.

    *unread* hears of each line, and of each part of a log, that is none.
    """
    rows = [_row(line) for line in http_logs.lines(folder, unread)]
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                rows.append(_row(json.loads(line)))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                unread(f"{path.name}:{number} is no recorded row: {error!r}")
    return rows


def takes(rows: Iterable[Row]) -> list[Take]:
    """The rows by case and take, each in the order of `seq`; cases in the order of their names."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row.case, row.take), []).append(row)
    ordered = sorted(grouped.items())
    return [Take(case, name, sorted(found, key=lambda row: row.seq)) for (case, name), found in ordered]


def in_own_project(take: Take) -> Take:
    """*take* with `${projectId}` in place of the one project that all its paths name, where its authors left a name."""
    named = {found[1] for row in take.rows if (found := re.search(r"/projects/([^/:]+)", row.path))}
    if (
        len(named) != 1
        or "$" in (name := named.pop())
        or not re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", name)
    ):
        return take

    def renamed(value: Any) -> Any:
        return json.loads(json.dumps(value).replace(name, "${projectId}"))

    rows = [
        replace(row, path=renamed(row.path), query=renamed(dict(row.query)), body=renamed(row.body),
                answer=renamed(row.answer))
        for row in take.rows
    ]  # fmt: skip
    return replace(take, rows=rows)


def fields_of(value: Any) -> dict[str, Any]:
    """A JSON object, or {} for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _row(line: Mapping[str, Any]) -> Row:
    request, response = line["request"], line["response"]
    return Row(
        service=line["service"],
        kind=line["kind"],
        case=line["case"],
        take=str(line.get("provenance", {}).get("commit", "")),
        seq=int(line["seq"]),
        method=request["method"],
        host=urlsplit(str(request["url"])).netloc,
        path=request["path"],
        query=dict(request.get("query") or {}),
        body=request.get("body"),
        status=int(response["status"]),
        answer=None if response.get("body") == "" else response.get("body"),
        day=_day(str(line.get("provenance", {}).get("date", ""))[:10]),
    )


def _day(text: str) -> str:
    return text if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", text) else ""
