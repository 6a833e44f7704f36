"""The schema's keywords in plain words: what is wrong with a value, why, and the nearest valid one."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.spec.finding import Path

RANKS = {word: rank for rank, word in enumerate(["type", "const", "enum", "pattern", "minimum", "maximum"])}
"""Of several complaints about one value, the first of these says most."""

KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a section",
    "array": "a list",
}
LONGEST = 60


def shown(value: Any, path: Path) -> str:
    """*value* as a message may repeat it: short, on one line; never what stands under server.env."""
    if path[:2] == ("server", "env"):
        return "the value"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def example(schema: Mapping[str, Any]) -> str:
    """One valid value, as it is written in the spec."""
    return json.dumps(schema["examples"][0], ensure_ascii=False)


def complain(keyword: str, schema: Mapping[str, Any], value: Any, path: Path) -> tuple[str, str]:
    """The message and the way out for *value*, which breaks *keyword* of *schema*."""
    said = shown(value, path)
    limit = schema.get(keyword)
    match keyword:
        case "type":
            return _type(schema, value, path)
        case "const":
            return f"{said} is not known; only {limit} is", f"write {limit}"
        case "enum":
            return _enum(schema["enum"], value, said)
        case "pattern":
            return f"{said} is not {schema['patternErrorMessage']}", _repaired(schema, value)
        case "minimum" | "exclusiveMinimum":
            return f"{said} is too small", f"at least {limit}"
        case "maximum" | "exclusiveMaximum":
            return f"{said} is too large", f"at most {limit}"
        case "minLength":
            return f"{said} is too short", f"at least {limit} characters, for example {example(schema)}"
        case "maxLength":
            return f"{said} is too long: {len(value)} characters", f"at most {limit} characters"
        case "maxItems" | "maxProperties":
            return f"holds {len(value)} entries", f"at most {limit}"
        case "uniqueItems":
            return "holds the same entry twice", "keep one of the two"
        case _:
            return f"{said} does not satisfy {keyword} of the schema", f"for example {example(schema)}"


def _enum(options: list[Any], value: Any, said: str) -> tuple[str, str]:
    texts = [str(option) for option in options]
    near = difflib.get_close_matches(str(value)[:LONGEST].lower(), texts, n=1, cutoff=0.5)
    message = f"{said} is not one of {', '.join(texts)}"
    return message, f"did you mean {near[0]}?" if near else f"choose one of {', '.join(texts)}"


def _type(schema: Mapping[str, Any], value: Any, path: Path) -> tuple[str, str]:
    wanted = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    if value is None:
        way = (
            f"write one, for example {example(schema)}, or remove the line"
            if "examples" in schema
            else "write one"
        )
        return f"has no value; {KINDS[wanted]} is expected", way
    message = f"{_kind(value)} ({shown(value, path)}) where {KINDS[wanted]} belongs"
    if wanted == "string" and isinstance(value, bool | int | float):
        if "pattern" in schema:
            return message, f"quote it if it is meant, as in {example(schema)}"
        return message, f'quote it: "{json.dumps(value)}"' if path[:2] != (
            "server",
            "env",
        ) else "put it in quotes"
    if isinstance(value, str) and wanted == "boolean":
        meant = "true" if value.strip().lower() in {"true", "yes", "on", "y", "1"} else "false"
        return message, f"write {meant}, without quotes"
    if isinstance(value, str) and wanted == "integer" and value.strip().isdecimal():
        return message, f"write {value.strip()}, without quotes"
    if wanted == "array" and isinstance(value, str):
        return message, f"write [{shown(value, path)}]"
    if wanted == "object" and "properties" in schema:
        return message, f"write its keys below it, indented: {', '.join(schema['properties'])}"
    return message, f"for example {example(schema)}"


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a section"


def _repaired(schema: Mapping[str, Any], value: str) -> str:
    """A valid value near *value*, if one of the usual slips made it; else the schema's example."""
    for candidate in _slips(value.strip()):
        if candidate not in {"", value} and "\n" not in candidate and re.search(schema["pattern"], candidate):
            return f"did you mean {json.dumps(candidate)}?"
    return f"for example {example(schema)}"


def _slips(plain: str) -> Iterator[str]:
    """What was perhaps meant by *plain*: with another case, without prefix or zone, in the right unit."""
    yield plain
    yield plain.lower()
    if plain.startswith("gs://"):
        yield plain.removeprefix("gs://").split("/")[0]
    yield plain.strip("/")
    yield plain.removeprefix("v")
    yield re.sub("-[a-z]$", "", plain)
    if number := re.match(r"([0-9]+)\s*(mib?|mb?|gib?|gb?)?$", plain, re.IGNORECASE):
        yield number[1] + ("Gi" if (number[2] or "m").lower().startswith("g") else "Mi")
    if time := re.match(r"([0-9]{1,2})(?::([0-9]{2}))?$", plain):
        yield f"{time[1]:0>2}:{time[2] or '00'}"
    yield re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
