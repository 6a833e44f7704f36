"""Google's protobuf messages as the JSON that the API documents, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


def as_json(message: Any) -> dict[str, Any]:
    """A proto-plus message as the API's JSON: camelCase, enums by name, int64 as strings, zero values left out."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(cast("Any", type(message)).pb(message))


def from_json(kind: Any, body: Mapping[str, Any]) -> Any:
    """A message of the proto-plus class *kind*; raises `ParseError` on a field that the library does not know."""
    from google.protobuf.json_format import ParseDict

    return kind(cast("Any", ParseDict)(dict(body), kind.pb()()))
