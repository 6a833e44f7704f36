"""Google's own schemas, as far as the reconciler uses them: a text that shows what a newer package changed.

One line says one thing: a document's revision, a method with its verb, path, parameters and bodies, or a field of a
schema with its type, format and enum values. `documents.txt` is this text as of the package we were tested with.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from reconciler.sandbox.web.discovery import Described, documents_folder, load
from reconciler.sandbox.web.validation import output_only
from tests.conformance.sendable import Call, calls

SNAPSHOT: Final = Path(__file__).with_name("documents.txt")
NAMED_VALUES: Final = 12
"""How many values of an enum are written out; of a longer one, how many it has."""


def revisions(apis: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The revision of each document, by "sqladmin.v1"."""
    return {f"{api}.{version}": str(_whole(api, version)["revision"]) for api, version in sorted(set(apis))}


def lines(used: Iterable[Call]) -> list[str]:
    """The text: every method that is used, and every field that its bodies can have."""
    used = list(used)
    wanted: dict[tuple[str, str], set[str]] = {}
    named = revisions((call.api, call.version) for call in used)
    text = [f"{name} revision {revision}" for name, revision in named.items()]
    for call in sorted(used):
        method = method_of(call)
        query = [name for name, one in sorted(method.parameters.items()) if one.get("location") == "query"]
        bodies = f"{method.request or '-'} -> {method.response or '-'}"
        text.append(f"{call}: {method.http_method} {method.path} ?{','.join(query)} {bodies}")
        roots = {name for name in (method.request, method.response) if name}
        wanted.setdefault((call.api, call.version), set()).update(roots)
    for (api, version), roots in sorted(wanted.items()):
        schemas: Mapping[str, Mapping[str, Any]] = _whole(api, version)["schemas"]
        for name in sorted(_closure(schemas, roots)):
            text += [f"{api}.{version} {name}{line}" for line in _fields(schemas[name])]
    return text


def changes(used: Iterable[Call]) -> list[str]:
    """What is different from the text that is kept: lines that begin with - (gone) or + (new)."""
    before = SNAPSHOT.read_text(encoding="utf-8").splitlines() if SNAPSHOT.exists() else []
    difference = difflib.unified_diff(before, lines(used), lineterm="", n=0)
    return [line for line in difference if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def rewrite() -> None:
    """Keep the text of the package that is installed."""
    SNAPSHOT.write_text("\n".join(lines(calls())) + "\n", encoding="utf-8")


def method_of(call: Call) -> Described:
    """The document's description of a call; raises KeyError where it has none."""
    for method in load(call.api, call.version, (call.method_id.partition(".")[0],)).methods:
        if method.method_id == call.method_id:
            return method
    raise KeyError(f"{call} is in no document")


@cache
def _whole(api: str, version: str) -> Mapping[str, Any]:
    return json.loads((documents_folder() / f"{api}.{version}.json").read_bytes())


def _closure(schemas: Mapping[str, Mapping[str, Any]], roots: Iterable[str]) -> set[str]:
    """The schemas that *roots* reach."""
    reached: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _references(schemas[name])
    return reached


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in cast("dict[str, Any]", schema).items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for item in cast("list[Any]", schema):
            yield from _references(item)


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    if not properties:
        yield f": {_type(schema)}"
    for name, one in sorted(properties.items()):
        yield f".{name}: {_type(one)}{' output' if output_only(one) else ''}"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"])
    if "items" in schema:
        return f"[{_type(schema['items'])}]"
    if "additionalProperties" in schema:
        return f"{{{_type(schema['additionalProperties'])}}}"
    plain = str(schema.get("format") or schema.get("type", "any"))
    if schema.get("type") == "object" and "properties" in schema:
        plain = f"{{{', '.join(f'{k}: {_type(v)}' for k, v in sorted(schema['properties'].items()))}}}"
    values: Sequence[str] = schema.get("enum", ())
    if not values:
        return plain
    return "|".join(values) if len(values) <= NAMED_VALUES else f"one of {len(values)} values"
