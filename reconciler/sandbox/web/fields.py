"""What a resource cannot be made without, and what of it cannot be changed: the checks over the field table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.web import field_table
from reconciler.sandbox.web.discovery import Described

ANNOTATED: Final = frozenset({"compute"})
"""APIs whose documents say, field by field, which methods require it."""
_SHOWN: Final = 100
"""Characters of a body that Compute Engine repeats in an error."""
Same = Callable[[Any, Any], bool]


def check_required(method: Described, body: Mapping[str, Any] | None) -> None:
    """Raise ApiError 400 for the first field that *method* requires and *body* lacks (None where it is not seen)."""
    if body is None:
        return
    if method.api in ANNOTATED and method.request and method.method_id.endswith(".insert") and not body:
        raise ApiError(400, "Required field 'resource' not specified", reason="required")
    for line in (*_annotated(method), *_required(f"{method.api}.{method.method_id}")):
        if not _at(body, line.field):
            raise ApiError(400, line.message, reason=line.reason)


def check_change(
    schema: str,
    before: Mapping[str, Any],
    sent: Mapping[str, Any],
    names: Iterable[str] | None = None,
    same: Same = lambda one, other: one == other,
) -> None:
    """Raise ApiError 400 where a field of *schema* ("compute.Network") would change that cannot.

    *names* are the fields that the request is about, where they are not simply those that it holds.
    """
    for name in sorted(sent if names is None else names):
        if name in sent and not changeable(schema, name) and not same(sent[name], before.get(name)):
            raise refused(schema, name, sent)


def changeable(schema: str, name: str) -> bool:
    """Whether a field can be changed: where a schema has lines of what can, nothing else can."""
    opened, fixed = _lines(schema)
    return name in opened if opened else name not in fixed


def open_fields(schema: str) -> frozenset[str]:
    """The fields of *schema* that can be changed, where the table lists those."""
    return _lines(schema)[0]


def fixed_fields(schema: str) -> frozenset[str]:
    """The fields of *schema* that cannot be changed, where the table lists those."""
    return _lines(schema)[1]


def check_open(schema: str, names: Iterable[str], besides: Iterable[str] = ()) -> None:
    """Raise ApiError 400 for a name in an update mask that is no field which can be changed, nor one of *besides*."""
    for name in names:
        if not changeable(schema, name) and name not in besides:
            raise refused(schema, name, {})


def refused(schema: str, name: str, sent: Mapping[str, Any]) -> ApiError:
    """The API's 400 for the change of a field; *sent* is the body."""
    api, _, kind = schema.partition(".")
    words = next(line for line in field_table.WORDS if line.api == api)
    shown = json.dumps(sent, indent=2)
    body = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    path = f"{_spoken(kind, '_')}.{_spoken(name, '_')}"
    text = words.message.format(
        field=name, value=_plain(sent.get(name, "")), body=body, schema=_spoken(kind, " "), path=path
    )
    return ApiError(400, text, reason=words.reason)


def _spoken(name: str, between: str) -> str:
    """ "service account" or "service_account" of "ServiceAccount"."""
    return between.join(re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)).lower()


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@cache
def _lines(schema: str) -> tuple[frozenset[str], frozenset[str]]:
    """(fields that can be changed, fields that cannot) as the table has them."""
    opened = {name for line in field_table.OPEN if line.schema == schema for name in line.fields.split()}
    fixed = {name for line in field_table.FIXED if line.schema == schema for name in line.fields.split()}
    return frozenset(opened), frozenset(fixed)


@cache
def _required(method: str) -> tuple[field_table.Required, ...]:
    return tuple(line for line in field_table.REQUIRED if line.method == method)


def _annotated(method: Described) -> Iterator[field_table.Required]:
    if method.api not in ANNOTATED or not method.request:
        return
    name = f"{method.api}.{method.method_id}"
    properties: Mapping[str, Mapping[str, Any]] = method.schemas[method.request].get("properties", {})
    for field, schema in properties.items():
        if name in schema.get("annotations", {}).get("required", ()):
            where = f"resource.{field}" if method.method_id.endswith(".insert") else field
            text = f"Required field '{where}' not specified"
            yield field_table.Required(name, field, text, "document", "required")


def _at(body: Mapping[str, Any], path: str) -> Any:
    name, _, below = path.partition(".")
    value = body.get(name)
    if not below:
        return value
    return _at(cast("dict[str, Any]", value), below) if isinstance(value, dict) else None
