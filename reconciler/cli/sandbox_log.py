"""The sandbox's request log on a terminal: which calls, and how each is written."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from reconciler.sandbox.iam.identities import OPERATOR
from reconciler.sandbox.web import journal

Entry = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """Which calls to show: those whose "API.METHOD_ID" fits *method*; with *failed* only those without success."""

    method: str
    failed: bool

    def fits(self, entry: Entry) -> bool:
        """Whether *entry* is to be shown."""
        named = fnmatchcase(_name(entry), self.method)
        return named and not (self.failed and 200 <= entry["status"] < 400)


def entries(folder: Path, wanted: Wanted, last: int, *, follow: bool) -> Iterator[Entry]:
    """The last calls that are wanted (0: all of them); with *follow* those to come, too, without an end."""
    past = (entry for entry in journal.read(folder) if wanted.fits(entry))
    yield from deque(past, maxlen=last) if last else past
    if follow:
        yield from (entry for entry in journal.follow(folder, _waited) if wanted.fits(entry))


def as_json(entry: Entry, *, bodies: bool) -> str:
    """One line of JSON; without *bodies* what was sent and answered is left out."""
    kept = (
        entry if bodies else {key: value for key, value in entry.items() if key not in ("request", "answer")}
    )
    return json.dumps(kept, ensure_ascii=False)


def as_text(entry: Entry, *, bodies: bool) -> str:
    """One line for a person, and with *bodies* what was sent and answered below it."""
    return "\n".join(_lines(entry, bodies=bodies))


def _lines(entry: Entry, *, bodies: bool) -> Generator[str]:
    clock = entry["time"][11:23]
    status = entry["status"] or "cut"
    whom = "" if entry["caller"] in ("", OPERATOR) else f"  as {entry['caller']}"
    fault = f"  (fault {entry['fault']})" if "fault" in entry else ""
    duration = f"{entry['milliseconds']:>6.0f} ms"
    yield f"{clock}  {status!s:>3} {duration}  {_name(entry)}  {entry['http_method']} {entry['path']}{whom}{fault}"
    if message := _message(entry):
        yield f"    {message}"
    if bodies:
        for sign, body in ((">", entry["request"]), ("<", entry["answer"])):
            if body is not None:
                yield from (
                    f"  {sign} {line}" for line in json.dumps(body, indent=2, ensure_ascii=False).splitlines()
                )


def _name(entry: Entry) -> str:
    return f"{entry['api']}.{entry['method_id']}" if entry["api"] else "(no method)"


def _message(entry: Entry) -> str:
    answer = entry["answer"]
    if entry["status"] < 400 or not isinstance(answer, dict):
        return ""
    error = cast("dict[str, Any]", answer).get("error")
    text = cast("dict[str, Any]", error).get("message", "") if isinstance(error, dict) else error
    return str(text or "").partition("\n")[0]


def _waited(seconds: float) -> bool:
    time.sleep(seconds)
    return False
