"""The request log: one JSON line for each API call with what was sent and answered, secrets masked.

Lines hold "time", "caller", "http_method", "path", "api", "method_id", "status" (0 where no answer was given),
"milliseconds", "request" and "answer" (JSON bodies, null where there is none), and "fault" where one was injected.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

NAME: Final = "requests.jsonl"
OLDER: Final = "requests.1.jsonl"
LARGEST_FILE: Final = 64 << 20
"""Bytes after which the file is put aside; the one put aside before is dropped."""
LARGEST_BODY: Final = 64 << 10
MASK: Final = "…"
POLL_SECONDS: Final = 0.2
"""How often a follower looks for new calls."""
_IN_QUERY: Final = re.compile(r"((?:access_token|oauth_token|upload_id|key|Signature)=)[^&]*")
_IN_TEXT: Final = re.compile(r"(://[^:/@\s]+:)[^@/\s]+(@)|((?:Bearer|Basic) )\S+")
_SECRET: Final = re.compile(
    r"(?i)^(.*password|.*private_?key(_?data)?|.*token|.*secret(_?key)?|id_?token|signed_?(blob|jwt)|sensitive_?labels)$"
)
"""Keys, and names of environment variables, whose value is for its owner alone."""
_PLAIN: Final = frozenset({"nextPageToken", "pageToken", "secret", "syncToken"})
"""Keys that look like it and hold none: a Secret Manager reference names a secret, it does not tell it."""


@dataclass(frozen=True)
class Logged:
    """One API call."""

    http_method: str
    path: str
    api: str
    method_id: str
    status: int
    milliseconds: float
    caller: str
    request: Any = None
    answer: Any = None
    fault: str = ""


class Journal:
    """Writes the log of one sandbox into *folder*; may be called from any thread."""

    def __init__(self, folder: Path, now: Callable[[], str]) -> None:
        self._path = folder / NAME
        self._now = now
        self._lock = threading.Lock()
        self._file = self._path.open("a", buffering=1, encoding="utf-8")

    def write(self, call: Logged) -> None:
        """Keep one call."""
        entry = {"time": self._now(), **vars(call)}
        entry["path"] = _IN_QUERY.sub(rf"\1{MASK}", call.path)
        entry["milliseconds"] = round(call.milliseconds, 1)
        entry["request"], entry["answer"] = masked(call.request), masked(call.answer)
        if not call.fault:
            del entry["fault"]
        text = _line(entry)
        if len(text) > LARGEST_BODY:
            text = _line({**entry, "request": _short(entry["request"]), "answer": _short(entry["answer"])})
        with self._lock:
            self._file.write(text)
            if self._file.tell() > LARGEST_FILE:
                self._turn()

    def _turn(self) -> None:
        self._file.close()
        self._path.replace(self._path.with_name(OLDER))
        self._file = self._path.open("a", buffering=1, encoding="utf-8")


def read(folder: Path) -> Generator[dict[str, Any]]:
    """Every call in the log below *folder*, the oldest first; nothing where there is none yet."""
    for name in (OLDER, NAME):
        with contextlib.suppress(FileNotFoundError), (folder / name).open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines)


def follow(folder: Path, stopped: Callable[[float], bool]) -> Generator[dict[str, Any]]:
    """What is added to the log from now on, until *stopped*, which waits so many seconds, says that it is over."""
    path, begun, begin = folder / NAME, b"", (folder / NAME).stat().st_size if (folder / NAME).exists() else 0
    while not stopped(POLL_SECONDS):
        size = path.stat().st_size if path.exists() else 0
        if size < begin:
            begin, begun = 0, b""  # the file was put aside, or the sandbox was reset
        if size == begin:
            continue
        with path.open("rb") as log:
            log.seek(begin)
            *whole, begun = (begun + log.read()).split(b"\n")
            begin = log.tell()
        yield from (json.loads(line) for line in whole)


def masked(value: Any) -> Any:
    """A JSON value without what only its owner may know."""
    if isinstance(value, dict):
        whole = cast("dict[str, Any]", value)
        variable = str(whole.get("name", "")) if "value" in whole else ""
        return {key: _field(key, inner, variable) for key, inner in whole.items()}
    if isinstance(value, list):
        return [masked(one) for one in cast("list[Any]", value)]
    if isinstance(value, str):
        return _IN_TEXT.sub(
            lambda found: f"{found[1]}{MASK}{found[2]}" if found[1] is not None else f"{found[3]}{MASK}",
            value,
        )
    return value


def _field(key: str, value: Any, variable: str) -> Any:
    if key == "payload":
        # A secret version's data, or what is to be signed.
        return dict.fromkeys(cast("dict[str, Any]", value), MASK) if isinstance(value, dict) else MASK
    holds = _SECRET.match(key) and key not in _PLAIN
    told = key == "value" and _SECRET.match(variable)
    if (holds or told) and value not in (None, ""):
        return dict.fromkeys(cast("dict[str, Any]", value), MASK) if isinstance(value, dict) else MASK
    return masked(value)


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False).encode("utf-8", "backslashreplace").decode() + "\n"


def _short(value: Any) -> Any:
    size = len(json.dumps(value)) if value is not None else 0
    return value if size <= LARGEST_BODY else f"({size} bytes)"
