"""The fields of log entries as Cloud Logging's filters see them: found by path, compared by their kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast
from urllib.parse import unquote

from reconciler.sandbox.logs.entries import SEVERITIES

_PART: Final = re.compile(r'"((?:\\.|[^"\\])*)"|([^."]+)')
_TIMES: Final = ("timestamp", "receiveTimestamp")
_CARRIED: Final = ("labels", "jsonPayload", "protoPayload")
"""Where a field that is not there is missing; elsewhere it has its default."""
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_DURATION: Final = re.compile(r"(-?\d+(?:\.\d+)?)(s|ms)")


def path_of(text: str) -> tuple[str, ...]:
    """The names in a field such as labels."run.googleapis.com/execution_name"; snake case becomes camel case."""
    parts = [quoted if plain == "" else plain for quoted, plain in _PART.findall(text)]
    head, *rest = [unquoted(f'"{part}"') for part in parts] or [text]
    camel = re.sub(r"_([a-z])", lambda match: match[1].upper(), head)
    return (camel, *rest)


def unquoted(text: str) -> str:
    """A quoted text without its quotes and escapes."""
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def log_id(entry: Mapping[str, Any]) -> str:
    """The id of the entry's log: "run.googleapis.com/stdout"."""
    return unquote(entry["logName"].partition("/logs/")[2])


def anywhere(entry: Mapping[str, Any], text: str) -> bool:
    """Whether any field holds the text, whatever its case."""
    wanted = text.lower()
    return any(wanted in value.lower() for value in _texts(entry))


def holds(entry: Mapping[str, Any], path: Sequence[str], operator: str, wanted: str) -> bool:
    """Whether the field at *path* compares so with *wanted*."""
    found = _find(entry, path)
    if found is None:
        if path[0] in _CARRIED or path[:2] == ("resource", "labels"):
            return False
        found = ""
    if operator == ":":
        return found != "" if wanted == "*" else any(wanted.lower() in text.lower() for text in _texts(found))
    if operator in ("=~", "!~"):
        matches = any(re.search(wanted, text) for text in _texts(found))
        return matches == (operator == "=~")
    if isinstance(found, Mapping | list) and operator in ("=", "!="):
        return (wanted.lower() in (text.lower() for text in _texts(found))) == (operator == "=")
    left, right = _comparable(path[0], found, wanted)
    return _compare(left, operator, right)


def _compare(left: Any, operator: str, right: Any) -> bool:
    if type(left) is not type(right):
        return operator == "!="
    return {
        "=": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[operator]


def _comparable(field: str, found: Any, wanted: str) -> tuple[Any, Any]:
    """Both sides as times, severities, numbers or texts without regard to their case."""
    if field == "severity":
        return SEVERITIES.get(str(found).upper() or "DEFAULT", 0), _severity(wanted)
    if field in _TIMES:
        return _time(str(found)), _time(wanted)
    if isinstance(found, bool):
        return found, wanted.lower() == "true"
    if (duration := _DURATION.fullmatch(str(found))) and (asked := _DURATION.fullmatch(wanted)):
        scale = {"s": 1.0, "ms": 0.001}
        return float(duration[1]) * scale[duration[2]], float(asked[1]) * scale[asked[2]]
    text = str(found)
    if _NUMBER.fullmatch(text) and _NUMBER.fullmatch(wanted):
        return float(text), float(wanted)
    if found == "" and _NUMBER.fullmatch(wanted):
        return 0.0, float(wanted)
    return text.lower(), wanted.lower()


def _severity(text: str) -> int:
    return int(text) if text.isdigit() else SEVERITIES.get(text.upper(), -1)


def _time(text: str) -> datetime:
    """A moment; a date alone is its midnight, and what is no time the beginning of all."""
    try:
        moment = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _find(entry: Mapping[str, Any], path: Sequence[str]) -> Any:
    found: Any = entry
    for part in path:
        if not isinstance(found, Mapping):
            return None
        found = cast("Mapping[str, Any]", found).get(part)
    return found


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, however deep."""
    if isinstance(value, Mapping):
        for inner in cast("Mapping[str, Any]", value).values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _texts(inner)
    elif isinstance(value, bool):
        yield str(value).lower()
    else:
        yield str(value)
