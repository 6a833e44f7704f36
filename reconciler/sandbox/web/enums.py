"""Enums as numbers: what Google's JSON front end answers where a client asks with `$alt=json;enum-encoding=int`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from reconciler.sandbox.web.discovery import Described, Schemas
from reconciler.sandbox.web.validation import enum_name

NUMBERED: Final = "enum-encoding=int"
"""What stands in the parameter `alt` or `$alt` of such a client."""
_TYPE: Final = "type.googleapis.com/"
Schema = Mapping[str, Any]


def asked(params: Mapping[str, Any]) -> bool:
    """Whether the request's parameters ask for numbers."""
    return any(NUMBERED in str(params.get(name, "")) for name in ("alt", "$alt"))


def numbered(method: Described, answer: Mapping[str, Any]) -> dict[str, Any]:
    """*answer* of *method* with the number of every enum in place of its name."""
    return (
        _object(method.schemas, method.schemas[method.response], answer) if method.response else dict(answer)
    )


def _value(schemas: Schemas, schema: Schema, value: Any) -> Any:
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    if isinstance(value, dict):
        return _object(schemas, schema, cast("dict[str, Any]", value))
    if isinstance(value, list):
        return [_value(schemas, schema.get("items", {}), item) for item in cast("list[Any]", value)]
    return _number(schema["enum"], value) if "enum" in schema else value


def _object(schemas: Schemas, schema: Schema, value: Mapping[str, Any]) -> dict[str, Any]:
    if "@type" in value:
        schema = _message(schemas, str(value["@type"])) or schema
    properties = cast("Mapping[str, Schema]", schema.get("properties", {}))
    rest = cast("Schema", schema.get("additionalProperties", {}))
    return {name: _value(schemas, properties.get(name, rest), inner) for name, inner in value.items()}


def _message(schemas: Schemas, name: str) -> Schema | None:
    """The schema of a message's full name, such as google.cloud.run.v2.Job: GoogleCloudRunV2Job, or Job."""
    parts = name.removeprefix(_TYPE).split(".")
    whole = "".join(part[:1].upper() + part[1:] for part in parts)
    return schemas.get(whole) or schemas.get(parts[-1])


def _number(names: Sequence[str], name: Any) -> Any:
    """The number of an enum's name; the name itself where the document does not know it."""
    return next((number for number in range(len(names) + 64) if enum_name(names, number) == name), name)
