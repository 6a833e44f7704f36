"""Between Google's nested JSON and our flat bodies: one key per field, its dotted path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from reconciler.model import Json


def at(body: Mapping[str, Any], path: str) -> Any:
    """The value under the dotted *path*, None where any part of the way is missing."""
    value: Any = body
    for step in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, Any]", value).get(step)
    return value


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The nested JSON that says the same as *flat*."""
    result: dict[str, Any] = {}
    for path, value in flat.items():
        *steps, last = path.split(".")
        inner = result
        for step in steps:
            inner = inner.setdefault(step, {})
        inner[last] = value
    return result


def prefixed(prefix: str, values: Mapping[str, Any] | None) -> dict[str, Json]:
    """A map as fields: `labels` and {a: b} is {labels.a: b}."""
    return {f"{prefix}.{key}": value for key, value in (values or {}).items()}


def under(prefix: str, body: Mapping[str, Any], fields: Iterable[str] | None = None) -> dict[str, Any]:
    """The reverse of `prefixed`: the map that *body* holds under *prefix*, of *fields* only if given."""
    chosen = body if fields is None else fields
    start = f"{prefix}."
    return {field.removeprefix(start): body[field] for field in chosen if field.startswith(start)}


def with_map(live: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """*live* with the entries of *wanted* set, or removed where they are None: other people's entries stay."""
    return {key: value for key, value in {**(live or {}), **wanted}.items() if value is not None}


def known(value: Mapping[str, Any], shape: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    """*value* without what *shape* does not name: its fields, and the fields of those that are objects.

    For what is compared as a whole: a field that Google adds one day is then no difference.
    """
    kept = {field: inner for field, inner in value.items() if field in shape}
    return {
        field: {name: kept[field][name] for name in kept[field] if name in shape[field]}
        if isinstance(kept[field], Mapping)
        else kept[field]
        for field in kept
    }


_SUFFIXES = {
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
}


def quantity(text: Any) -> str | None:
    """A Kubernetes quantity in one spelling: `1000m`, `1.0` and `1` are "1"; `1024Mi` and `1Gi` are "1Gi"."""
    if text in (None, ""):
        return None
    written = str(text)
    try:
        for suffix, factor in _SUFFIXES.items():
            if written.endswith(suffix):
                return _bytes(Decimal(written.removesuffix(suffix)) * factor)
        number = Decimal(written.removesuffix("m")) / (1000 if written.endswith("m") else 1)
    except InvalidOperation:
        return written
    return format(number.normalize(), "f")


def _bytes(amount: Decimal) -> str:
    for suffix in ("Gi", "Mi", "Ki"):
        whole = amount / _SUFFIXES[suffix]
        if whole == whole.to_integral_value():
            return f"{int(whole)}{suffix}"
    return str(int(amount))


def items(body: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    """The list of objects under the dotted *path*, empty where there is none."""
    return cast("list[dict[str, Any]]", at(body, path) or [])


def words(body: Mapping[str, Any], path: str) -> list[str]:
    """The list of strings under the dotted *path*, empty where there is none."""
    return [str(word) for word in cast("list[Any]", at(body, path) or [])]


def section(body: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The object under the dotted *path*, empty where there is none."""
    return cast("dict[str, Any]", at(body, path) or {})


def integer(value: Any) -> int | None:
    """An int64, which Google's JSON spells as a string."""
    return None if value in (None, "") else int(value)
